"""Faults on order: every way an answer can go wrong, over real sockets."""

from typing import Any

import httpx
import pytest


def test_status_comes_with_pleos_body_and_retry_after(pleo: Any) -> None:
    """An ordered status says so once, with Retry-After, and has no effect."""
    pleo.fault("status", status=429, retryAfter=7)
    answer = pleo.http.get("/v3/export-jobs")
    assert (answer.status_code, answer.json()["type"], answer.headers["retry-after"]) == (429, "RATE_LIMITED", "7")
    assert pleo.http.get("/v3/export-jobs").status_code == 200


def test_fault_before_leaves_no_effect_and_after_leaves_it(pleo: Any) -> None:
    """`phase` decides whether the lost answer belonged to something that happened."""
    job_id, _ = pleo.job_of(1)
    pleo.fault("status", operation="createExportJobEventV3")
    assert pleo.event(job_id, "started").status_code == 503
    assert pleo.job(job_id)["status"] == "pending"
    pleo.fault("status", operation="createExportJobEventV3", phase="after")
    assert pleo.event(job_id, "started").status_code == 503
    assert pleo.job(job_id)["status"] == "in_progress"


@pytest.mark.parametrize("phase", ["before", "after"])
def test_reset_is_a_real_one(pleo: Any, phase: str) -> None:
    """The caller sees the connection reset, without an answer; the next call is served."""
    job_id, _ = pleo.job_of(1)
    pleo.fault("reset", operation="createExportJobEventV3", phase=phase)
    with pytest.raises(httpx.ReadError) as caught:
        pleo.event(job_id, "started")
    assert isinstance(_root(caught.value), ConnectionResetError)
    assert pleo.job(job_id)["status"] == {"before": "pending", "after": "in_progress"}[phase]


def _root(error: BaseException) -> BaseException:
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return error


def test_timeout_keeps_the_caller_waiting(pleo: Any) -> None:
    """No answer comes; the caller's own limit ends it."""
    pleo.fault("timeout")
    with pytest.raises(httpx.ReadTimeout):
        pleo.http.get("/v3/export-jobs", timeout=0.05)
    assert pleo.http.get("/v3/export-jobs").status_code == 200


def test_caller_who_gives_up_is_no_error_of_the_sandbox(pleo: Any, caplog: pytest.LogCaptureFixture) -> None:
    """There is nothing left to hang up on, and nothing to complain of."""
    before = len(pleo.ok(pleo.http.get("/_sandbox/journal"))["data"])
    pleo.fault("timeout")
    with pytest.raises(httpx.ReadTimeout):
        pleo.http.get("/v3/export-jobs", timeout=0.05)
    while len(pleo.ok(pleo.http.get("/_sandbox/journal"))["data"]) == before:
        pass  # until the sandbox has noticed
    assert caplog.text == ""


def test_timeout_with_a_delay_ends_in_a_reset(pleo: Any) -> None:
    """As a gateway that gives up."""
    pleo.fault("timeout", delayMs=5)
    with pytest.raises(httpx.ReadError):
        pleo.http.get("/v3/export-jobs")


def test_not_json_is_a_web_page(pleo: Any) -> None:
    """A 200 that is HTML."""
    pleo.fault("not_json")
    answer = pleo.http.get("/v3/export-jobs")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_wrong_shape_is_json_of_another_shape(pleo: Any) -> None:
    """A 200 that is JSON, but no page."""
    pleo.fault("wrong_shape")
    assert pleo.ok(pleo.http.get("/v3/export-jobs"))["data"] == "soon"


def test_half_an_answer_breaks_off(pleo: Any) -> None:
    """The announced length is not reached."""
    pleo.job_of(1)
    pleo.fault("half")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        pleo.http.get("/v3/export-items")


def test_slow_answers_rightly_in_the_end(pleo: Any) -> None:
    """Nothing is wrong but the time."""
    pleo.fault("slow", delayMs=30)
    answer = pleo.http.get("/v3/export-jobs")
    assert answer.status_code == 200
    entry = pleo.ok(pleo.http.get("/_sandbox/journal"))["data"][-1]
    assert entry["fault"] == "slow"
    assert entry["durationMs"] >= 30


def test_latency_is_put_before_every_answer(pleo: Any) -> None:
    """Until it is taken away again."""
    pleo.ok(pleo.http.post("/_sandbox/latency", json={"ms": 20}))
    for _ in range(2):
        pleo.http.get("/v3/export-jobs")
    pleo.ok(pleo.http.delete("/_sandbox/faults"))
    pleo.http.get("/v3/export-jobs")
    durations = [entry["durationMs"] for entry in pleo.ok(pleo.http.get("/_sandbox/journal"))["data"]]
    assert [duration >= 20 for duration in durations[:2]] == [True, True]
    assert durations[2] < durations[0]


def test_huge_streams_as_much_as_was_ordered(pleo: Any) -> None:
    """A receipt that does not end soon."""
    pleo.add({"files": [{"receipt": 1}]})
    url = pleo.documents(pleo.export()["id"])[0]["files"][0]["url"]
    pleo.fault("huge", operation="files", sizeBytes=1_000_000)
    assert len(httpx.get(url).content) == 1_000_000


def test_caller_may_leave_in_the_middle_of_something_huge(pleo: Any) -> None:
    """The sandbox stops sending when nobody listens."""
    pleo.fault("huge", sizeBytes=2**40)
    with pleo.http.stream("GET", "/v3/export-jobs") as answer:
        next(answer.iter_raw())
    assert pleo.http.get("/v3/export-jobs").status_code == 200


def test_item_errors_refuse_chosen_entries_of_a_200(pleo: Any) -> None:
    """The partial success that a careless integration overlooks, on order."""
    job_id, (one, two) = pleo.started_job_of(2)
    pleo.fault("item_errors", operation="updateExportJobItemsV3", entryIds=[one])
    updates = [{"accountingEntryId": entry, "status": "successful"} for entry in (one, two)]
    answer = pleo.ok(pleo.update(job_id, *updates))
    assert [error["accountingEntryId"] for error in answer["errors"]] == [one]
    assert answer["errors"][0]["type"] == "ACCOUNTING_ENTRY_UPDATE_FAILED"
    assert pleo.ok(pleo.update(job_id, *updates))["errors"] == []


def test_skip_and_times_count_calls_of_the_operation_only(pleo: Any) -> None:
    """The third and fourth listing go wrong; other operations are left alone."""
    pleo.fault("status", operation="getExportJobsListV3", skip=2, times=2)
    statuses = []
    for _ in range(5):
        pleo.http.get("/v3/export-items")
        statuses.append(pleo.http.get("/v3/export-jobs").status_code)
    assert statuses == [200, 200, 503, 503, 200]


def test_faults_can_be_seen_and_cleared(pleo: Any) -> None:
    """A test can tell whether its fault has happened."""
    pleo.fault("reset", times=3)
    assert [fault["kind"] for fault in pleo.ok(pleo.http.get("/_sandbox/faults"))["faults"]] == ["reset"]
    pleo.ok(pleo.http.delete("/_sandbox/faults"))
    assert pleo.ok(pleo.http.get("/_sandbox/faults")) == {"faults": []}


def test_unknown_operation_is_a_400(pleo: Any) -> None:
    """A misspelt operation would never happen."""
    order = {"kind": "reset", "operation": "getExportItems"}
    assert pleo.http.post("/_sandbox/faults", json=order).status_code == 400
