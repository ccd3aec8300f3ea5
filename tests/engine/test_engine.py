import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from tallybook.outcome import JobReport
from tallybook.pleo.errors import PleoUnreachable
from tallybook.store.errors import DatabaseInUse
from tallybook.workflow import Checkpoint, JobInterrupted, Json
from tests.engine.conftest import everything, stored
from tests.engine.inside import COMPANY, Exports, Step, engine, idle, job, later, now

SECRET = "Frau Muster ate at Chez Nous"


async def test_a_job_reported_three_times_at_once_runs_once(url: str) -> None:
    """Webhook, poll and button say it within the same moment, and again while it runs."""
    exports = Exports()
    async with engine(url, exports) as running:
        said = await asyncio.gather(*(running.enqueue(job(1), unfinished_at=now()) for _ in range(3)))
        await idle(running)
    assert any(said)
    assert exports.ended == [job(1).id]


async def test_a_job_that_pleo_showed_unfinished_before_its_run_ended_gets_no_other_run(url: str) -> None:
    """A slow list of jobs is no news."""
    exports = Exports()
    async with engine(url, exports) as running:
        asked_at = now()
        await running.enqueue(job(1), unfinished_at=asked_at)
        await idle(running)
        assert not await running.enqueue(job(1), unfinished_at=asked_at)
    assert exports.ended == [job(1).id]


async def test_jobs_of_a_company_run_one_at_a_time_oldest_first(url: str) -> None:
    """Reported in any order, while the first one still runs."""
    begun, go, under_way, most = asyncio.Event(), asyncio.Event(), 0, 0

    async def within(_job_id: str, _checkpoint: Checkpoint) -> None:
        nonlocal under_way, most
        begun.set()
        under_way += 1
        most = max(most, under_way)
        await go.wait()
        under_way -= 1

    exports = Exports(within)
    jobs = [job(100 - n, age_min=n) for n in range(8)]
    Random(4).shuffle(jobs)  # noqa: S311 - the same order every time
    async with engine(url, exports) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await begun.wait()
        for each in jobs:
            await running.enqueue(each, unfinished_at=now())
        go.set()
        await idle(running)
    assert most == 1
    assert exports.ended[1:] == [each.id for each in sorted(jobs, key=lambda each: each.created_at)]


async def test_companies_run_beside_each_other(url: str) -> None:
    """All of them are in the midst of their job at once."""
    everyone = asyncio.Barrier(5)

    async def within(_job_id: str, _checkpoint: Checkpoint) -> None:
        await everyone.wait()

    exports = Exports(within)
    async with engine(url, exports) as running:
        for n in range(5):
            await running.enqueue(job(n, f"0a0a0a0a-0000-4000-8000-00000000000{n}"), unfinished_at=now())
        await idle(running)
    assert len(exports.ended) == 5


async def test_a_step_that_pleo_kept_from_succeeding_is_tried_again(url: str) -> None:
    """The steps before it are not; the job ends as if nothing had been."""
    tries: list[str] = []

    async def first() -> Json:
        tries.append("first")
        return {"n": 1}

    async def second() -> Json:
        tries.append("second")
        if tries.count("second") < 3:
            raise PleoUnreachable("Pleo is away")
        return {"n": 2}

    async def within(_job_id: str, checkpoint: Checkpoint) -> None:
        assert await checkpoint("first", first) == {"n": 1}
        assert await checkpoint("second", second) == {"n": 2}

    exports = Exports(within)
    async with engine(url, exports) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await idle(running)
    assert tries == ["first", "second", "second", "second"]
    assert exports.ended == [job(1).id]


