"""The rule of job events, as pure decisions: what may be sent, and what a job read after a doubtful answer means.

Source: definition POST /v3/export-job-events; docs/decisions.md 1 to 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tallybook.pleo.errors import JobEventConflict, PleoCallInvalid, printable
from tallybook.pleo.models import FINAL_JOB_STATUSES, ExportJob, JobEvent, JobFailureReason, JobStatus

ID_FIELDS = ("jobId", "exportJobId")  # the definition's name and the guide's

_LEADS_TO: dict[JobEvent, JobStatus] = {
    JobEvent.STARTED: JobStatus.IN_PROGRESS,
    JobEvent.FAILED: JobStatus.FAILED,
    JobEvent.COMPLETED: JobStatus.COMPLETED,
    JobEvent.COMPLETED_WITH_ERRORS: JobStatus.COMPLETED_WITH_ERRORS,
}
_LEGAL_FROM: dict[JobEvent, JobStatus] = {
    JobEvent.STARTED: JobStatus.PENDING,
    JobEvent.FAILED: JobStatus.IN_PROGRESS,
    JobEvent.COMPLETED: JobStatus.IN_PROGRESS,
    JobEvent.COMPLETED_WITH_ERRORS: JobStatus.IN_PROGRESS,
}
# Pleo ends a job with these itself; a `failed` of ours never carries them.
_NOT_OURS = frozenset({JobFailureReason.JOB_EXPIRED, JobFailureReason.CANCELED_BY_USER})


class Standing(StrEnum):
    """What a job read after a doubtful answer tells about our event."""

    DONE = "done"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class MoveOutcome:
    """A job stands where the event leads.

    `job` is the job as read to settle a doubt; None where Pleo's 202 settled it at once.
    """

    job_id: str
    status: JobStatus
    job: ExportJob | None = None


def event_body(
    job_id: str,
    event: JobEvent,
    failure_reason: str | None,
    failure_reason_type: JobFailureReason | None,
    id_fields: Sequence[str],
) -> dict[str, Any]:
    """Compose the body of an event; the job's id goes under every name in `id_fields`.

    Raises:
        PleoCallInvalid: `failed` without its reason or its type, or another event with one.
    """
    body: dict[str, Any] = {**dict.fromkeys(id_fields, job_id), "event": event.value}
    if event is not JobEvent.FAILED:
        if failure_reason is not None or failure_reason_type is not None:
            raise PleoCallInvalid(f"a failure reason goes with the event `failed` and not with `{event}`")
        return body
    if failure_reason is None or not failure_reason.strip() or failure_reason_type is None:
        raise PleoCallInvalid("the event `failed` needs both a failure reason and its type")
    if failure_reason_type not in JobFailureReason.__members__.values():
        raise PleoCallInvalid(f"`{failure_reason_type}` is no failure reason type of a job")
    return body | {"failureReason": failure_reason, "failureReasonType": str(failure_reason_type)}


def target(event: JobEvent) -> JobStatus:
    """Where an event leads."""
    return _LEADS_TO[event]


def standing(job: ExportJob, event: JobEvent, failure_reason_type: JobFailureReason | None) -> Standing:
    """Judge a job read after a doubtful answer to `event`.

    Raises:
        JobEventConflict: the job is where the event neither leads nor applies.
    """
    ours = job.failure_reason_type == failure_reason_type and job.failure_reason_type not in _NOT_OURS
    if job.status == _LEADS_TO[event] and (event is not JobEvent.FAILED or ours):
        return Standing.DONE
    if job.status == _LEGAL_FROM[event] or (event is JobEvent.FAILED and job.status == JobStatus.PENDING):
        return Standing.REPEAT
    why = f" ({printable(job.failure_reason_type)})" if job.failure_reason_type else ""
    final = "final as" if job.status in FINAL_JOB_STATUSES else "still"
    raise JobEventConflict(
        f"export job {job.id} is {final} `{printable(job.status)}`{why} at Pleo and does not take the event `{event}`;"
        " nothing more is sent about it, compare the books with Pleo's export queue",
        job=job,
        event=event,
    )
