"""The service: the durable engine with everything that serves it; `tallybook serve`, put together."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from starlette.routing import BaseRoute, Route

from tallybook import receiver
from tallybook.app import company
from tallybook.clock import Clock, SystemClock
from tallybook.console.desk import Desk
from tallybook.console.site import console
from tallybook.engine.engine import VERSION, Engine, Pace, launched
from tallybook.engine.poll import Poller
from tallybook.engine.presence import present
from tallybook.engine.standing import Standing, UnknownCompany
from tallybook.engine.stranded import watch_own_runs
from tallybook.errors import TallybookError
from tallybook.history.recorder import Recorder, recording
from tallybook.listening.endpoints import Endpoints
from tallybook.listening.server import Server, bound, is_loopback, listening
from tallybook.outcome import JobReport
from tallybook.pleo.client import CallRecord
from tallybook.pleo.errors import PleoError
from tallybook.pleo.webhooks import REMEMBERED_FOR_S, SigningSecrets
from tallybook.settings import Settings
from tallybook.store.database import Database
from tallybook.store.errors import StoreError
from tallybook.store.webhook_ids import WebhookIds
from tallybook.telemetry import logs, metrics, traces
from tallybook.workflow import Checkpoint, Company, JobInterrupted, Progress, export_job

_FORGET_EVERY_S = 3600.0
log = structlog.get_logger()


class JobsLeft(TallybookError):
    """Export jobs whose runs were given up before their end, by id."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        super().__init__(
            f"not brought to their end: {', '.join(job_ids)}; what is done stays done, the log has the reason, and the"
            " next start goes on"
        )
        self.job_ids = job_ids


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
            history = await stack.enter_async_context(
                recording(presence.connections, clock, keep_days=database.keep_days)
            )
            companies: dict[str, Company] = {}
            for each in settings:
                opened = await stack.enter_async_context(
                    company(each, clock=clock, observer=_pleo_called, presence=presence, history=history)
                )
                companies[opened.company_id] = opened

            async def export(job_id: str, company_id: str, checkpoint: Checkpoint) -> JobReport:
                if company_id not in companies:
                    note = f"company {company_id} is not in this worker's settings; give all workers the same"
                    raise JobInterrupted(JobReport(job_id, None, 0, 0, 0, 0.0, note))
                return await export_job(companies[company_id], job_id, checkpoint=checkpoint, progress=_log_progress)

            engine = await stack.enter_async_context(launched(presence, export, pace=pace))
            metrics.build(VERSION)
            yield engine, _pollers(engine, companies, settings, clock, history)


def _pollers(
    engine: Engine, companies: Mapping[str, Company], settings: Sequence[Settings], clock: Clock, history: Recorder
) -> Sequence[Poller]:
    return [
        Poller(
            engine,
            each.company_id,
            each.pleo,
            clock,
            random.SystemRandom(),
            one.serve.poll_every_s,
            name=one.pleo.company_name or "",
            history=history,
        )
        for each, one in zip(companies.values(), settings, strict=True)
    ]