async def test_a_job_whose_run_gave_up_gets_another_one(url: str) -> None:
    """Pleo stays away too long: the run ends, its job does not; once Pleo shows it unfinished the next run ends it."""
    away = True

    async def step() -> Json:
        if away:
            raise PleoUnreachable("Pleo is away")
        return {}

    async def within(job_id: str, checkpoint: Checkpoint) -> None:
        try:
            await checkpoint("step", step)
        except Exception as error:
            raise JobInterrupted(JobReport(job_id, None, 0, 0, 0, 0.0, str(error))) from error

    exports = Exports(within)
    async with engine(url, exports) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await idle(running)
        assert exports.ended == []
        away = False
        assert await running.enqueue(job(1), unfinished_at=later())
        await idle(running)
    assert exports.ended == [job(1).id]
    assert [row[0] for row in stored(url, "SELECT workflow_uuid FROM workflow_status ORDER BY workflow_uuid")] == [
        job(1).run_name(0),
        job(1).run_name(1),
    ]


async def test_a_job_whose_run_broke_gets_another_one_and_the_database_learns_no_more_than_the_class(url: str) -> None:
    """A bug's message may quote an expense: neither the step nor the run keeps it."""
    broken = True

    async def step() -> Json:
        if broken:
            raise KeyError(SECRET)
        return {}

    async def within(_job_id: str, checkpoint: Checkpoint) -> None:
        await checkpoint("step", step)

    exports = Exports(within)
    async with engine(url, exports) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await idle(running)
        assert stored(url, "SELECT status FROM workflow_status") == [("ERROR",)]
        broken = False
        await running.enqueue(job(1), unfinished_at=later())
        await idle(running)
    assert exports.ended == [job(1).id]
    kept = str(everything(url))
    assert "KeyError" in kept
    assert SECRET not in kept


async def test_everything_is_stored_as_json(url: str) -> None:
    """Nothing in the database is a pickle, which would run code when it is read."""
    async with engine(url, Exports()) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await idle(running)
    for table in ("workflow_status", "operation_outputs"):
        assert set(stored(url, f"SELECT serialization FROM {table}")) == {("portable_json",)}
    texts = [value for rows in everything(url).values() for row in rows for value in row if isinstance(value, str)]
    assert [text for text in texts if text.startswith("gA")] == []  # how a pickle begins in base64


async def test_a_stopped_engine_leaves_its_run_to_the_next_one_at_the_same_checkpoint(url: str) -> None:
    """The step under way ends, the next one is not begun; the next engine runs only what is missing."""
    tries: list[str] = []
    in_step, may_end = asyncio.Event(), asyncio.Event()

    def step(name: str) -> Step:
        async def run() -> Json:
            tries.append(name)
            in_step.set()
            await may_end.wait()
            return {}

        return run

    async def within(_job_id: str, checkpoint: Checkpoint) -> None:
        for name in ("one", "two"):
            await checkpoint(name, step(name))

    exports = Exports(within)
    async with engine(url, exports) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await in_step.wait()
        asyncio.get_running_loop().call_later(0.3, may_end.set)
    assert tries == ["one"]
    assert exports.ended == []
    async with engine(url, exports) as running:
        await idle(running)
    assert tries == ["one", "two"]
    assert exports.ended == [job(1).id]


async def test_old_runs_are_deleted_and_young_ones_stay(url: str) -> None:
    """With all their checkpoints."""
    async with engine(url, Exports()) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await idle(running)
        assert await running.collect(datetime.now(UTC) - timedelta(days=1)) == 0
        assert await running.collect(datetime.now(UTC) + timedelta(minutes=1)) == 1
    kept = everything(url)
    assert [name for name in kept if name.startswith(("workflow_", "operation_")) and kept[name]] == []
    assert job(1).id in str(kept["company_lock"])  # names the last holder, a run that is gone: the lane is free


async def test_one_process_has_one_engine(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A second one on the same SQLite file is refused, also within a process."""
    url = f"sqlite:///{tmp_path_factory.mktemp('one')}/engine.sqlite"
    async with engine(url, Exports()):
        with pytest.raises(DatabaseInUse):
            async with engine(url, Exports()):
                pass


async def test_the_rank_of_a_run_is_the_age_of_its_job(url: str) -> None:
    """Priority and lane come from the job alone, whoever reports it."""
    async with engine(url, Exports()) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await idle(running)
    assert stored(url, "SELECT priority, queue_partition_key, application_version FROM workflow_status") == [
        (job(1).age_rank, COMPANY, "exports-1")
    ]
