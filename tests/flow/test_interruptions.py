import json
from itertools import count

import pytest

from tests.flow.conftest import Stage

EVENTS = "createExportJobEventV3"
UPDATES = "updateExportJobItemsV3"


def test_stopping_ends_between_pages_and_the_next_run_goes_on(stage: Stage) -> None:
    """No second `started`, nothing booked twice, one final event."""
    stage.found(30)
    stage.changes = {"pleo": {"page_size": 10}}
    job = stage.press_export()
    asked = count()
    (report,) = stage.run(job, stopping=lambda: next(asked) == 2)
    assert report.event is None
    assert (report.items, report.successful) == (30, 10)
    assert "run again" in (report.note or "")
    (report,) = stage.run(job)
    assert (report.items, report.successful) == (30, 30)
    assert stage.events() == ["started", "completed"]
    assert len(stage.booked()) == 30


@pytest.mark.parametrize("kind", ["status", "reset", "half", "not_json"])
@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize(
    "operation", ["getExportJobByIdV3", "getExportJobItemsV3", "getExportItemsV3", UPDATES, EVENTS]
)
def test_a_fault_at_any_call_changes_nothing_in_the_end(stage: Stage, operation: str, phase: str, kind: str) -> None:
    """Whatever is lost once, before or after its effect: each entry booked once, one effective final event."""
    stage.found(15)
    job = stage.press_export()
    stage.call("POST", "/faults", {"operation": operation, "kind": kind, "phase": phase})
    (report,) = stage.run(job)
    if report.event is None:  # an answer that cannot be read is no reason to guess: the next run settles it
        (report,) = stage.run(job)
    assert (report.successful or stage.job(job)["status"] == "completed") is not False
    assert stage.job(job)["status"] == "completed"
    assert len(stage.booked()) == 15
    assert stage.call("GET", "/faults")["faults"] == []
    accepted = [
        call for call in stage.journal("POST /v3/export-job-events") if call["status"] == 202 and not call["fault"]
    ]
    effective = {json.loads(call["requestBody"])["event"] for call in accepted}
    assert len(accepted) == len(effective)


def test_a_final_event_whose_answer_was_lost_is_not_sent_again(stage: Stage) -> None:
    """The job is read instead; it is completed by our event, so that is that."""
    stage.add({})
    job = stage.press_export()
    stage.call("POST", "/faults", {"operation": EVENTS, "kind": "reset", "phase": "after", "skip": 1})
    (report,) = stage.run(job)
    assert report.event is not None
    assert stage.events() == ["started", "completed"]


def test_a_final_event_that_was_lost_on_the_way_is_sent_again(stage: Stage) -> None:
    """The job is read, is still in progress, and the same event goes out once more."""
    stage.add({})
    job = stage.press_export()
    stage.call("POST", "/faults", {"operation": EVENTS, "kind": "reset", "phase": "before", "skip": 1})
    (report,) = stage.run(job)
    assert report.event is not None
    assert stage.job(job)["status"] == "completed"
    assert stage.events() == ["started", "completed", "completed"]


def test_an_item_refused_in_a_partial_answer_is_reported_again_before_the_final_event(stage: Stage) -> None:
    """A 200 that names an item in `errors` has not acknowledged it."""
    ids = stage.add({}, {}, {})
    job = stage.press_export()
    stage.call("POST", "/faults", {"operation": UPDATES, "kind": "item_errors", "entryIds": ids[:1]})
    (report,) = stage.run(job)
    assert report.successful == 3
    updates = [json.loads(call["requestBody"]) for call in stage.journal("PUT /v3")]
    assert [sorted(item["accountingEntryId"] for item in update) for update in updates] == [sorted(ids), ids[:1]]
    order = [call["method"] for call in stage.journal() if call["method"] != "GET"]
    assert order == ["POST", "PUT", "PUT", "POST"]


def test_without_acknowledgement_there_is_no_final_event(stage: Stage) -> None:
    """Pleo keeps refusing one item: the run ends with the job in progress and says so; the next run finishes it."""
    ids = stage.add({}, {})
    job = stage.press_export()
    stage.call("POST", "/faults", {"operation": UPDATES, "kind": "item_errors", "entryIds": ids[:1], "times": 4})
    (report,) = stage.run(job)
    assert report.event is None
    assert ids[0] in (report.note or "")
    assert stage.events() == ["started"]
    (report,) = stage.run(job)
    assert report.event is not None
    assert stage.job(job)["status"] == "completed"
    assert len(stage.booked()) == 2


def test_a_job_cancelled_under_us_is_left_alone(stage: Stage) -> None:
    """What is booked stays booked, nothing more is sent, and the next export links it."""
    stage.found(20)
    stage.changes = {"pleo": {"page_size": 10}}
    job = stage.press_export()
    calls = count()

    def cancel_after_the_first_page() -> bool:
        if next(calls) == 2:
            stage.call("POST", f"/jobs/{job}/cancel")
        return False

    (report,) = stage.run(job, stopping=cancel_after_the_first_page)
    assert report.event is None
    assert "canceled_by_user" in (report.note or "")
    assert stage.events() == ["started"]
    booked = stage.booked()
    assert len(booked) >= 10
    (report,) = stage.run(stage.press_export())
    assert report.event is not None
    assert len(stage.booked()) == 20
    assert set(booked) <= set(stage.booked())


def test_a_job_that_was_final_already_is_not_touched(stage: Stage) -> None:
    """`run --job` of a finished job sends nothing."""
    stage.add({})
    job = stage.press_export()
    stage.run(job)
    sent = [call for call in stage.journal() if call["method"] != "GET"]
    (report,) = stage.run(job)
    assert "final already (completed)" in (report.note or "")
    assert report.completed
    assert [call for call in stage.journal() if call["method"] != "GET"] == sent