async def serve(
    settings: Sequence[Settings],
    *,
    stopping: asyncio.Event,
    once: bool = False,
    pace: Pace = Pace(),  # noqa: B008 - frozen
) -> None:
    """Find export jobs and export them until `stopping` is set; with `once`, until none is left.

    Unless `once`, it also listens at `[serve]` `listen`. Stopping ends between pages; what is not done is resumed by
    the next start, or by another worker.

    Repeat: safe; what is done is found done.
    Raises:
        SettingsError: a setting is wrong.
        PleoError: with `once`, Pleo could not be asked what is waiting for a company; the others are done.
        JobsLeft: with `once`, a job did not come to its end.
        AccountingError: the books cannot be opened.
        StoreError: the database is in use, or cannot be used.
    """
    clock = SystemClock()
    standing = Standing(clock)
    first = settings[0]
    async with AsyncExitStack() as stack:
        stack.enter_context(traces.tracing(first.telemetry.otlp_endpoint))
        # Before anything is exported: an address that is taken is a wrong setting.
        listener = None if once else stack.enter_context(bound(first.serve.host, first.serve.port))
        async with serving(settings, clock=clock, pace=pace) as (engine, pollers):
            standing.engine, standing.pollers = engine, pollers
            worker, served = engine.presence.worker, [poller.company_id for poller in pollers]
            duties = [
                asyncio.create_task(engine.keep_tidy(clock, first.database.keep_days)),
                asyncio.create_task(watch_own_runs(engine, clock)),
            ]
            server: Server | None = None
            try:
                if listener is None:
                    log.info("serving", worker=worker, companies=served)
                    failed = await _looked(pollers)
                    await _first(stopping.wait(), engine.until_idle(clock))
                    if failed is not None:
                        raise failed
                    if engine.left:
                        raise JobsLeft(sorted(engine.left))
                else:
                    ids = WebhookIds(engine.presence.connections)
                    routes = [*_routes(settings, standing, ids), *_console(settings, standing, engine)]
                    # Entered outside the engine: it lets callers go while the engine lets steps finish.
                    server = await stack.enter_async_context(listening(listener, routes))
                    log.info("serving", worker=worker, companies=served, address=server.url)
                    duties.append(asyncio.create_task(_forget(ids, clock)))
                    duties += [asyncio.create_task(poller.watch()) for poller in pollers]
                    await stopping.wait()
            finally:
                standing.stopping = True
                if server is not None:
                    server.stop()
                for duty in duties:
                    duty.cancel()
                await asyncio.gather(*duties, return_exceptions=True)
                log.info("stopping")


def _routes(settings: Sequence[Settings], standing: Standing, ids: WebhookIds) -> list[Route]:
    first = settings[0].serve
    endpoints = Endpoints(
        look_now=standing.look_now,
        problems=standing.problems,
        measure=standing.measure,
        token=first.bearer(),
        metrics_open=first.metrics_open or is_loopback(first.host),
    )
    secrets = [secret for each in settings if each.webhooks.given for secret in each.webhooks.secrets()]
    if not secrets:  # nothing could be believed
        return endpoints.routes()

    async def enqueue(company_id: str, job_id: str) -> None:
        try:
            standing.look_now(company_id)
        except UnknownCompany:  # an organisation's subscription tells of all its companies
            log.info("job_of_another_company", company_id=company_id, job_id=job_id)

    heard = receiver.Receiver(SigningSecrets(secrets), standing.clock, enqueue, shared=ids)
    return [*endpoints.routes(), *receiver.routes(heard)]


def _console(settings: Sequence[Settings], standing: Standing, engine: Engine) -> list[BaseRoute]:
    """Give the console: to this machine as it is, to others only behind a password."""
    first = settings[0]
    password_hash = first.console.hash()
    if not first.console.show:
        return []
    if password_hash is None and not is_loopback(first.serve.host):
        log.warning("console_not_shown", why="serve.listen is more than this machine; set console.password_hash")
        return []
    connections = engine.presence.connections
    return [console(Desk(settings, standing.clock, connections, standing, os.environ, password_hash))]


async def _forget(ids: WebhookIds, clock: Clock) -> None:
    """Forget notifications that are too old to be repeated, until cancelled."""
    while True:
        try:
            await ids.collect(clock.now() - timedelta(seconds=REMEMBERED_FOR_S))
        except StoreError as error:  # next time, then
            log.warning("webhook_ids_not_forgotten", why=logs.told(error))
        await clock.sleep(_FORGET_EVERY_S)


def _pleo_called(call: CallRecord) -> None:
    status = "none" if call.status is None else str(call.status)
    metrics.PLEO_CALLS.labels(call.operation, status).inc()
    metrics.PLEO_CALL_SECONDS.labels(call.operation).observe(call.duration_s)
    traces.past(f"pleo {call.operation}", call.duration_s, failed=call.error is not None, status=status)


def _log_progress(told: Progress) -> None:
    log.info("page_done", job_id=told.job_id, items=told.items, successful=told.successful, failed=told.failed)


async def _looked(pollers: Sequence[Poller]) -> PleoError | None:
    """Ask Pleo once for each company: that it does not answer for one is no matter of the others."""
    failed = None
    for poller in pollers:
        try:
            await poller.look()
        except PleoError as error:
            log.warning("poll_failed", company_id=poller.company_id, why=logs.told(error))
            failed = error
    return failed


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()
