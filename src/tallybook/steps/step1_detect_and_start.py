"""Step 1: find the export jobs that wait for us, oldest first, and start the one whose turn it is.

Source: Pleo guide "Detect and start export jobs".
"""

from collections.abc import Sequence

from tallybook.pleo.client import PleoClient
from tallybook.pleo.errors import JobEventConflict
from tallybook.pleo.models import ExportJob, JobEvent, JobStatus

# A job `in_progress` is one that an earlier run of ours left behind: it is resumed.
ELIGIBLE: Sequence[JobStatus] = (JobStatus.PENDING, JobStatus.IN_PROGRESS)


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


async def start(pleo: PleoClient, job_id: str) -> ExportJob:
    """Take one job on: read it, then send `started`; returns it as it was read, pending, in progress or final.

    A job already `in_progress` is ours from an earlier run: nothing is sent. A final one is nothing to start.

    Repeat: safe; the job is read again, so a lost answer does not lead to a second `started`.
    Raises:
        PleoError: no clear answer; call again.
    Source: Pleo guide "Detect and start export jobs"; definition POST /v3/export-job-events.
    """
    job = await pleo.job(job_id)
    if job.status == JobStatus.PENDING:
        try:
            await pleo.move_job(job_id, JobEvent.STARTED)
        except JobEventConflict as conflict:  # it became final between the read and the event
            return conflict.job
    return job
