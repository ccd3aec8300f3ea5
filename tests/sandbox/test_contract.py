"""schemathesis against a running sandbox, with the contract as the schema and all checks on.

What is excepted stands here with its reason: `CHOSEN_ANSWERS` and `CHOSEN_RULES`.
"""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tallybook.sandbox import world

CONTRACT, WEBHOOKS = (
    yaml.safe_load((Path(__file__).parents[2] / "contract" / name).read_text(encoding="utf-8"))
    for name in ("pleo-export-v3.openapi.yaml", "pleo-webhooks.openapi.yaml")
)
UUID_PATTERN = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

# Statuses the sandbox answers with and the definition does not list; their body is the definition's ExceptionInfo.
CHOSEN_ANSWERS = {
    "400": "a malformed request: the definition requires formats and members but has no answer for their absence",
    "401": "missing or wrong credentials: the definition has two authentications and no answer without them",
    "403": "another company or scope: the definition has scopes and no answer without them",
    "404": "an unknown job or entry: the definition says so for some operations only",
    "415": "a body that is no JSON: the definition knows one media type",
}
# Well-formed requests that are turned down all the same: the definition says why in words, not in its schema.
CHOSEN_RULES = {
    "cursors and offset": "after, before and offset exclude each other, and a cursor must come from the list itself",
    "sorting": "keys and orders go in pairs, and which keys there are is not published",
}
# Statuses the definition itself gives to well-formed requests, next to schemathesis' own list.
PUBLISHED_REFUSALS = ["2xx", "401", "403", "404", "409", "413", "422"]


def with_what_was_chosen(part: Any) -> Any:
    """Write into the contract what its comments and prose say, so that nothing is generated against it."""
    if isinstance(part, dict):
        if "uuid" in (part.get("format"), part.get("items", {}).get("format") if "items" in part else None):
            (part if part.get("format") == "uuid" else part["items"])["pattern"] = UUID_PATTERN
        if "requestBody" in part:
            part["requestBody"]["required"] = True  # not marked so for v3, and yet the body is the request
        if "operationId" in part:
            content = {"application/json;charset=UTF-8": {"schema": {"$ref": "#/components/schemas/ExceptionInfo"}}}
            for status, reason in CHOSEN_ANSWERS.items():
                part["responses"].setdefault(status, {"description": reason, "content": content})
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
        with_what_was_chosen(value)
    return part


CONFIG = schemathesis.Config.from_dict(
    {"checks": {"positive_data_acceptance": {"expected-statuses": PUBLISHED_REFUSALS}}}
)
schema = schemathesis.openapi.from_dict(with_what_was_chosen(CONTRACT), config=CONFIG)

# An error's body has no published form in this definition; neither have these numbers a lower end.
WEBHOOKS["components"]["schemas"]["ExceptionInfo"] = CONTRACT["components"]["schemas"]["ExceptionInfo"]
for parameter in ("Offset", "Limit"):
    WEBHOOKS["components"]["parameters"][parameter]["schema"]["minimum"] = 0
webhooks_schema = schemathesis.openapi.from_dict(with_what_was_chosen(WEBHOOKS), config=CONFIG)

COMPANY_ID = world.company(1).id
ENTRY_ID, OTHER_ENTRY_ID = (str(uuid5(UUID(COMPANY_ID), f"expense {number}")) for number in (1, 2))
JOB_ID = str(uuid5(UUID(COMPANY_ID), "export job 1"))
SUBSCRIPTION_ID = str(uuid5(UUID(COMPANY_ID), "subscription 1"))
REAL_IDS = {
    "id": SUBSCRIPTION_ID,
    "jobId": JOB_ID,
    "job_id": JOB_ID,
    "companyId": COMPANY_ID,
    "company_id": COMPANY_ID,
    "accountingEntryId": ENTRY_ID,
    "accounting_entry_id": ENTRY_ID,
}


