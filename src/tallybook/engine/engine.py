"""Running export jobs durably: one run per job, one job at a time per company, each step's result kept.

The package underneath is DBOS Transact, pinned to one version. It keeps a run's steps and resumes it; the promises
around it are ours: names (runs.py), one process or leased workers (presence.py), take-over (takeover.py), strict lanes
(lane.py). What a run is, is written in workflow.py; this module only carries it.
"""

import asyncio
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

import structlog
from dbos import DBOS, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID, WorkflowStatus

from tallybook.clock import Clock
from tallybook.engine import lane, takeover
from tallybook.engine.presence import Presence
from tallybook.engine.runs import Job, created_at_of, rank_of, turn_of
from tallybook.errors import TallybookError
from tallybook.outcome import JobReport
from tallybook.steps.step1_detect_and_start import PAUSED
from tallybook.store.database import migrated
from tallybook.telemetry import logs, metrics, traces
from tallybook.workflow import Checkpoint, JobInterrupted, Json

# Pinned: by default the package derives it from the source, and a mere comment would strand every run under way.
# The order and the names of the checkpoints are what it stands for; docs/engine.md says when it changes.
VERSION = "exports-1"
QUEUE = "exports"
ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_TIDY_EVERY_S = 6 * 3600.0
HELD = "held by a pause"
STARTS_MAX = 50  # a run that kills its process this often is given up; its job gets a new one
_STORED_TIME_SLACK_MS = 2000  # on SQLite times are stored to the second
_BY_HAND_PAUSE_S = 5.0  # between looks whether a `tallybook run` has given the lane back

log = structlog.get_logger()


class Export(Protocol):
    """What a run does: `workflow.export_job` with the company it needs."""

    async def __call__(self, job_id: str, company_id: str, checkpoint: Checkpoint) -> JobReport:
        """Carry the job through, each step under a checkpoint.

        Raises:
            JobInterrupted: the run ended before the job did.
        """


class RunBroken(Exception):
    """A bug of ours ended the run. Says where and which class, never the message, which may quote an expense."""


class _StepInterrupted(TallybookError):
    """A step failed again and again for a passing reason, and the run gives up; the next poll begins another."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How quickly the engine looks and how patient it is, in seconds.

    `pauses_s`: the waits between attempts at a step that Pleo or the books kept from succeeding, together somewhat over
    the hour after which Pleo expires a job nobody touches.
    """

    queue_s: float = 0.5
    takeover_s: float = 2.0
    pauses_s: Sequence[float] = (5, 10, 20, 40, 80, 160, *[300] * 11)
    companies_at_once: int = 20  # per process
    grace_s: float = 7.0  # what a page gets to finish when asked to stop: the end of all else takes up to two more


