"""The one private function of the engine's package that we call does what we call it for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from dbos import DBOS

from tallybook.engine import takeover
from tallybook.engine.engine import VERSION, Engine
from tallybook.workflow import Checkpoint, Json
from tests.engine.conftest import stored
from tests.engine.inside import Exports, engine, idle, job, now

RUNS = "SELECT workflow_uuid, status, executor_id FROM workflow_status ORDER BY workflow_uuid"
_BECOMES = "UPDATE dbos.workflow_status SET application_version = :version, executor_id = :worker"


async def test_runs_of_a_worker_without_a_lease_are_put_back_in_their_lane_and_run_again(shared_url: str) -> None:
    """With their priority and lane as they were; the steps that have a result are not run again."""
    tries: list[str] = []

    async def step() -> Json:
        tries.append("step")
        return {}

    async def within(_job_id: str, checkpoint: Checkpoint) -> None:
        await checkpoint("step", step)
        if len(exports.begun) == 1:
            await asyncio.Event().wait()  # as a worker that hangs

    exports = Exports(within)
    async with engine(shared_url, exports) as running:
        await running.enqueue(job(1), unfinished_at=now())
        while not tries:
            await asyncio.to_thread(stored, shared_url, RUNS)
    # That worker has ended and given its lease back; its run is as a killed one's.
    ((name, status, dead),) = stored(shared_url, RUNS)
    assert (name, status) == (job(1).run_name(0), "PENDING")
    async with engine(shared_url, exports) as running:
        assert running.presence.worker != dead
        await idle(running)
    assert tries == ["step"]
    assert exports.ended == [job(1).id]


@asynccontextmanager
async def at_work(url: str) -> AsyncIterator[tuple[Engine, Exports]]:
    """An engine within a step of its first run, which ends with the block."""
    in_step, may_end = asyncio.Event(), asyncio.Event()

    async def within(_job_id: str, _checkpoint: Checkpoint) -> None:
        in_step.set()
        await may_end.wait()

    exports = Exports(within)
    async with engine(url, exports) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await in_step.wait()
        yield running, exports
        may_end.set()
        await idle(running)


async def test_living_workers_are_not_dead(shared_url: str) -> None:
    """Neither our own runs nor those of a worker whose lease is valid."""
    async with at_work(shared_url) as (running, exports):
        assert await asyncio.to_thread(takeover.dead_workers, running.presence.connections, VERSION) == []
    assert exports.begun == [job(1).id]


async def test_runs_of_another_version_are_left_to_workers_of_that_version(shared_url: str) -> None:
    """A dead worker of an older version is not named again at every look."""
    async with at_work(shared_url) as (running, _):
        connections = running.presence.connections
        with connections.begin() as connection:
            connection.execute(sa.text(_BECOMES), {"version": "exports-0", "worker": "gone"})
        assert await asyncio.to_thread(takeover.dead_workers, connections, VERSION) == []
        assert await asyncio.to_thread(takeover.dead_workers, connections, "exports-0") == ["gone"]
        with connections.begin() as connection:
            connection.execute(sa.text(_BECOMES), {"version": VERSION, "worker": running.presence.worker})


async def test_a_take_over_of_a_run_that_lives_elsewhere_changes_nothing(shared_url: str) -> None:
    """Two workers that both think a third one dead: only its own runs move, and each once."""
    async with at_work(shared_url):
        before = stored(shared_url, RUNS)
        await asyncio.to_thread(takeover.take_over, ["somebody-else"])
        assert stored(shared_url, RUNS) == before


def test_the_private_function_is_there() -> None:
    """An update of the package that moves it fails here, not at the first death of a worker."""
    assert callable(DBOS._recover_pending_workflows)
