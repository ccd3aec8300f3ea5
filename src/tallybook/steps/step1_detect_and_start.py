"""Step 1: find the export jobs that wait for us, oldest first, and start the one whose turn it is.

Source: Pleo guide "Detect and start export jobs".
"""

from collections.abc import Sequence

from tallybook.pleo.client import PleoClient
from tallybook.pleo.errors import JobEventConflict
from tallybook.pleo.models import ExportJob, JobEvent, JobStatus

# A job `in_progress` is one that an earlier run of ours left behind: it is resumed.
ELIGIBLE: Sequence[JobStatus] = (JobStatus.PENDING, JobStatus.IN_PROGRESS)
PAUSED = "the company is paused; the job waits at Pleo until somebody resumes it"


async def detect(pleo: PleoClient, company_id: str) -> list[ExportJob]:
    """List the company's jobs to export, oldest first; changes nothing.

    Repeat: safe.
    Raises:
        PleoError: Pleo did not answer, or refused.
    """
    listed = [job async for job in pleo.jobs(company_id=company_id, statuses=ELIGIBLE)]
    # Another company's job, or one that is final, is not ours to start even if Pleo lists it.
    jobs = [job for job in listed if job.company_id == company_id and job.status in ELIGIBLE]
    return sorted(jobs, key=lambda job: (job.created_at, job.id))


async def start(pleo: PleoClient, job_id: str, *, paused: bool = False) -> ExportJob:
    """Take one job on: read it, then send `started`; returns it as it was read, pending, in progress or final.

    A job already `in_progress` is ours from an earlier run: nothing is sent. A final one is nothing to start, and one
    of a `paused` company stays pending.

    Repeat: safe; the job is read again, so a lost answer does not lead to a second `started`.
    Raises:
        PleoError: no clear answer; call again.
    Source: Pleo guide "Detect and start export jobs"; definition POST /v3/export-job-events.
    """
    job = await pleo.job(job_id)
    if job.status == JobStatus.PENDING and not paused:
        try:
            await pleo.move_job(job_id, JobEvent.STARTED)
        except JobEventConflict as conflict:  # it became final between the read and the event
            return conflict.job
    return job


def nothing_to_start(job: ExportJob, *, paused: bool) -> str | None:
    """Say why a job, as `start` returned it, is not to be run; None for one that is.

    Of a paused company, one that was begun goes on to its end: otherwise Pleo would let it expire half done.
    """
    if job.status not in ELIGIBLE:
        return f"the job was final already ({job.status}); there was nothing to do"
    return PAUSED if paused and job.status == JobStatus.PENDING else None
