"""The rule of job events: sent once per state, doubt settled by reading, and nothing said about a job that is final."""

import pytest

from tallybook.pleo.client import PleoClient
from tallybook.pleo.errors import InvalidJobStatusChange, JobEventConflict, PleoNotFound, PleoUnclear
from tallybook.pleo.models import JobEvent, JobFailureReason, JobStatus
from tests.unit.pleo.hostile import (
    JOB_ID,
    Answer,
    FakeClock,
    HostileServer,
    http,
    job,
    refuses,
    resets,
    says,
    stays_silent,
)

ILLEGAL = refuses(422, "INVALID_EXPORT_JOB_STATUS_CHANGE")
DOUBTS = [resets, http(500), http(503), ILLEGAL]


def _methods(server: HostileServer) -> list[str]:
    return [request.method for request in server.requests]


async def test_a_clear_answer_is_enough(client: PleoClient, server: HostileServer) -> None:
    """After a 202 nothing is read and nothing is sent again."""
    server.will(http(202))
    outcome = await client.move_job(JOB_ID, JobEvent.STARTED)
    assert (outcome.status, outcome.job, _methods(server)) == (JobStatus.IN_PROGRESS, None, ["POST"])


@pytest.mark.parametrize("doubt", DOUBTS)
@pytest.mark.parametrize(
    ("event", "status"),
    [
        (JobEvent.STARTED, "in_progress"),
        (JobEvent.COMPLETED, "completed"),
        (JobEvent.COMPLETED_WITH_ERRORS, "completed_with_errors"),
    ],
)
async def test_a_job_already_there_is_done(
    client: PleoClient, server: HostileServer, doubt: Answer, event: JobEvent, status: str
) -> None:
    """The event had been taken although its answer was lost: it is not sent again."""
    server.will(doubt, says({"data": job(status)}))
    outcome = await client.move_job(JOB_ID, event)
    assert outcome.job is not None
    assert (outcome.status, _methods(server)) == (status, ["POST", "GET"])


@pytest.mark.parametrize("doubt", DOUBTS)
@pytest.mark.parametrize(("event", "status"), [(JobEvent.STARTED, "pending"), (JobEvent.COMPLETED, "in_progress")])
async def test_a_job_still_before_the_event_gets_it_again(
    client: PleoClient, server: HostileServer, doubt: Answer, event: JobEvent, status: str
) -> None:
    """The event was not taken: it is sent again, and the second answer is clear."""
    server.will(doubt, says({"data": job(status)}), http(202))
    await client.move_job(JOB_ID, event)
    assert _methods(server) == ["POST", "GET", "POST"]
    assert server.requests[0].body == server.requests[2].body


async def test_silence_is_settled_by_reading(hasty: PleoClient, server: HostileServer) -> None:
    """An event that got no answer at all is doubt like any other."""
    server.will(stays_silent, says({"data": job("completed")}))
    assert (await hasty.move_job(JOB_ID, JobEvent.COMPLETED)).job is not None
    assert _methods(server) == ["POST", "GET"]


@pytest.mark.parametrize("doubt", DOUBTS)
@pytest.mark.parametrize(
    ("event", "standing"),
    [
        (JobEvent.STARTED, {"status": "completed"}),
        (JobEvent.STARTED, {"status": "failed", "failureReasonType": "canceled_by_user"}),
        (JobEvent.COMPLETED, {"status": "failed", "failureReasonType": "job_expired"}),
        (JobEvent.COMPLETED, {"status": "completed_with_errors"}),
        (JobEvent.COMPLETED, {"status": "pending"}),
        (JobEvent.COMPLETED, {"status": "frozen\u202e"}),
        (JobEvent.FAILED, {"status": "completed"}),
        (JobEvent.FAILED, {"status": "failed", "failureReasonType": "job_expired"}),
        (JobEvent.FAILED, {"status": "failed", "failureReasonType": None}),
        (JobEvent.FAILED, {"status": "failed", "failureReasonType": "missing_configuration"}),
    ],
)
async def test_a_job_elsewhere_is_a_conflict(
    client: PleoClient, server: HostileServer, doubt: Answer, event: JobEvent, standing: dict[str, str]
) -> None:
    """A job that went another way is reported as it stands, and nothing more is sent."""
    server.will(doubt, says({"data": job(**standing)}))
    failed = event is JobEvent.FAILED
    with pytest.raises(JobEventConflict) as caught:
        await client.move_job(
            JOB_ID,
            event,
            failure_reason="why" if failed else None,
            failure_reason_type=JobFailureReason.VALIDATION_FAILURE if failed else None,
        )
    assert (caught.value.job.status, caught.value.event) == (standing["status"], event)
    assert str(caught.value).isprintable()
    assert _methods(server) == ["POST", "GET"]


async def test_failed_with_our_own_reason_is_done(client: PleoClient, server: HostileServer) -> None:
    """A failed job is ours if it failed for the reason we gave."""
    server.will(resets, says({"data": job("failed", failureReasonType="validation_failure")}))
    outcome = await client.move_job(
        JOB_ID, JobEvent.FAILED, failure_reason="why", failure_reason_type=JobFailureReason.VALIDATION_FAILURE
    )
    assert outcome.status is JobStatus.FAILED


async def test_failed_may_be_sent_again_to_a_pending_job(client: PleoClient, server: HostileServer) -> None:
    """A job that was never started can be failed."""
    server.will(resets, says({"data": job("pending")}), http(202))
    await client.move_job(
        JOB_ID, JobEvent.FAILED, failure_reason="why", failure_reason_type=JobFailureReason.VALIDATION_FAILURE
    )
    assert _methods(server) == ["POST", "GET", "POST"]


@pytest.mark.parametrize(("doubt", "kind"), [(resets, PleoUnclear), (ILLEGAL, InvalidJobStatusChange)])
async def test_endless_doubt_ends(
    client: PleoClient, server: HostileServer, clock: FakeClock, doubt: Answer, kind: type[Exception]
) -> None:
    """The event is sent a bounded number of times, with pauses, and the last doubt is the error."""
    server.will(*[doubt, says({"data": job()})] * 9)
    with pytest.raises(kind):
        await client.move_job(JOB_ID, JobEvent.COMPLETED)
    assert _methods(server) == ["POST", "GET"] * 3
    assert len(clock.sleeps) >= 2


@pytest.mark.parametrize("reading", [http(500), resets, http(200, b"<html>")])
async def test_doubt_that_cannot_be_settled_stays_doubt(
    client: PleoClient, server: HostileServer, reading: Answer
) -> None:
    """When the job cannot be read either, nobody is told that nothing happened."""
    server.will(resets, reading)
    with pytest.raises(PleoUnclear, match="could not be read"):
        await client.move_job(JOB_ID, JobEvent.COMPLETED)
    assert _methods(server).count("POST") == 1


async def test_a_job_that_vanished_is_said_to_be_gone(client: PleoClient, server: HostileServer) -> None:
    """A refusal of the read is no doubt."""
    server.will(resets, refuses(404, "EXPORT_NOT_FOUND"))
    with pytest.raises(PleoNotFound):
        await client.move_job(JOB_ID, JobEvent.COMPLETED)
