"""The one private function of the engine's package that we call does what we call it for."""

import asyncio

from dbos import DBOS

from tallybook.engine import takeover
from tallybook.workflow import Checkpoint, Json
from tests.engine.conftest import stored
from tests.engine.inside import Exports, engine, idle, job, now

RUNS = "SELECT workflow_uuid, status, executor_id FROM workflow_status ORDER BY workflow_uuid"


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


async def test_living_workers_are_not_dead(shared_url: str) -> None:
    """Neither our own runs nor those of a worker whose lease is valid."""
    in_step, may_end = asyncio.Event(), asyncio.Event()

    async def within(_job_id: str, _checkpoint: Checkpoint) -> None:
        in_step.set()
        await may_end.wait()

    exports = Exports(within)
    async with engine(shared_url, exports) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await in_step.wait()
        assert await asyncio.to_thread(takeover.dead_workers, running.presence.connections) == []
        may_end.set()
        await idle(running)
    assert exports.begun == [job(1).id]


async def test_a_take_over_of_a_run_that_lives_elsewhere_changes_nothing(shared_url: str) -> None:
    """Two workers that both think a third one dead: only its own runs move, and each once."""
    in_step, may_end = asyncio.Event(), asyncio.Event()

    async def within(_job_id: str, _checkpoint: Checkpoint) -> None:
        in_step.set()
        await may_end.wait()

    async with engine(shared_url, Exports(within)) as running:
        await running.enqueue(job(1), unfinished_at=now())
        await in_step.wait()
        before = stored(shared_url, RUNS)
        await asyncio.to_thread(takeover.take_over, ["somebody-else"])
        assert stored(shared_url, RUNS) == before
        may_end.set()
        await idle(running)


def test_the_private_function_is_there() -> None:
    """An update of the package that moves it fails here, not at the first death of a worker."""
    assert callable(DBOS._recover_pending_workflows)
