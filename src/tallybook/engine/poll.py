"""Finding jobs: each company is asked every so often, and at once when somebody says there is news.

A webhook, a poll and a button all end here. Whatever they say, Pleo's own list decides: every job it shows as pending
or in progress, and no run is at work on, gets one. So a job whose run was given up or broke is swept up as well, and a
webhook that lies makes us look and no more.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import structlog

from tallybook.clock import Clock
from tallybook.engine.engine import Engine
from tallybook.engine.runs import Job
from tallybook.errors import TallybookError
from tallybook.pleo.client import PleoClient
from tallybook.pleo.models import ExportJob, JobStatus
from tallybook.steps import step1_detect_and_start as step1
from tallybook.store.pauses import Pause, Pauses
from tallybook.telemetry import logs, metrics

_JITTER = 0.2  # a fifth more or less

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
    seen: Callable[[ExportJob], None] = lambda _: None  # told of every job that was not begun yet
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
        for job in await step1.detect(self.pleo, self.company_id):
            if job.status == JobStatus.PENDING:
                self.seen(job)
            if self.pause is not None and job.status == JobStatus.PENDING:
                held += 1
                continue
            found = Job(job.id, self.company_id, job.created_at)
            if await self.engine.enqueue(found, unfinished_at=asked_at):
                log.info("job_enqueued", job_id=job.id, company_id=self.company_id, status=str(job.status))
                enqueued += 1
        if held:
            log.info("company_paused", company_id=self.company_id, jobs_waiting=held)
        self._answered_s, self.failing = self.clock.monotonic_s(), ""
        metrics.POLLED_AT.labels(self.company_id).set(self.clock.now().timestamp())
        return enqueued

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
