import uuid

import pytest

from tallybook.pleo.models import JobEvent
from tests.flow.conftest import Stage

FINAL = {"completed", "completed_with_errors", "failed"}


def test_every_item_ends_in_the_book_and_at_pleo_under_the_same_number(stage: Stage) -> None:
    """A company's expenses of every type: all successful, one `started`, one `completed`, books and Pleo agree."""
    stage.found(120)
    report = stage.export(vendor_based=True)
    assert (report.items, report.successful, report.failed) == (120, 120, 0)
    outcomes = stage.outcomes()
    assert {entry_id: outcome["externalId"] for entry_id, outcome in outcomes.items()} == dict(stage.booked())
    assert {outcome["status"] for outcome in outcomes.values()} == {"successful"}
    assert stage.events() == ["started", "completed"]


def test_without_vendors_everything_is_a_journal_entry(stage: Stage) -> None:
    """A job that is not vendor based needs no vendor for anything."""
    stage.found(60)
    assert stage.export(vendor_based=False).event is not None
    assert len(stage.booked()) == 60


def test_what_must_fail_fails_with_its_reason_and_succeeds_once_mended(stage: Stage) -> None:
    """The first job ends completed_with_errors, the second, with the mended items alone, completed."""
    stage.found(60, troubles=True)
    first = stage.export(vendor_based=True)
    assert first.event is not None
    assert first.event.event is JobEvent.COMPLETED_WITH_ERRORS
    reasons = {outcome["failureReasonType"] for outcome in stage.outcomes().values()} - {None}
    assert reasons == {
        "account_unknown", "missing_configuration", "tax_code_unknown", "tag_unknown", "vendor_unknown",
        "accounting_system_validation_failure",
    }  # fmt: skip
    stage.call("POST", "/mend")
    second = stage.export(vendor_based=True, only_failed=True)
    assert second.event is not None
    assert second.event.event is JobEvent.COMPLETED
    assert second.items == first.failed
    assert len(stage.booked()) == 60


def test_a_failure_reason_goes_with_failed_alone(stage: Stage) -> None:
    """Neither `completed` nor `completed_with_errors` carries one; the id goes under both names."""
    stage.found(60, troubles=True)
    stage.export(vendor_based=True)
    (final,) = [call for call in stage.journal("POST /v3/export-job-events") if "started" not in call["requestBody"]]
    assert "failureReason" not in final["requestBody"]
    assert "jobId" in final["requestBody"]
    assert "exportJobId" in final["requestBody"]


def test_a_job_exported_again_is_linked_not_booked_twice(stage: Stage) -> None:
    """The same entries in a second job are successful under the numbers they have."""
    stage.found(30)
    stage.export(vendor_based=True)
    before = stage.booked()
    ids = [entry_id for entry_id, _ in before]
    job = stage.call("POST", "/exports", {"entryIds": ids, "vendorBasedBookkeeping": True})
    (report,) = stage.run(job["id"])
    assert report.successful == 30
    assert stage.booked() == before
    assert {entry_id: outcome["externalId"] for entry_id, outcome in stage.outcomes().items()} == dict(before)


def test_an_entry_exported_again_by_the_other_kind_of_job_is_linked(stage: Stage) -> None:
    """What a vendor based job says of a journal entry besides is no change of it, in either order."""
    expense = {"bookkeeping": {"method": "journal"}, "vendor": {"id": str(uuid.uuid4()), "name": "ACME", "code": "V2"}}
    for first in (False, True):
        (entry_id,) = stage.add(expense)
        stage.export(vendor_based=first)
        again = {"entryIds": [entry_id], "vendorBasedBookkeeping": not first}
        (report,) = stage.run(stage.call("POST", "/exports", again)["id"])
        assert report.successful == 1, stage.outcomes()[entry_id]
        assert dict(stage.booked())[entry_id] == stage.outcomes()[entry_id]["externalId"]
    assert len(stage.booked()) == 2


def test_an_entry_that_changed_after_it_was_booked_fails_or_is_linked_by_rule(stage: Stage) -> None:
    """The default is to fail and to name the number it is booked under; `link` takes it as it is."""
    (entry_id,) = stage.add({"note": "Lunch"})
    stage.export()
    number = stage.booked()[0][1]
    stage.call("PATCH", f"/expenses/{entry_id}", {"note": "Dinner"})
    (report,) = stage.run(stage.call("POST", "/exports", {"entryIds": [entry_id]})["id"])
    outcome = stage.outcomes()[entry_id]
    assert report.failed == 1
    assert f"in the books already as {number} and has changed in Pleo since" in outcome["failureReason"]
    stage.changes = {"books": {"on_changed": "link"}}
    (report,) = stage.run(stage.call("POST", "/exports", {"entryIds": [entry_id]})["id"])
    assert report.successful == 1
    assert stage.outcomes()[entry_id]["externalId"] == number
    assert len(stage.booked()) == 1


def test_jobs_run_oldest_first_and_one_run_takes_all_that_wait(stage: Stage) -> None:
    """A second job can only be made when the first has ended, so two runs see one each; nothing waiting is no job."""
    stage.add({})
    first = stage.press_export()
    assert [report.job_id for report in stage.run()] == [first]
    stage.add({})
    second = stage.press_export()
    assert [report.job_id for report in stage.run()] == [second]
    assert stage.run() == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_size_of_pages_and_updates_does_not_change_the_outcome(stage: Stage, size: int) -> None:
    """Every entry is booked once, however the pages fall."""
    stage.found(20)
    stage.changes = {"pleo": {"page_size": size, "items_per_update": size}}
    assert stage.export(vendor_based=True).successful == 20
    assert len(stage.booked()) == 20


def test_pleo_is_called_no_more_than_needed(stage: Stage) -> None:
    """One read of the job, and for each page one control page, one data page and one update; two events."""
    stage.found(250)
    stage.export(vendor_based=True)
    counts = stage.call("GET", "/journal/counts")
    files = {name: number for name, number in counts.items() if name.startswith("GET /files")}
    calls = {name: number for name, number in counts.items() if not name.startswith("GET /files")}
    assert calls == {
        "GET /v3/export-jobs/{jobId}": 1,
        "GET /v3/export-jobs/{jobId}/items": 3,
        "GET /v3/export-items": 3,
        "PUT /v3/export-jobs/{jobId}/items": 3,
        "POST /v3/export-job-events": 2,
    }
    expenses = stage.call("GET", "/expenses?limit=1000&documents=true")["data"]
    assert sum(files.values()) == sum(len(expense["document"]["files"] or []) for expense in expenses)