@dataclass(slots=True)
class Engine:
    """A launched engine; made by `launched`, one per process."""

    presence: Presence
    export: Export
    pace: Pace
    _stopping: bool = False
    _steps_running: int = 0
    _step_done: asyncio.Event = field(default_factory=asyncio.Event)
    _runs: dict[asyncio.Task[Any], str] = field(default_factory=dict)  # with the name of each
    left: set[str] = field(default_factory=set)  # jobs whose last run here was given up before their end

    @property
    def running(self) -> set[str]:
        """Names of the runs that this process is at work on."""
        return set(self._runs.values())

    async def enqueue(self, job: Job, *, unfinished_at: datetime) -> bool:
        """Put a job that Pleo showed unfinished at `unfinished_at` into its company's lane; False: there was no need.

        A job whose last run waits or runs needs none. A job whose last run had ended by then (given up, broken,
        cancelled, or held by a pause) gets the next turn, so that none stays without its final event.

        Repeat: safe, also from many processes at once: the same job gets one run.
        """
        runs = await DBOS.list_workflows_async(workflow_id_prefix=job.prefix, load_input=False, load_output=False)
        last = max(runs, key=lambda run: turn_of(run.workflow_id), default=None)
        if last is None:
            await self._submit(job, 0, job.age_rank)
            return True
        if last.status not in ENDED:
            return False
        ended_ms = (last.completed_at or last.updated_at or 0) + _STORED_TIME_SLACK_MS
        if await _was_held(last):  # it did nothing, so whatever Pleo shows is still so
            log.info("job_no_longer_held", job_id=job.id, last_run=last.workflow_id)
        elif ended_ms > unfinished_at.timestamp() * 1000:
            return False
        else:
            log.warning("job_without_end", job_id=job.id, last_run=last.workflow_id, last_status=last.status)
        await self._submit(job, turn_of(last.workflow_id) + 1, job.age_rank)
        return True

    async def unfinished(self) -> list[str]:
        """Names of the runs that wait or run, in any process.

        Repeat: safe.
        """
        waiting: list[WorkflowStatus] = await DBOS.list_workflows_async(
            status=["ENQUEUED", "PENDING", "DELAYED"], queue_name=QUEUE, load_input=False, load_output=False
        )
        return [run.workflow_id for run in waiting]

    async def lanes(self) -> Mapping[str, Sequence[datetime]]:
        """For each company with jobs that wait or run, in any process: when these were created, the oldest first.

        Repeat: safe.
        """
        waiting: list[WorkflowStatus] = await DBOS.list_workflows_async(
            status=["ENQUEUED", "PENDING", "DELAYED"], queue_name=QUEUE, load_input=False, load_output=False
        )
        lanes: dict[str, list[datetime]] = defaultdict(list)
        for run in waiting:
            lanes[str(run.queue_partition_key)].append(created_at_of(run.workflow_id))
        return {company: sorted(created) for company, created in lanes.items()}

    async def until_idle(self, clock: Clock) -> None:
        """Wait until no run waits or runs any more.

        Repeat: safe.
        """
        while await self.unfinished():
            await clock.sleep(self.pace.queue_s)

    async def keep_tidy(self, clock: Clock, keep_days: int) -> None:
        """Delete old runs at once and every few hours, until cancelled."""
        while True:
            try:
                while await self.collect(clock.now() - timedelta(days=keep_days)):
                    await clock.sleep(1)  # so that exports get their turn at the database
                await asyncio.to_thread(self.presence.forget_old_leases)
            except Exception as error:  # noqa: BLE001 - a database that is away for a while; next time, then
                log.error("old_runs_not_deleted", error=type(error).__name__)  # noqa: TRY400
            await clock.sleep(_TIDY_EVERY_S)

    async def collect(self, before: datetime) -> int:
        """Delete runs that ended before an instant, with all their checkpoints; returns how many.

        Repeat: safe.
        """
        old = await DBOS.list_workflows_async(
            status=list(ENDED), completed_before=before.isoformat(), limit=1000, load_input=False, load_output=False
        )
        if old:
            await DBOS.delete_workflows_async([run.workflow_id for run in old])
            log.info("old_runs_deleted", count=len(old))
        return len(old)

    @staticmethod
    async def _submit(job: Job, turn: int, rank: int) -> None:
        with (
            SetWorkflowID(job.run_name(turn)),
            SetEnqueueOptions(queue_partition_key=job.company_id, priority=rank),
        ):
            await DBOS.enqueue_workflow_async(QUEUE, _export_job, job.id, job.company_id, job.created_at_ms)

    async def _run(self, job: Job) -> Json:
        """The body of every run. Between checkpoints it may do nothing but decide by their results."""
        name = DBOS.workflow_id or ""
        outcome = ""
        task = asyncio.current_task()
        if task is not None:
            self._runs[task] = name
        try:
            while (
                holder := (await self._step("0 company lock", lambda: self._take_lane(job, name)))["holder"]
            ) != name:
                if lane.is_by_hand(holder):
                    await DBOS.sleep_async(_BY_HAND_PAUSE_S)
                    continue
                # Behind the holder, even if this job is older: in front of it, it would only give way again.
                rank = max(job.age_rank, rank_of(str(holder)) + 1)
                await self._submit(job, turn_of(name) + 1, rank)
                outcome = "gave way"
                return {"ended": outcome, "to": holder}
            with traces.span("export job", job_id=job.id, company_id=job.company_id, run=name):
                report = await self.export(job.id, job.company_id, partial(self._checkpoint, job, name))
            event = report.event.event.value if report.event else None
            outcome = event or (HELD if report.note == PAUSED else "without us")
            self.left.discard(job.id)
        except JobInterrupted as interrupted:
            why = logs.reason(interrupted)
            log.warning("job_interrupted", job_id=job.id, company_id=job.company_id, why=why)
            outcome = "interrupted"
            self.left.add(job.id)
            return {"ended": outcome}
        except RunBroken:
            outcome = "broken"
            self.left.add(job.id)
            raise
        finally:
            if task is not None:
                self._runs.pop(task, None)
            if outcome:  # none: the process stops, and another goes on
                metrics.JOBS.labels(outcome).inc()
        log.info(
            "job_ended",
            job_id=job.id,
            company_id=job.company_id,
            run=name,
            outcome=event,
            note=report.note,
            seconds=round(report.seconds, 1),
        )
        return {"ended": outcome}

    async def _take_lane(self, job: Job, name: str) -> Json:
        def has_ended(run: str) -> bool:
            if lane.is_by_hand(run):
                return not lane.lease_is_valid(self.presence.connections, run)
            status = DBOS.get_workflow_status(run)
            return status is None or status.status in ENDED

        return {"holder": await _in_thread(lane.take, self.presence.connections, job.company_id, name, has_ended)}

    async def _checkpoint(self, job: Job, run: str, name: str, step: Callable[[], Awaitable[Json]]) -> Json:
        """Run a step once, or give back what it returned before; wait out what passes.

        A failure is kept as a class name in the result, never as an exception: exceptions do not replay faithfully.
        """
        for pause_s in (*self.pace.pauses_s, None):
            result = await self._step(name, lambda: self._in_lane(job, run, name, step))
            if "value" in result:
                value: Json = result["value"]
                return value
            if "broken" in result:
                raise RunBroken(f"{result['broken']} in step {name!r}")
            if pause_s is not None:
                await DBOS.sleep_async(pause_s)
        raise _StepInterrupted(
            f"step {name!r} did not succeed in {len(self.pace.pauses_s) + 1} attempts ({result['interrupted']})"
        )

    async def _in_lane(self, job: Job, run: str, name: str, step: Callable[[], Awaitable[Json]]) -> Json:
        """Do a step while the lane is this run's: one that was taken up later may find a `tallybook run` in it."""
        if self.presence.database.shared and (holder := (await self._take_lane(job, run))["holder"]) != run:
            log.info("lane_taken", job_id=job.id, company_id=job.company_id, holder=holder)
            return {"interrupted": "lane taken"}
        with traces.span(name.rstrip(" 0123456789"), step=name, job_id=job.id):
            return await _settled(name, step)

    async def _step(self, name: str, step: Callable[[], Awaitable[Json]]) -> Json:
        if self._stopping:
            await asyncio.Event().wait()  # until cancelled: the run stays as it is and is resumed by the next process

        async def run() -> dict[str, Any]:  # the package looks whether it is given a coroutine function
            return dict(await step())

        self._steps_running += 1
        try:
            self.presence.may_write()
            return await DBOS.run_step_async({"name": name}, run)
        finally:
            self._steps_running -= 1
            self._step_done.set()

    async def _stop(self) -> None:
        """Let every step under way finish within the grace, begin no other, and leave the runs for the next process."""
        self._stopping = True
        try:
            async with asyncio.timeout(self.pace.grace_s):
                while self._steps_running:
                    self._step_done.clear()
                    await self._step_done.wait()
        except TimeoutError:
            log.warning("stopped_within_a_step", steps=self._steps_running)
        runs = list(self._runs)
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)


