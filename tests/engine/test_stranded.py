"""A run whose end could not be stored does not hold its company's lane for ever."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tallybook.clock import SystemClock
from tallybook.engine.stranded import LOOK_EVERY_S, watch_own_runs
from tallybook.store.database import Database
from tests.engine import inside


class CountingClock(SystemClock):
    """Waits no longer than the loop needs, and counts; after so many waits it waits for ever."""

    def __init__(self, waits: int) -> None:
        self.left = waits
        self.exhausted = asyncio.Event()

    async def sleep(self, delay_s: float) -> None:
        assert delay_s == LOOK_EVERY_S
        self.left -= 1
        if self.left < 0:
            self.exhausted.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)


@pytest.mark.parametrize("stranded", [True, False])
async def test_a_run_that_nobody_is_at_work_on_ends_the_process(tmp_path: Path, *, stranded: bool) -> None:
    """Its last write failed, so that it counts as under way: seen twice, it is reported; a run that ended is not."""
    url = f"sqlite:///{tmp_path}/engine.sqlite"
    lost: list[None] = []
    async with inside.engine(url, inside.Exports()) as running:
        await running.enqueue(inside.job(1), unfinished_at=inside.now())
        await inside.idle(running)
        if stranded:
            with closing(sqlite3.connect(Database(url).file, timeout=10)) as connection, connection:
                connection.execute("UPDATE workflow_status SET status = 'PENDING', executor_id = 'local'")
        clock = CountingClock(waits=2)
        watch = asyncio.create_task(watch_own_runs(running, clock, lambda: lost.append(None)))
        waiting = asyncio.create_task(clock.exhausted.wait())
        await asyncio.wait({watch, waiting}, return_when=asyncio.FIRST_COMPLETED)
        watch.cancel()
        waiting.cancel()
        await asyncio.gather(watch, waiting, return_exceptions=True)
        assert lost == ([None] if stranded else [])


async def test_a_run_under_way_is_left_alone(tmp_path: Path) -> None:
    """However long it takes."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def within(_job_id: str, _checkpoint: object) -> None:
        begun.set()
        await may_end.wait()

    async with inside.engine(f"sqlite:///{tmp_path}/engine.sqlite", inside.Exports(within)) as running:
        await running.enqueue(inside.job(1), unfinished_at=inside.now())
        await begun.wait()
        clock = CountingClock(waits=5)
        watch = asyncio.create_task(watch_own_runs(running, clock, pytest.fail))
        await clock.exhausted.wait()
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        may_end.set()
        await inside.idle(running)
