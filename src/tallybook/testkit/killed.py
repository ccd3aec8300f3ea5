"""Proofs under SIGKILL: a process dies at many lines of the adapter's code, and nothing is lost or doubled."""

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tallybook.accounting.system import AccountingSystem
from tallybook.testkit.attachments import Files
from tallybook.testkit.bench import Bench
from tallybook.testkit.child import At, Orders
from tallybook.testkit.entries import Entries
from tallybook.testkit.oracle import Oracle, all_recorded, recorded, require_search, take_up
from tallybook.testkit.processes import Nursery, nursery, own_code
from tallybook.testkit.reversals import reversal, reversing, turned_around
from tallybook.testkit.verdict import require


class KilledProof:
    """A writer that is killed. `kill_points` is at how many lines, spread evenly over those a call takes."""

    kill_points = 12

    async def test_killed_while_recording(
        self, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A process killed anywhere in `record`, or before it could tell, leaves what the next one completes."""
        require_search(system)
        async with nursery() as children:
            batch = entries.batch(3)
            lines = await _lines_taken(children, bench, "record", batch)
            await oracle.require_held(batch)
            for line in spread(lines, self.kill_points):
                await oracle.look()
                batch = entries.batch(3)
                await _killed_at(children, bench, "record", batch, line, lines)
                async with opened(bench) as again:
                    await take_up(again, batch)
                await oracle.require_held(batch)

    async def test_killed_while_attaching(
        self, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """A process killed anywhere in `attach` leaves what a second `attach` completes, each file once."""
        async with nursery() as children:
            first, second = await recorded(system, entries.batch(2))
            pairs = [(first, files.pdf(1)), (first, files.pdf(2)), (second, files.pdf(1))]
            lines = await _lines_taken(children, bench, "attach", pairs)
            for line in spread(lines, self.kill_points):
                await oracle.look()
                batch = entries.batch(2)
                first, second = await recorded(system, batch)
                both = [files.pdf(1), files.pdf(2)]
                pairs = [(first, both[0]), (first, both[1]), (second, both[0])]
                await _killed_at(children, bench, "attach", pairs, line, lines)
                async with opened(bench) as again:
                    require(not await again.attach(pairs), "A good file was refused after a kill")
                await oracle.require_held(batch, files={first.key: both, second.key: both[:1]})

    async def test_killed_while_reversing(
        self, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A process killed anywhere in `reverse` leaves what a second `reverse` completes, and nothing is doubled."""
        books = reversing(system)
        async with nursery() as children:
            there = await recorded(books, entries.batch(2))
            reversals = [reversal(each, bench.company.open_on) for each in there]
            lines = await _lines_taken(children, bench, "reverse", reversals)
            for line in spread(lines, self.kill_points):
                await oracle.look()
                batch = entries.batch(2)
                there = await recorded(books, batch)
                reversals = [reversal(each, bench.company.open_on) for each in there]
                await _killed_at(children, bench, "reverse", reversals, line, lines)
                async with opened(bench) as again:
                    all_recorded(await reversing(again).reverse(reversals))
                turned = [turned_around(entry, each) for entry, each in zip(batch, reversals, strict=True)]
                await oracle.require_held([*batch, *turned])

    async def test_killed_while_posting(
        self, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A process killed anywhere in `post` leaves what a second `post` completes."""
        async with nursery() as children:
            lines = await _lines_taken(children, bench, "post", await recorded(system, entries.batch(2)))
            for line in spread(lines, self.kill_points):
                await oracle.look()
                batch = entries.batch(2)
                there = await recorded(system, batch)
                await _killed_at(children, bench, "post", there, line, lines)
                async with opened(bench) as again:
                    all_recorded(await again.post(there))
                await oracle.require_held(batch, posted=True)


def spread(lines: int, points: int) -> list[int]:
    """Lines to stop at: spread evenly over those a call takes, and 0, when the call has returned and told nobody."""
    return [*sorted({max(1, lines * place // points) for place in range(1, points)}), 0]


@asynccontextmanager
async def opened(bench: Bench) -> AsyncIterator[AccountingSystem]:
    """Books opened anew, for the length of a block."""
    system = bench.adapter.open(bench.settings)
    try:
        yield system
    finally:
        await system.aclose()


def orders(bench: Bench, method: str, calls: Sequence[Sequence[object]], then: At, line: int = 0) -> Orders:
    """What a child is to do on this bench."""
    code = own_code(bench.adapter.open, bench.own_code)
    return Orders(bench.adapter.open, bench.settings, method, calls, code, then, line)


async def _lines_taken(children: Nursery, bench: Bench, method: str, call: Sequence[object]) -> int:
    told, _ = await children.outcome(orders(bench, method, [call], At.NOTHING))
    lines: int = told.get("lines", 0)
    require(told and not told["error"], f"{method} ended in a process of its own with {told.get('error')}")
    require(lines, f"No line of {own_code(bench.adapter.open, bench.own_code)} was run; set the bench's own_code")
    return lines


async def _killed_at(
    children: Nursery, bench: Bench, method: str, call: Sequence[object], line: int, lines: int
) -> None:
    """Run to its death; a call that took fewer lines than the one that was counted ends by itself near its end."""
    told, ended = await children.outcome(orders(bench, method, [call], At.KILL, line))
    early = 0 < line <= lines // 2
    require(
        ended == -signal.SIGKILL or (told and not early),
        f"The process that was to be killed at line {line} of {lines} ended with {ended}",
    )
