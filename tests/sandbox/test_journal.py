"""The journal: every request and answer, and no secret."""

import contextlib
from typing import Any

import httpx


def journal(pleo: Any, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pleo.ok(pleo.http.get("/_sandbox/journal", params=params))["data"]
    return found


def test_request_and_answer_are_written_down(pleo: Any) -> None:
    """Method, path with query, bodies, status, time and scheme of the credentials."""
    job_id, _ = pleo.job_of(1)
    pleo.event(job_id, "started")
    pleo.http.get("/v3/export-jobs?statuses=pending")
    event, listing = journal(pleo)
    assert (event["method"], event["path"], event["status"]) == ("POST", "/v3/export-job-events", 202)
    assert job_id in event["requestBody"]
    assert event["answerBody"] == ""
    assert event["authentication"] == "bearer"
    assert listing["path"] == "/v3/export-jobs?statuses=pending"
    assert listing["operation"] == "GET /v3/export-jobs"
    assert listing["answerBody"].startswith('{"data":[')


def test_controls_are_not_written_down(pleo: Any) -> None:
    """The journal is about the integration, not about the test."""
    pleo.add({})
    assert journal(pleo) == []


def test_counts_are_by_operation(pleo: Any) -> None:
    """Calls are counted by method and path template."""
    job_id, _ = pleo.job_of(1)
    for _ in range(3):
        pleo.job(job_id)
    pleo.documents(job_id)
    counts = pleo.ok(pleo.http.get("/_sandbox/journal/counts"))
    assert counts == {"GET /v3/export-items": 1, "GET /v3/export-jobs/{jobId}": 3}


def test_entries_are_read_in_order_by_pages_also_when_many(pleo: Any) -> None:
    """More entries than are kept in memory come back complete and in order."""
    for number in range(450):
        pleo.http.get("/v3/export-jobs", params={"limit": 0, "n": number})
    seen: list[str] = []
    after = 0
    while after is not None:
        page = pleo.ok(pleo.http.get("/_sandbox/journal", params={"after": after, "limit": 200}))
        seen += [entry["path"].rpartition("n=")[2] for entry in page["data"]]
        after = page["next"]
    assert seen == [str(number) for number in range(450)]


def test_bodies_are_cut(pleo: Any) -> None:
    """A page of a hundred documents does not fill the journal."""
    job_id, _ = pleo.job_of(100)
    pleo.documents(job_id)
    assert 4000 < len(journal(pleo)[0]["answerBody"]) <= 4096


def test_no_secret_is_written_down(pleo: Any) -> None:
    """Neither credentials nor signatures of links, wherever they stand."""
    pleo.add({"files": [{"receipt": 1}], "note": f"{pleo.api_key} {pleo.access_token}"})
    url = pleo.documents(pleo.export()["id"])[0]["files"][0]["url"]
    assert httpx.get(url).status_code == 200
    pleo.http.get("/v3/export-jobs", params={"x": pleo.access_token})
    pleo.http.post("/v3/export-jobs", json={"x": pleo.api_key})
    text = pleo.http.get("/_sandbox/journal").text
    for secret in (pleo.api_key, pleo.access_token, url.rpartition("signature=")[2]):
        assert secret not in text
    assert text.count("signature=***") == 2
    assert "(6000 bytes of application/pdf)" in text  # the file itself is not copied either


def test_lost_answer_is_told(pleo: Any) -> None:
    """A reset has no status, and the fault's name."""
    pleo.fault("reset")
    with httpx.Client() as other, contextlib.suppress(httpx.ReadError):
        other.get(f"{pleo.url}/v3/export-jobs")
    (entry,) = journal(pleo)
    assert (entry["status"], entry["fault"]) == (None, "reset")
