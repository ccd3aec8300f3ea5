"""Which error each HTTP status of Pleo's becomes, and the sentence that goes with it.

Source: contract/pleo-export-v3.openapi.yaml, the `responses` of each operation; 401, 403 and 429 are not in it and are
read as HTTP means them (RFC 9110, RFC 6585).
"""

import json
from typing import Any

from tallybook.pleo.errors import (
    ExportAlreadyInProgress,
    InvalidJobStatusChange,
    JobStatusUnprocessable,
    MissingContraAccounts,
    PleoBadRequest,
    PleoNotAuthenticated,
    PleoNotAuthorized,
    PleoNotFound,
    PleoRateLimited,
    PleoRefused,
    PleoServerFault,
    TooManyItems,
    printable,
)

_SERVER_FAULT = 500
_RATE_LIMITED = 429

# Error types that tell two refusals of one status apart. Compared without regard to case: Pleo's pages write both.
_BY_TYPE: dict[tuple[int, str], type[PleoRefused]] = {
    (400, "missing_contra_accounts"): MissingContraAccounts,
    (409, "export_already_in_progress"): ExportAlreadyInProgress,
    (422, "export_job_status_unprocessable"): JobStatusUnprocessable,
    (422, "invalid_export_job_status_change"): InvalidJobStatusChange,
}
_BY_STATUS: dict[int, type[PleoRefused]] = {
    401: PleoNotAuthenticated,
    403: PleoNotAuthorized,
    404: PleoNotFound,
    413: TooManyItems,
}
# The one refusal an operation has for a status, for an answer that lost its body on the way.
_UNNAMED: dict[tuple[int, str], type[PleoRefused]] = {
    (409, "create_job"): ExportAlreadyInProgress,
    (422, "send_event"): InvalidJobStatusChange,
    (422, "update_items"): JobStatusUnprocessable,
    (422, "list_export_items"): JobStatusUnprocessable,
}
# Each operation as words that follow "to".
_SPOKEN: dict[str, str] = {
    "list_jobs": "list export jobs",
    "job": "show an export job",
    "create_job": "create an export job",
    "list_job_items": "list the items of an export job",
    "job_item": "show an export job item",
    "update_items": "take item updates",
    "list_export_items": "list export items",
    "send_event": "take a job event",
    "list_subscriptions": "list webhook subscriptions",
    "create_subscription": "create a webhook subscription",
    "subscription": "show a webhook subscription",
    "replace_subscription": "change a webhook subscription",
    "remove_subscription": "remove a webhook subscription",
    "subscription_secret": "show the secret of a webhook subscription",
    "end_installation": "end the installation",
    "list_subscription_activities": "list what was done to a webhook subscription",
}
_MEND: dict[type[PleoRefused], str] = {
    PleoNotAuthenticated: "put a valid API key or access token into the settings",
    PleoNotAuthorized: "the API key or access token lacks a right; ask for the scopes export-jobs and export-items",
    PleoNotFound: "check the id, and that the key belongs to this company",
    ExportAlreadyInProgress: "wait for the company's running export to end",
    MissingContraAccounts: "choose the contra accounts in Pleo under Settings, Accounting, Contra accounts",
    TooManyItems: "lower pleo.items_per_update",
    JobStatusUnprocessable: "the export job has ended; export its open entries again from Pleo",
    InvalidJobStatusChange: "the export job does not stand where this event applies",
    PleoBadRequest: "this is most likely a fault in Tallybook; report it with this sentence",
}
# Where an operation's refusal is more likely somebody's own doing.
_MEND_OPERATION: dict[tuple[type[PleoRefused], str], str] = {
    (PleoBadRequest, "create_subscription"): "check the address: Pleo sends to https only",
    (PleoBadRequest, "replace_subscription"): "check the address: Pleo sends to https only",
}


def refusal(
    operation: str, status: int, body: bytes, *, retry_after_s: float | None, secrets: tuple[str, ...] = ()
) -> PleoRefused:
    """Make the error for a status of 400 and above; `secrets` are taken out of Pleo's text, should it quote them."""
    name, message = _type_and_message(body, secrets)
    said = f"{status} {name}".strip() + (f": {message}" if message else "")
    sentence = f"Pleo refused to {spoken(operation)} ({said})"
    if status == _RATE_LIMITED:
        when = "later" if retry_after_s is None else f"in {retry_after_s:.0f} s"
        return PleoRateLimited(f"{sentence}; try again {when}", type=name, message=message, retry_after_s=retry_after_s)
    if status >= _SERVER_FAULT:
        return PleoServerFault(f"{sentence}; try again later", status=status, type=name, message=message)
    kind = _BY_TYPE.get((status, name.lower())) or _BY_STATUS.get(status)
    if kind is None and not name:
        kind = _UNNAMED.get((status, operation))
    kind = kind or PleoBadRequest
    mend = _MEND_OPERATION.get((kind, operation)) or _MEND[kind]
    return kind(f"{sentence}; {mend}", status=status, type=name, message=message)


def spoken(operation: str) -> str:
    """Say an operation in words that follow "to"."""
    return _SPOKEN.get(operation) or operation.replace("_", " ")


def _type_and_message(body: bytes, secrets: tuple[str, ...]) -> tuple[str, str]:
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""  # a proxy's page, or nothing: the status says enough
    if not isinstance(said, dict):
        return "", ""

    def clean(name: str) -> str:
        text = said.get(name)
        if not isinstance(text, str):
            return ""
        for secret in secrets:
            text = text.replace(secret, "…")
        return printable(text)

    return clean("type"), clean("message")
