"""Proofs with two writers at once, from which follows the adapter's class of idempotency: measured, not declared."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

import pytest

from tallybook.accounting.entry import Entry
from tallybook.accounting.errors import AccountingError
from tallybook.accounting.system import AccountingSystem
from tallybook.testkit.bench import Bench
from tallybook.testkit.child import At
from tallybook.testkit.entries import Entries
from tallybook.testkit.killed import opened, orders
from tallybook.testkit.oracle import Oracle, recorded, require_search, take_up
from tallybook.testkit.processes import CHILD_TIMEOUT_S, Nursery, nursery
from tallybook.testkit.proxy import Fault, FaultProxy
from tallybook.testkit.table import Row, show
from tallybook.testkit.verdict import Unproven, require

REQUESTS_MAX = 60  # of one record; more mean that it never comes to an end
BLOCKED_S = 0.3  # a second writer that is not done by then is waiting for the first


class Idempotency(StrEnum):
    """What keeps an entry from being written twice."""

    NATIVE_KEY = "native key"  # also two processes at once write an entry once
    SEARCH = "search by reference"  # one writer finds what was written; two at once would double it
    NONE = "none"  # what a lost answer left, cannot be found


class WritersProof:
    """Two writers. `stop_points` is at how many lines one writer is stopped in turn while the other writes."""

    stop_points = 24

    async def test_two_calls_at_once(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """Two calls at once in one process, with the same entries in opposite orders, record each once."""
        require_search(system)
        batch = entries.batch(6)
        answers = await asyncio.gather(recorded(system, batch), recorded(system, batch[::-1]))
        require(answers[0] == answers[1][::-1], "Two calls at once answer differently for one entry")
        await oracle.require_held(batch)

    async def test_two_processes_at_once(
        self,
        bench: Bench,
        system: AccountingSystem,
        oracle: Oracle,
        entries: Entries,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """One process is stopped at many places of `record` while another records the same: each entry is there once.

        Where the bench says there may be one writer only, doubles are no failure; they are shown in the class of
        idempotency, which this test prints and compares with the table of adapters.
        """
        doubled = await _two_processes_double(bench, system, oracle, entries, self.stop_points)
        found = system.capabilities.can_find
        kind = Idempotency.NONE if not found else Idempotency.SEARCH if doubled else Idempotency.NATIVE_KEY
        with capsys.disabled():
            show(Row.of(bench, system.capabilities, kind.value))
        require(
            not doubled or bench.one_writer or not found,
            "Two processes at once wrote entries twice; let the books keep the key unique, or lock them while you"
            " write, or set one_writer on the bench if neither can be",
        )


async def _two_processes_double(
    bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries, points: int
) -> bool:
    """Whether any entry was written twice; everything else the books hold must be right."""
    doubled = False
    async with aclosing(_races(bench, entries, points)) as races:
        async for race in races:
            if race.second_failed and system.capabilities.can_find:
                await take_up(system, race.wanted)  # what both writers answered for must be there without this
            try:
                await oracle.require_held(race.wanted)
            except Unproven:
                held = [held.key for held in await bench.contents()]
                if not any(held.count(entry.key) > 1 for entry in race.wanted):
                    raise
                doubled = True
            await oracle.look()
    return doubled


@dataclass
class _Race:
    """What two writers record: `shared` both of them, `own` the second one alone."""

    shared: Sequence[Entry]
    own: Sequence[Entry]
    second_failed: bool = False

    @property
    def wanted(self) -> list[Entry]:
        return [*self.shared, *self.own]

    @asynccontextmanager
    async def second_writer(self, bench: Bench) -> AsyncIterator[None]:
        """Record while the first one is stopped; the block lets it go on, for which the second may have to wait."""
        async with opened(bench) as second:
            writing = asyncio.ensure_future(self._record(second))
            try:
                await asyncio.wait({writing}, timeout=BLOCKED_S)
                yield
            finally:
                await asyncio.wait_for(writing, CHILD_TIMEOUT_S)

    async def _record(self, second: AccountingSystem) -> None:
        try:
            await recorded(second, [*self.own, *self.shared[::-1]])
        except AccountingError:
            self.second_failed = True  # it may say that the books are busy


async def _races(bench: Bench, entries: Entries, points: int) -> AsyncGenerator[_Race]:
    """Two processes record, the first being stopped each time at another place while the other runs.

    Over HTTP that is before each of its requests in turn, else at lines of the adapter's code.
    """
    async with nursery() as children:
        if bench.proxy is not None:
            async with aclosing(_races_over_http(bench.proxy, children, bench, entries)) as races_over_http:
                async for race in races_over_http:
                    yield race
            return
        races = [_Race(entries.batch(3), entries.batch(1)) for _ in range(points + 2)]
        await children.start(orders(bench, "record", [race.shared for race in races], At.PAUSE))
        for race in races:
            told = await children.told()
            async with race.second_writer(bench):
                if "paused" in told:
                    await children.go_on()
                    told = await children.told()
            require("done" in told, f"record ended in a process of its own: {told.get('error')}")
            yield race
            await children.go_on()


async def _races_over_http(
    proxy: FaultProxy, children: Nursery, bench: Bench, entries: Entries
) -> AsyncGenerator[_Race]:
    for at in bench.requests(REQUESTS_MAX, 0):
        race = _Race(entries.batch(3), entries.batch(1))
        with proxy.fault(Fault.HOLD, at) as armed:
            first = asyncio.ensure_future(children.outcome(orders(bench, "record", [race.shared], At.NOTHING)))
            met = asyncio.ensure_future(asyncio.to_thread(armed.met.wait, CHILD_TIMEOUT_S))
            await asyncio.wait({first, met}, return_when=asyncio.FIRST_COMPLETED)
            async with race.second_writer(bench):
                armed.released.set()
                armed.met.set()  # also when the first one never came so far
                told, _ = (await asyncio.gather(first, met))[0]
            require(told and not told["error"], f"record ended in a process of its own: {told.get('error')}")
        yield race
        if not armed.happened:
            return
    raise Unproven(f"record makes {REQUESTS_MAX} requests for three entries and comes to no end")
