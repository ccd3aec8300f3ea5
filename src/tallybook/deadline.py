"""How long Pleo keeps an export job open: its hour counts anew from every event and update that Pleo took.

Source: definition ExportJob.expiresIn, in seconds from lastUpdatedAt; docs/decisions.md 9 and 10.
"""

from collections.abc import Sequence
from datetime import datetime

from tallybook.clock import Clock
from tallybook.errors import TallybookError
from tallybook.pleo.client import PleoClient
from tallybook.pleo.models import ExportJob, JobStatus

EXPIRES_IN_S = 3600.0  # where Pleo names no sensible time. Source: Pleo guide "Update and complete the export job"
_SENSIBLE_S = range(60, 7 * 24 * 3600)
_LEFT_S_MIN = 60.0  # of a job that Pleo shows open, although by our clock its time is up: the clocks differ
_OPEN: Sequence[str] = (JobStatus.PENDING, JobStatus.IN_PROGRESS)


class JobOver(TallybookError):
    """The job became final while it was being exported: it expired, or somebody cancelled it."""

    def __init__(self, job: ExportJob) -> None:
        reason = f" ({job.failure_reason_type})" if job.failure_reason_type else ""
        super().__init__(
            f"the job became {job.status}{reason} while it was being exported; nothing more was written, "
            "and what is booked will be linked when its entries are exported again"
        )


class Deadline:
    """The deadline of one job in one process. Until something is learned of the job, it counts as passed."""

    def __init__(self, pleo: PleoClient, clock: Clock, job_id: str) -> None:
        self._pleo, self._clock, self._job_id = pleo, clock, job_id
        self._expires_in_s = EXPIRES_IN_S
        self._from: tuple[datetime, float] | None = None  # the last action, by the calendar and by the stopwatch

    def learned(self, job: ExportJob) -> None:
        """Take the deadline from the job as Pleo has just shown it, unfinished."""
        if job.expires_in in _SENSIBLE_S:
            self._expires_in_s = float(job.expires_in)
        now = self._clock.now()
        self._from = (min(job.last_updated_at or now, now), self._clock.monotonic_s())
        if self.left_s < _LEFT_S_MIN:
            self._from = (now, self._clock.monotonic_s() - self._expires_in_s + _LEFT_S_MIN)

    def acted(self) -> None:
        """Count anew: Pleo took an event or an update of ours just now."""
        self._from = (self._clock.now(), self._clock.monotonic_s())

    @property
    def quiet_s(self) -> float:
        """Seconds since Pleo last took something, by whichever clock shows more: a stopwatch may sleep."""
        if self._from is None:
            return self._expires_in_s
        at, at_s = self._from
        return max((self._clock.now() - at).total_seconds(), self._clock.monotonic_s() - at_s)

    @property
    def left_s(self) -> float:
        """Seconds until the job expires, as far as we know; negative once it has."""
        return self._expires_in_s - self.quiet_s

    async def require_open(self) -> None:
        """Before a write: once the deadline has passed, read the job, and write no more if it is final.

        Repeat: safe; reads only.
        Raises:
            JobOver: the job is final.
            PleoError: Pleo did not answer, or refused.
        """
        if self.left_s > 0:
            return
        job = await self._pleo.job(self._job_id)
        if job.status not in _OPEN:
            raise JobOver(job)
        self.learned(job)