_launched: Engine | None = None  # the package has one instance per process, and so have we


@DBOS.workflow(name="export_job", max_recovery_attempts=STARTS_MAX)
async def _export_job(job_id: str, company_id: str, created_at_ms: int) -> Json:
    if _launched is None:
        raise RunBroken("the engine is not launched")
    created_at = datetime.fromtimestamp(created_at_ms / 1000, UTC)
    return await _launched._run(Job(job_id, company_id, created_at))  # noqa: SLF001 - the body of our own workflow


async def _was_held(run: WorkflowStatus) -> bool:
    """Whether a run ended before it began its job, since the company was paused."""
    if run.status != "SUCCESS":
        return False
    (ended,) = await DBOS.list_workflows_async(workflow_ids=[run.workflow_id], load_input=False)
    return bool(ended.output == {"ended": HELD})


async def _settled(name: str, step: Callable[[], Awaitable[Json]]) -> Json:
    try:
        return {"value": dict(await step())}
    except TallybookError as error:
        log.warning("step_interrupted", step=name, why=logs.told(error))
        return {"interrupted": type(error).__name__}
    except Exception as error:  # noqa: BLE001 - a bug must not leave its message, which may quote an expense, in the database
        where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-4:]]
        log.error("step_broken", step=name, error=type(error).__name__, where=where)  # noqa: TRY400 - without the message
        return {"broken": type(error).__name__}