def with_real_ids(part: Any, name: str = "") -> Any:
    """Put real ids in the place of half of the well-formed ones, or every answer would be a 404."""
    if isinstance(part, dict):
        return {key: with_real_ids(value, key) for key, value in part.items()}
    if isinstance(part, list):
        return [with_real_ids(value, "accountingEntryId" if name == "accountingEntryIds" else "") for value in part]
    if name in REAL_IDS and isinstance(part, str) and len(part) == 36 and part[0] in "02468ace":
        return REAL_IDS[name]
    return part


def with_sensible_terms(body: Any) -> Any:
    """Put what the sandbox takes in the place of what is well-formed; the definition has any text for most of it."""
    if not isinstance(body, dict):
        return body

    def texts(part: Any) -> bool:
        values = part.values() if isinstance(part, dict) else part if isinstance(part, list) else [None]
        return all(isinstance(value, str) for value in values)

    terms = dict(body)
    if isinstance(terms.get("endpointUrl"), str):
        terms["endpointUrl"] = "https://books.example.com/webhooks"
    events = terms.get("eventTypes")
    if isinstance(events, list) and texts(events) and len(set(events)) == len(events):
        terms["eventTypes"] = ["v1.export-job.created"]
    if isinstance(terms.get("customHeaders"), dict) and texts(terms["customHeaders"]):
        terms["customHeaders"] = {"X-Office": "Copenhagen"}
    auth = terms.get("endpointAuth")
    if isinstance(auth, dict) and auth.get("type") == "BASIC":
        credentials = auth.get("credentials", {})
        if isinstance(credentials, dict) and texts(credentials):
            terms["endpointAuth"] = auth | {"credentials": {"username": "pleo", "password": "open sesame"}}
    return terms


def turned_down_by_a_chosen_rule(query: dict[str, Any]) -> bool:
    """Whether CHOSEN_RULES speak of this query."""
    return any(query.get(name) for name in ("after", "before", "sorting_keys", "sorting_order"))


@pytest.fixture(params=["pending", "in_progress", "completed"])
def contract_sandbox(request: pytest.FixtureRequest, pleo: Any) -> Any:
    """A world whose first job is in this state."""
    assert pleo.job_of(2) == (JOB_ID, [ENTRY_ID, OTHER_ENTRY_ID])
    for event in {"in_progress": ["started"], "completed": ["started", "completed"]}.get(request.param, []):
        assert pleo.event(JOB_ID, event).status_code == 202
    return pleo


@schema.parametrize()
@settings(max_examples=20, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_sandbox_keeps_the_contract(case: schemathesis.Case[Any], contract_sandbox: Any) -> None:
    """Whatever is sent, right or wrong, the answer is one the contract allows."""
    case.path_parameters = with_real_ids(case.path_parameters)
    case.query = with_real_ids(case.query)
    case.body = with_real_ids(case.body)
    excepted: list[schemathesis.CheckFunction] = []
    if turned_down_by_a_chosen_rule(case.query or {}):
        excepted.append(positive_data_acceptance)
    case.call_and_validate(
        base_url=contract_sandbox.url,
        headers={"Authorization": f"Bearer {contract_sandbox.access_token}"},
        excluded_checks=excepted,
    )


@webhooks_schema.parametrize()
@settings(max_examples=20, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_sandbox_keeps_the_contract_of_subscriptions(case: schemathesis.Case[Any], pleo: Any) -> None:
    """The same for webhook subscriptions, of which there is one."""
    body = {"endpointUrl": "https://books.example.com/webhooks", "eventTypes": ["v1.export-job.created"]}
    if not pleo.ok(pleo.http.get("/v1/subscriptions"))["data"]:
        assert pleo.ok(pleo.http.post("/v1/subscriptions", json=body))["data"]
    case.path_parameters = with_real_ids(case.path_parameters)
    case.body = with_sensible_terms(case.body)
    excepted: list[schemathesis.CheckFunction] = []
    if turned_down_by_a_chosen_rule(case.query or {}):
        excepted.append(positive_data_acceptance)
    case.call_and_validate(
        base_url=pleo.url, headers={"Authorization": f"Bearer {pleo.access_token}"}, excluded_checks=excepted
    )
