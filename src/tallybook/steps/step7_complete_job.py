"""Step 7: end the job with exactly one final event that says truthfully how it went.

Source: Pleo guide "Update and complete the export job".
"""

from tallybook.errors import TallybookError
from tallybook.failure_reasons import SHARED_CAUSES, reasons
from tallybook.outcome import FinalEvent, Tally, one_line, short
from tallybook.pleo import moves
from tallybook.pleo.client import PleoClient
from tallybook.pleo.models import ItemFailureReason, JobEvent, JobFailureReason


def decide(tally: Tally) -> FinalEvent:
    """Choose the final event from the items alone.

    All successful, or no items: `completed`. Some failed: `completed_with_errors`. All failed: `failed`, with the cause
    they share if it is one a job can have, otherwise `validation_failure`.

    Repeat: safe; pure.
    """
    if not tally.failed:
        return FinalEvent(JobEvent.COMPLETED)
    if tally.successful:
        return FinalEvent(JobEvent.COMPLETED_WITH_ERRORS)
    shared = next(iter(tally.causes)) if len(tally.causes) == 1 else None
    known = shared in ItemFailureReason.__members__.values()
    reason = SHARED_CAUSES.get(ItemFailureReason(shared)) if shared and known else None
    count = "The only entry" if tally.failed == 1 else f"All {tally.failed} entries"
    first = f"; the first reason: {tally.first_text}" if tally.first_text else ""
    return FinalEvent(
        JobEvent.FAILED,
        reason or JobFailureReason.VALIDATION_FAILURE,
        short(f"{count} of this export failed{first}"),
    )


def blocked(error: TallybookError) -> FinalEvent:
    """Give the final event of a job that cannot go on, and of which nothing was exported.

    Repeat: safe; pure.
    """
    reason = reasons(error).job or JobFailureReason.VALIDATION_FAILURE
    return FinalEvent(JobEvent.FAILED, reason, one_line(error))


async def was_completed(pleo: PleoClient, job_id: str, final: FinalEvent) -> bool:
    """Whether Pleo has the final event already; for a run that may have sent it before it was killed.

    Repeat: safe; reads only.
    Raises:
        JobEventConflict: the job is final with another outcome (expired, cancelled); never retried.
        PleoError: Pleo did not answer, or refused.
    """
    job = await pleo.job(job_id)
    return moves.standing(job, final.event, final.reason) is moves.Standing.DONE


async def complete(pleo: PleoClient, job_id: str, final: FinalEvent) -> None:
    """Send the final event; the caller has stored it before, so that a repeat sends the same one.

    Repeat: safe; after an unclear answer the job is read, and the event is sent again only while the job is still
    in progress. A job that is final with our event is done.
    Raises:
        JobEventConflict: the job is final with another outcome (expired, cancelled); never retried.
        PleoError: no clear answer; call again.
    """
    await pleo.move_job(job_id, final.event, failure_reason=final.text, failure_reason_type=final.reason)
