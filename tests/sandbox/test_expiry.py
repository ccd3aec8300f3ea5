"""Expiry: an hour after the last action a job is over."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


@pytest.mark.parametrize("started", [True, False])
def test_job_expires_an_hour_after_its_last_action(pleo: Any, started: bool) -> None:
    """A pending and a running job alike become failed, job_expired, with the moment it happened."""
    job_id, (entry,) = pleo.started_job_of(1) if started else pleo.job_of(1)
    pleo.advance(3590)
    assert pleo.job(job_id)["status"] == ("in_progress" if started else "pending")
    pleo.advance(5000)
    job = pleo.job(job_id)
    assert (job["status"], job["failureReasonType"]) == ("failed", "job_expired")
    assert instant(job["expiredAt"]) == instant(job["lastUpdatedAt"]) + timedelta(seconds=3600)
    assert job["completedAt"] == job["expiredAt"]
    assert pleo.items(job_id)[entry]["status"] == "abandoned"
    assert pleo.lane(entry) == "unexported"


def test_item_update_starts_the_hour_anew(pleo: Any) -> None:
    """An update that was taken keeps the job alive."""
    job_id, (entry,) = pleo.started_job_of(1)
    for _ in range(3):
        pleo.advance(3000)
        assert pleo.update(job_id, {"accountingEntryId": entry, "status": "in_progress"}).status_code == 200
    assert pleo.job(job_id)["status"] == "in_progress"


def test_reading_and_refused_updates_do_not_keep_a_job_alive(pleo: Any) -> None:
    """Only an action does."""
    job_id, _ = pleo.started_job_of(1)
    pleo.advance(3000)
    pleo.documents(job_id)
    pleo.update(job_id, {"accountingEntryId": "11111111-1111-4111-8111-111111111111", "status": "successful"})
    pleo.update(job_id)
    pleo.advance(700)
    assert pleo.job(job_id)["status"] == "failed"


def test_expired_job_takes_nothing_more(pleo: Any) -> None:
    """Neither update nor event nor reading of content; and the refusal itself does not bring it back."""
    job_id, (entry,) = pleo.started_job_of(1)
    pleo.advance(3601)
    assert pleo.update(job_id, {"accountingEntryId": entry, "status": "successful"}).status_code == 422
    assert pleo.event(job_id, "completed").status_code == 422
    assert pleo.http.get("/v3/export-items", params={"job_id": job_id}).status_code == 422
    assert pleo.job(job_id)["failureReasonType"] == "job_expired"


def test_expired_job_makes_room_for_the_next(pleo: Any) -> None:
    """The 409 ends with the job."""
    first, (entry,) = pleo.job_of(1)
    pleo.advance(3601)
    second = pleo.export(entry)
    assert second["id"] != first


def test_clock_can_be_set(pleo: Any) -> None:
    """The sandbox runs on from the instant it was given."""
    pleo.ok(pleo.http.post("/_sandbox/clock", json={"now": "2031-05-06T07:08:09+02:00"}))
    job_id, _ = pleo.job_of(1)
    assert pleo.job(job_id)["createdAt"].startswith("2031-05-06T05:08:")


@pytest.mark.parametrize(
    "move",
    [
        {},
        {"advanceSeconds": 1, "now": "2031-01-01T00:00:00Z"},
        {"now": "2031-01-01T00:00:00"},
        {"advanceSeconds": 10**12},
    ],
)
def test_clock_move_that_makes_no_sense_is_a_400(pleo: Any, move: dict[str, Any]) -> None:
    """One of both, with a zone, within the calendar."""
    assert pleo.http.post("/_sandbox/clock", json=move).status_code == 400
