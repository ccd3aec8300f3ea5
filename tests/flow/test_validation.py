import json
from typing import Any

import pytest

from tests.flow.conftest import Stage

OTHER_COMPANY = "00000000-0000-4000-8000-000000000000"


def final_event(stage: Stage) -> dict[str, Any]:
    bodies = [json.loads(call["requestBody"]) for call in stage.journal("POST /v3/export-job-events")]
    assert [body["event"] for body in bodies] == ["started", "failed"]
    found: dict[str, Any] = bodies[-1]
    return found


@pytest.mark.parametrize(
    ("changes", "vendor_based", "reason", "words"),
    [
        ({"pleo": {"company_id": OTHER_COMPANY}}, False, "invalid_configuration", "pleo.company_id"),
        (
            {"accounts": {"wallet": None, "contra": None}},
            False,
            "missing_configuration",
            "accounts.wallet, accounts.contra",
        ),
        ({"accounts": {"accounts_payable": None}}, True, "missing_configuration", "accounts.accounts_payable"),
        ({"accounts": {"out_of_pocket": "0815"}}, False, "invalid_configuration", "accounts.out_of_pocket = 0815"),
    ],
)
def test_a_blocker_fails_the_job_before_any_item_is_fetched(
    stage: Stage, changes: dict[str, dict[str, Any]], vendor_based: bool, reason: str, words: str
) -> None:
    """One `failed` event with Pleo's reason and a sentence that names the setting; no item is read or written."""
    stage.add({})
    stage.changes = changes
    (report,) = stage.run(stage.press_export(vendor_based=vendor_based))
    event = final_event(stage)
    assert event["failureReasonType"] == reason
    assert words in event["failureReason"]
    assert report.event is not None
    assert stage.journal("/items") == []
    assert stage.journal("GET /v3/export-items") == []
    assert stage.booked() == []


def test_books_that_are_not_there_fail_the_job_as_unreachable(stage: Stage) -> None:
    """The book's file is gone: the job fails, and Pleo's users read why."""
    stage.add({})
    stage.place.book.rename(stage.folder / "away.sqlite")
    for beside in stage.folder.glob("book.sqlite-*"):
        beside.unlink()
    stage.export()
    event = final_event(stage)
    assert event["failureReasonType"] == "accounting_system_unreachable"
    assert "book.sqlite" in event["failureReason"]


def test_a_job_taken_up_again_with_results_is_not_failed_as_a_whole(stage: Stage) -> None:
    """A blocker that comes after some items were exported fails the rest of them, not the job."""
    stage.found(20)
    job = stage.press_export()
    pages = iter([False, False, True])
    stage.changes = {"pleo": {"page_size": 10}}
    (report,) = stage.run(job, stopping=lambda: next(pages))
    assert report.event is None
    stage.changes = {"accounts": {"wallet": None}}
    (report,) = stage.run(job)
    assert (report.successful, report.failed) == (10, 10)
    assert stage.events() == ["started", "completed_with_errors"]
    reasons = {outcome["failureReasonType"] for outcome in stage.outcomes().values()}
    assert reasons == {None, "missing_configuration"}


def test_missing_contra_accounts_fail_the_job_as_missing_configuration(stage: Stage) -> None:
    """Pleo answers 400 to the reading of items: the user maps the accounts and exports again."""
    stage.add({})
    job = stage.press_export()
    stage.call("PATCH", "/world", {"contraAccounts": False})
    stage.run(job)
    assert final_event(stage)["failureReasonType"] == "missing_configuration"
