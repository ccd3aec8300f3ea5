"""The end of a server, and the keeping alive of a job, watched from outside."""

import json
import signal

import pytest

from tests.engine.test_killed import exactly_once
from tests.flow.conftest import Stage
from tests.serve.conftest import TOKEN, Serve, Served

STOPS_WITHIN_S = 10  # of SIGTERM, whatever is under way


def under_way(stage: Stage, served: Served, *, ms: int) -> str:
    """A job in the middle of a step that takes a while."""
    stage.found(30)
    stage.call("POST", "/latency", {"ms": ms})
    job = stage.press_export(vendor_based=True)
    served.post("/run", token=TOKEN)
    served.worker.wait_for("job_enqueued", job_id=job)
    while stage.job(job)["status"] == "pending":
        pass
    return job


def test_sigterm_lets_the_step_under_way_end_and_leaves_the_rest(stage: Stage, serve: Serve) -> None:
    """Exit code 0 after the step, `stopping` said first; the next start goes on, exactly once."""
    served = serve(stage.place.config, TALLYBOOK_PLEO_PAGE_SIZE="10")
    job = under_way(stage, served, ms=300)
    served.worker.wait_for("page_done", job_id=job)
    served.worker.send(signal.SIGTERM)
    assert served.worker.end(STOPS_WITHIN_S) == 0
    assert served.worker.events("stopping")
    assert served.worker.events("stopped_within_a_step") == []
    assert stage.job(job)["status"] == "in_progress"
    stage.call("POST", "/latency", {"ms": 0})
    again = serve(stage.place.config)
    again.worker.wait_for("job_ended", job_id=job)
    exactly_once(stage, 30)


@pytest.mark.parametrize("phase", ["before", "after"])
def test_sigterm_waits_no_longer_than_the_grace_for_a_step_that_hangs(stage: Stage, serve: Serve, phase: str) -> None:
    """Pleo does not answer for its results, which it took or not: exit code 0, said so; the next start goes on."""
    stage.found(30)
    fault = {"operation": "updateExportJobItemsV3", "kind": "timeout", "phase": phase, "delayMs": 60_000}
    stage.call("POST", "/faults", fault)
    served = serve(stage.place.config)
    job = stage.press_export(vendor_based=True)
    served.post("/run", token=TOKEN)
    while stage.call("GET", "/faults")["faults"]:
        pass  # until the fault has met the update
    served.worker.send(signal.SIGTERM)
    assert served.worker.end(STOPS_WITHIN_S) == 0
    (said,) = served.worker.events("stopped_within_a_step")
    assert said["steps"] > 0
    assert stage.job(job)["status"] == "in_progress"
    again = serve(stage.place.config)
    again.worker.wait_for("job_ended", job_id=job)
    exactly_once(stage, 30)


def test_a_second_sigterm_ends_it_at_once(stage: Stage, serve: Serve) -> None:
    """In the middle of a step that would not end; killed by the signal, and the next start goes on."""
    served = serve(stage.place.config)
    job = under_way(stage, served, ms=300)
    stage.call("POST", "/latency", {"ms": 60_000})
    served.worker.send(signal.SIGTERM)
    served.worker.wait_for("stopping")
    served.worker.send(signal.SIGTERM)
    assert served.worker.end(within_s=5) == -signal.SIGTERM
    stage.call("POST", "/latency", {"ms": 0})
    again = serve(stage.place.config)
    again.worker.wait_for("job_ended", job_id=job)
    exactly_once(stage, 30)


def test_while_a_page_takes_long_pleo_hears_that_it_is_in_progress(stage: Stage, serve: Serve) -> None:
    """Receipts that are slow to come: before the first result, an update says that one entry is in progress."""
    served = serve(stage.place.config, TALLYBOOK_PLEO_UPDATE_WITHIN_S="1")
    stage.found(4)
    stage.call("POST", "/faults", {"operation": "files", "kind": "slow", "delayMs": 4000})
    job = stage.press_export(vendor_based=True)
    served.post("/run", token=TOKEN)
    served.worker.wait_for("sign_of_life", job_id=job)
    served.worker.wait_for("job_ended", job_id=job)
    updates = [json.loads(call["requestBody"]) for call in stage.journal("PUT /v3/export-jobs")]
    assert [item["status"] for item in updates[0]] == ["in_progress"]
    assert sum(item["status"] == "successful" for update in updates for item in update) == 4
    exactly_once(stage, 4)
