"""The service: the durable engine with everything that serves it; `tallybook serve`, put together."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from tallybook.app import company
from tallybook.clock import Clock, SystemClock
from tallybook.engine.engine import Engine, Pace, launched
from tallybook.engine.poll import Poller
from tallybook.engine.presence import present
from tallybook.outcome import JobReport
from tallybook.settings import Settings
from tallybook.store.database import Database
from tallybook.workflow import Checkpoint, Company, JobInterrupted, Progress, export_job

log = structlog.get_logger()


@asynccontextmanager
async def serving(
    settings: Sequence[Settings],
    *,
    clock: Clock | None = None,
    pace: Pace = Pace(),  # noqa: B008 - frozen
) -> AsyncIterator[tuple[Engine, Sequence[Poller]]]:
    """Open a worker: its place at the database, the companies, the engine, and a poller for each company.

    Runs that an earlier process left are resumed at once. All workers on a PostgreSQL database are given the same
    companies. One settings object per company; the first one's `[database]` counts.

    Repeat: on SQLite refused while the first one lasts; on PostgreSQL one more worker.
    Raises:
        SettingsError: a setting is wrong.
        AccountingError: the books cannot be opened.
        StoreError: the database is in use, or cannot be used.
    """
    clock = clock or SystemClock()
    database = settings[0].database
    with present(Database(database.url), lease_s=database.lease_s) as presence:
        async with AsyncExitStack() as stack:
            companies: dict[str, Company] = {}
            for each in settings:
                opened = await stack.enter_async_context(company(each, clock=clock, presence=presence))
                companies[opened.company_id] = opened

            async def export(job_id: str, company_id: str, checkpoint: Checkpoint) -> JobReport:
                if company_id not in companies:
                    note = f"company {company_id} is not in this worker's settings; give all workers the same"
                    raise JobInterrupted(JobReport(job_id, None, 0, 0, 0, 0.0, note))
                return await export_job(companies[company_id], job_id, checkpoint=checkpoint, progress=_log_progress)

            engine = await stack.enter_async_context(launched(presence, export, pace=pace))
            yield (
                engine,
                [
                    Poller(engine, each.company_id, each.pleo, clock, random.SystemRandom(), one.serve.poll_every_s)
                    for each, one in zip(companies.values(), settings, strict=True)
                ],
            )


async def serve(
    settings: Sequence[Settings],
    *,
    stopping: asyncio.Event,
    once: bool = False,
    pace: Pace = Pace(),  # noqa: B008 - frozen
) -> None:
    """Find export jobs and export them until `stopping` is set; with `once`, until none is left.

    Stopping ends between pages; what is not done is resumed by the next start, or by another worker.

    Repeat: safe; what is done is found done.
    Raises:
        SettingsError: a setting is wrong.
        PleoError: with `once`, Pleo could not be asked what is waiting.
        AccountingError: the books cannot be opened.
        StoreError: the database is in use, or cannot be used.
    """
    clock = SystemClock()
    async with serving(settings, clock=clock, pace=pace) as (engine, pollers):
        log.info("serving", worker=engine.presence.worker, companies=[poller.company_id for poller in pollers])
        duties = [asyncio.create_task(engine.keep_tidy(clock, settings[0].database.keep_days))]
        try:
            if once:
                for poller in pollers:
                    await poller.look()
                await _first(stopping.wait(), engine.until_idle(clock))
            else:
                duties += [asyncio.create_task(poller.watch()) for poller in pollers]
                await stopping.wait()
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            log.info("stopping")


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()


def _log_progress(told: Progress) -> None:
    log.info("page_done", job_id=told.job_id, items=told.items, successful=told.successful, failed=told.failed)
