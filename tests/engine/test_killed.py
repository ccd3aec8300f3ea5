import json
import signal
import sys
from collections.abc import Callable

import pytest

from tests.engine.conftest import stored
from tests.engine.worker import Worker
from tests.flow.conftest import Stage

EVENTS = "createExportJobEventV3"
Serve = Callable[..., Worker]


def exactly_once(stage: Stage, items: int) -> None:
    """Each entry is booked and reported under one number; one `started`, one final event, nothing after it."""
    booked = stage.booked()
    assert len(booked) == items
    assert {entry_id: row["externalId"] for entry_id, row in stage.outcomes().items()} == dict(booked)
    calls = stage.journal("/v3/")
    taken = [(n, call) for n, call in enumerate(calls) if "events" in call["path"] and call["status"] == 202]
    events = [json.loads(call["requestBody"])["event"] for _, call in taken]
    assert events in (
        ["started", "completed"],
        ["completed"],
        ["started"],
    )  # the answer to one may not have been written
    assert [job["status"] for job in stage.call("GET", "/jobs")["data"]] == ["completed"]
    if events[-1] == "completed":
        assert {call["method"] for call in calls[taken[-1][0] + 1 :]} <= {"GET"}


@pytest.mark.parametrize("pages_done", [0, 1, 3])
def test_a_run_killed_between_pages_goes_on_from_its_last_checkpoint(
    stage: Stage, serve: Serve, url: str, pages_done: int
) -> None:
    """Kill -9, a new process: the same run, no page of it anew, one final event, nothing booked twice."""
    stage.found(50)
    job = stage.press_export(vendor_based=True)
    first = serve(stage)
    first.wait_for("job_enqueued", job_id=job)
    for _ in range(pages_done):
        first.wait_for("page_done", job_id=job)
    first.kill()
    read_before = len(stage.journal("GET /v3/export-items"))
    second = serve(stage)
    resumed = second.wait_for("page_done", job_id=job)
    ended = second.wait_for("job_ended", job_id=job)
    assert ended["outcome"] == "completed"
    assert ended["run"].endswith("~0")
    # The page under way and the one prepared ahead are read again, those with a checkpoint are not.
    assert len(stage.journal("GET /v3/export-items")) - read_before <= 5 - max(pages_done - 1, 0)
    exactly_once(stage, 50)
    waited_s = resumed["at_s"] - second.events("serving")[0]["at_s"]
    sys.stdout.write(
        f"{url[:8]}: killed after {pages_done} pages; the next one done {waited_s:.2f} s after the start\n"
    )


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("skip", [0, 1], ids=["started", "completed"])
def test_a_run_killed_while_an_event_is_on_its_way_sends_it_effectively_once(
    stage: Stage, serve: Serve, phase: str, skip: int
) -> None:
    """Killed before Pleo took the event or after it did, and before it could answer: Pleo takes it once.

    What Pleo never took is sent again; what it took is found by reading the job.
    """
    stage.found(20)
    job = stage.press_export(vendor_based=True)
    stage.call("POST", "/faults", {"operation": EVENTS, "kind": "timeout", "phase": phase, "skip": skip})
    first = serve(stage)
    first.wait_for("job_enqueued", job_id=job)
    if skip:
        first.wait_for("page_done", successful=20)
    while stage.call("GET", "/faults")["faults"]:
        pass  # until the fault has met the event
    while phase == "after" and stage.job(job)["status"] == ("in_progress" if skip else "pending"):
        pass  # until the event has taken effect
    first.kill()
    second = serve(stage)
    second.wait_for("job_ended", job_id=job)
    sent = ["started", "completed"]
    exactly_once(stage, 20)
    assert stage.events() == (sent if phase == "after" else [*sent[: skip + 1], *sent[skip:]])


def test_a_stop_ends_between_pages_within_ten_seconds_and_the_next_start_goes_on(
    stage: Stage, serve: Serve, url: str
) -> None:
    """SIGTERM: exit code 0, the run stays, and the next process ends it."""
    stage.found(50)
    stage.call("POST", "/latency", {"ms": 100})
    job = stage.press_export(vendor_based=True)
    first = serve(stage)
    first.wait_for("page_done", job_id=job)
    first.send(signal.SIGTERM)
    assert first.end(within_s=10) == 0
    assert stage.job(job)["status"] == "in_progress"
    assert stored(url, "SELECT status FROM workflow_status") == [("PENDING",)]
    assert first.events("stopped_within_a_step") == []
    stage.call("POST", "/latency", {"ms": 0})
    second = serve(stage)
    second.wait_for("job_ended", job_id=job)
    exactly_once(stage, 50)
