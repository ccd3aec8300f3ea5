"""Finding jobs: each company is asked every so often, and at once when somebody says there is news.

A webhook, a poll and a button all end here. Whatever they say, Pleo's own list decides: every job it shows as pending
or in progress, and no run is at work on, gets one. So a job whose run was given up or broke is swept up as well, and a
webhook that lies makes us look and no more.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

import structlog

from tallybook.clock import Clock
from tallybook.engine.engine import Engine
from tallybook.engine.runs import Job
from tallybook.errors import TallybookError
from tallybook.history.recorder import Recorder as History
from tallybook.pleo.client import PleoClient
from tallybook.pleo.errors import PleoNotFound
from tallybook.pleo.models import ExportJob, JobStatus
from tallybook.steps import step1_detect_and_start as step1
from tallybook.store.pauses import Pause, Pauses
from tallybook.telemetry import logs, metrics

_JITTER = 0.2  # a fifth more or less
_MISSING_ASKED_MAX = 20  # jobs of which Pleo is asked one by one, at a look

log = structlog.get_logger()


@dataclass(slots=True)
class Poller:
    """Watches one company."""

    engine: Engine
    company_id: str
    pleo: PleoClient
    clock: Clock
    random: Random
    every_s: float
    name: str = ""  # what people call the company
    failing: str = ""  # what the last look failed of, as a class
    pause: Pause | None = None  # as of the last look
    history: History | None = None  # told of every job that was not begun yet
    _answered_s: float | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def look_now(self) -> None:
        """Ask Pleo at once instead of when it is time.

        Repeat: safe; several calls while a look is under way become one more look.
        """
        self._news.set()

    async def look(self) -> int:
        """Ask Pleo once, and enqueue what has no run; returns how many jobs were.

        Of a company that is paused, only jobs that were begun are.

        Repeat: safe; a job has one run at a time.
        Raises:
            PleoError: Pleo did not answer, or refused.
            DatabaseUnusable: the database does not answer.
        """
        asked_at = self.clock.now()
        enqueued = held = 0
        self.pause = await Pauses(self.engine.presence.connections).of(self.company_id)
        metrics.PAUSED.labels(self.company_id).set(self.pause is not None)
        jobs = await step1.detect(self.pleo, self.company_id)
        for job in jobs:
            if not self._told_and_free(job):
                held += 1
            elif await self._enqueue(job, asked_at):
                enqueued += 1
        if held:
            log.info("company_paused", company_id=self.company_id, jobs_waiting=held)
        self._answered_s, self.failing = self.clock.monotonic_s(), ""
        metrics.POLLED_AT.labels(self.company_id).set(self.clock.now().timestamp())
        await self._note_ended(jobs)
        return enqueued

    async def take_up(self, job: ExportJob, *, asked_at: datetime) -> bool:
        """Enqueue one job that Pleo showed unfinished at `asked_at`, whether its list has it or not.

        False: the company is paused and the job was not begun, so it waits at Pleo.

        Repeat: safe; a job has one run at a time.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        self.pause = await Pauses(self.engine.presence.connections).of(self.company_id)
        if not self._told_and_free(job):
            return False
        await self._enqueue(job, asked_at)
        return True

    def _told_and_free(self, job: ExportJob) -> bool:
        """Tell the history of a job that was not begun; False for one that a pause holds back."""
        if job.status != JobStatus.PENDING:
            return True
        if self.history is not None:
            self.history.seen(job.company_id, job.id, items=job.number_of_items)
        return self.pause is None

    async def _enqueue(self, job: ExportJob, asked_at: datetime) -> bool:
        enqueued = await self.engine.enqueue(Job(job.id, self.company_id, job.created_at), unfinished_at=asked_at)
        if enqueued:
            log.info("job_enqueued", job_id=job.id, company_id=self.company_id, status=str(job.status))
        return enqueued

    async def _note_ended(self, jobs: Sequence[ExportJob]) -> None:
        """Tell the history of jobs that waited and are final at Pleo: no run will.

        Pleo is asked about each: a job that its list lacks may wait all the same.
        """
        if self.history is None:
            return
        try:
            missing = await self.history.waiting(self.company_id, but={job.id for job in jobs})
            for job_id in missing[:_MISSING_ASKED_MAX]:
                if await self._is_over(job_id):
                    self.history.ended_unbegun(job_id)
        except TallybookError as error:  # the next look, then
            log.warning("ended_jobs_not_noted", company_id=self.company_id, why=logs.told(error))

    async def _is_over(self, job_id: str) -> bool:
        try:
            return (await self.pleo.job(job_id)).status not in step1.ELIGIBLE
        except PleoNotFound:
            return True

    @property
    def unanswered_s(self) -> float:
        """Seconds since Pleo last told what is waiting; without end when it never did."""
        return float("inf") if self._answered_s is None else self.clock.monotonic_s() - self._answered_s

    async def watch(self) -> None:
        """Look again and again until cancelled; what goes wrong is said and tried again at the next look."""
        while True:
            self._news.clear()
            try:
                await self.look()
            except TallybookError as error:
                log.warning("poll_failed", company_id=self.company_id, why=logs.told(error))
                self.failing = logs.told(error)
            except Exception as error:  # noqa: BLE001 - a database that is away for a while; the watch goes on
                log.error("poll_failed", company_id=self.company_id, error=type(error).__name__)  # noqa: TRY400
                self.failing = logs.told(error)
            metrics.POLLS.labels(self.company_id, "failed" if self.failing else "ok").inc()
            pause_s = self.every_s * self.random.uniform(1 - _JITTER, 1 + _JITTER)
            try:
                async with asyncio.timeout(pause_s):
                    await self._news.wait()
            except TimeoutError:
                continue
