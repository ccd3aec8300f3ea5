"""The engine in this process, with small exports that write down what happens: real runs, real databases."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tallybook.clock import SystemClock
from tallybook.engine.engine import Engine, Export, Pace, launched
from tallybook.engine.presence import present
from tallybook.engine.runs import Job
from tallybook.outcome import FinalEvent, JobReport
from tallybook.pleo.models import JobEvent
from tallybook.store.database import Database
from tallybook.workflow import Checkpoint, Json

CREATED = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMPANY = "0a0a0a0a-0000-4000-8000-000000000001"
QUICK = Pace(queue_s=0.1, takeover_s=0.2, pauses_s=(0.01, 0.01), grace_s=5)


def job(number: int, company: str = COMPANY, *, age_min: int = 0) -> Job:
    """A job; the number makes its id, `age_min` its creation that much earlier."""
    return Job(f"00000000-0000-4000-8000-{number:012d}", company, CREATED - timedelta(minutes=age_min))


def done(job_id: str) -> JobReport:
    return JobReport(job_id, FinalEvent(JobEvent.COMPLETED), 0, 0, 0, 0.0)


Step = Callable[[], Awaitable[Json]]


@dataclass
class Exports:
    """An export of a few steps; writes down each begin and end, and calls `within` in the midst of it."""

    within: Callable[[str, Checkpoint], Awaitable[None]] | None = None
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def __call__(self, job_id: str, company_id: str, checkpoint: Checkpoint) -> JobReport:
        del company_id
        self.begun.append(job_id)
        if self.within is not None:
            await self.within(job_id, checkpoint)
        self.ended.append(job_id)
        return done(job_id)


@asynccontextmanager
async def engine(url: str, export: Export, *, pace: Pace = QUICK) -> AsyncIterator[Engine]:
    with present(Database(url), lease_s=10) as presence:
        async with launched(presence, export, pace=pace) as running:
            yield running


async def idle(running: Engine) -> None:
    """Wait until no run waits or runs; fails after a minute."""
    async with asyncio.timeout(60):
        await running.until_idle(SystemClock())


def now() -> datetime:
    return datetime.now(UTC)


def later() -> datetime:
    """An instant at which a run that has just ended has certainly ended."""
    return now() + timedelta(minutes=1)