@asynccontextmanager
async def launched(presence: Presence, export: Export, *, pace: Pace = Pace()) -> AsyncIterator[Engine]:
    """Launch the engine: runs that an earlier process left are resumed at once, new ones start as they are enqueued.

    At the end, steps under way may finish; the runs stay and are resumed by the next process, or by another worker.

    Repeat: one per process at a time.
    Raises:
        DatabaseUnusable: the database refuses the engine's tables.
    """
    global _launched  # noqa: PLW0603 - the package calls our workflow by name, without an instance
    if _launched is not None:
        raise RunBroken("the engine is launched already in this process")
    logs.bridge("dbos", unless="Asyncio task cancelled")  # that is how we stop
    engine = Engine(presence, export, pace)
    _launched = engine
    threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tallybook-engine")
    stack = ExitStack()
    try:
        DBOS(
            config={
                "name": "tallybook",
                "system_database_url": presence.database.url,
                "executor_id": presence.worker,
                "application_version": VERSION,
                "serializer": DBOSPortableJSONSerializer(),
                "sys_db_idle_transaction_timeout_sec": 10,  # ends the row locks of a frozen worker
                "notification_listener_polling_interval_sec": 1.0,
                "run_migrations": True,
                "log_level": "WARNING",
                "enable_otlp": False,
            }
        )
        with migrated(presence.database, presence.connections):
            DBOS.launch()  # on this thread, so that runs share our event loop
        await DBOS.register_queue_async(
            QUEUE,
            partition_concurrency=1,
            worker_concurrency=pace.companies_at_once,
            # Beside the limit per company: it makes claims serializable, which halves the races the lock must settle.
            global_concurrency=1000 if presence.database.shared else None,
            polling_interval_sec=pace.queue_s,
        )
        if presence.database.shared:
            stack.enter_context(takeover.watching(presence, VERSION, pace.takeover_s))
        yield engine
    finally:
        loop = asyncio.get_running_loop()
        await engine._stop()  # noqa: SLF001 - its other half
        await loop.run_in_executor(threads, stack.close)
        await loop.run_in_executor(threads, DBOS.destroy)
        loop.set_default_executor(ThreadPoolExecutor())  # the package had put its own there, which is gone now
        threads.shutdown()
        _launched = None


async def _in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(work, *arguments)
