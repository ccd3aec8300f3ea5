"""Which operation a request is for, by method and path: the names faults and the journal use."""

import re
from dataclasses import dataclass
from typing import Final

_ID = r"[^/]+"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: the definition's operationId (`files` for downloads) and its method and path template."""

    id: str
    template: str


_OPERATIONS: Final = tuple(
    (method, re.compile(pattern), Operation(operation_id, f"{method} {template}"))
    for method, pattern, operation_id, template in (
        ("GET", r"/v3/export-items", "getExportItemsV3", "/v3/export-items"),
        ("PUT", rf"/v3/export-jobs/{_ID}/items", "updateExportJobItemsV3", "/v3/export-jobs/{jobId}/items"),
        ("GET", rf"/v3/export-jobs/{_ID}/items", "getExportJobItemsV3", "/v3/export-jobs/{jobId}/items"),
        ("POST", r"/v3/export-job-events", "createExportJobEventV3", "/v3/export-job-events"),
        ("GET", rf"/v3/export-jobs/{_ID}", "getExportJobByIdV3", "/v3/export-jobs/{jobId}"),
        ("GET", r"/v3/export-jobs", "getExportJobsListV3", "/v3/export-jobs"),
        ("POST", r"/v3/export-jobs", "createExportJobV3", "/v3/export-jobs"),
        ("GET", r"/v3/export-job-items", "getExportJobItemByAccountingEntryIdV3", "/v3/export-job-items"),
        ("GET", r"/v1/subscriptions", "getSubscriptions", "/v1/subscriptions"),
        ("POST", r"/v1/subscriptions", "createSubscription", "/v1/subscriptions"),
        ("GET", rf"/v1/subscriptions/{_ID}", "getSubscriptionById", "/v1/subscriptions/{id}"),
        ("PUT", rf"/v1/subscriptions/{_ID}", "updateSubscription", "/v1/subscriptions/{id}"),
        ("DELETE", rf"/v1/subscriptions/{_ID}", "deleteSubscription", "/v1/subscriptions/{id}"),
        (
            "GET",
            rf"/v1/subscriptions/{_ID}/activities",
            "getSubscriptionActivities",
            "/v1/subscriptions/{id}/activities",
        ),
        ("GET", rf"/v1/subscriptions/{_ID}/secret", "getSubscriptionSecret", "/v1/subscriptions/{id}/secret"),
        ("DELETE", r"/v1/installations/me", "deleteClientInstallation", "/v1/installations/me"),
        ("GET", r"/oauth/authorize", "authorize", "/oauth/authorize"),
        ("POST", r"/oauth/authorize", "decide", "/oauth/authorize"),
        ("POST", r"/oauth/token", "token", "/oauth/token"),
        ("POST", r"/oauth/token/introspect", "introspect", "/oauth/token/introspect"),
        ("GET", rf"/files/{_ID}/{_ID}", "files", "/files/{accountingEntryId}/{receipt}"),
    )
)
OPERATION_IDS: Final = frozenset(operation.id for _, _, operation in _OPERATIONS)


def operation_of(method: str, path: str) -> Operation:
    """Name the operation; a request for none of them is `unknown`."""
    for wanted, pattern, operation in _OPERATIONS:
        if method == wanted and pattern.fullmatch(path):
            return operation
    return Operation("unknown", f"{method} (unknown)")


def methods_of(path: str) -> list[str]:
    """List the methods there are at a path of Pleo's API or /files."""
    return sorted(method for method, pattern, _ in _OPERATIONS if pattern.fullmatch(path))
