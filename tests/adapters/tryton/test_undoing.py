"""Whole exports into a Tryton of their own: undone, and corrected, as `tallybook undo` and `tallybook run` do."""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio

from tallybook import demo
from tallybook.adapters.tryton import settings as tryton_settings
from tallybook.adapters.tryton.local import DATABASE
from tallybook.adapters.tryton.rpc import Session
from tallybook.adapters.tryton.settlements import Settlement, open_again
from tallybook.sandbox import server
from tests.adapters.tryton import trial
from tests.adapters.tryton.conftest import CACHE
from tests.flow.command import Command
from tests.flow.conftest import Stage
from tests.flow.test_tie_out import exported, tied_out
from tests.flow.undoing import looked, undone
from tests.postings.test_killed import change

WORLD = {"world": "demo", "items": 12, "seed": 1, "troubles": False}


@pytest_asyncio.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A sandbox with the demo's company, and a Tryton in a process of its own with its books."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE.parents[1]))
    with server.running(world="empty") as address:
        made = Stage(address, tmp_path)
        world = made.call("POST", "/worlds", WORLD)
        sandbox = cast("demo.Sandbox", SimpleNamespace(url=address.url))
        async with demo.books(made.place, sandbox, world, "tryton"):
            yield made
        made.http.close()


def ask(stage: Stage, sql: str) -> list[tuple[Any, ...]]:
    """Read Tryton's database with sqlite3."""
    with closing(sqlite3.connect(stage.place.tryton / f"{DATABASE}.sqlite", timeout=30)) as database:
        return database.execute(sql).fetchall()


@asynccontextmanager
async def session_of(stage: Stage) -> AsyncIterator[Session]:
    """Be somebody else at the same Tryton, for the length of a block."""
    session = Session(tryton_settings.read_settings(stage.settings().books.model_dump()["tryton"]))
    try:
        await session.enter()
        yield session
    finally:
        await session.aclose()


def balances(stage: Stage) -> dict[str, int]:
    """What every account holds, in cents."""
    found: dict[str, int] = defaultdict(int)
    for account, debit, credit in ask(
        stage, "SELECT a.code, l.debit, l.credit FROM account_move_line l JOIN account_account a ON a.id = l.account"
    ):
        found[account] += trial._minor(debit, 2) - trial._minor(credit, 2)
    return dict(found)


def owed_openly(stage: Stage) -> list[tuple[Any, ...]]:
    """Lines on payable accounts that nothing settles."""
    return ask(
        stage,
        "SELECT l.id FROM account_move_line l JOIN account_account a ON a.id = l.account"
        " JOIN account_account_type t ON t.id = a.type WHERE t.payable AND l.reconciliation IS NULL",
    )


async def test_a_job_is_undone_to_nothing_in_tryton(stage: Stage) -> None:
    """Bills, payments and entries: every account is at zero and nothing owed is open; undone again, nothing is done."""
    tallybook = Command(stage.folder)
    job = stage.press_export(vendor_based=True)
    (report,) = await asyncio.to_thread(stage.run, job)
    assert any(balances(stage).values())
    done = await asyncio.to_thread(undone, stage, job)
    assert len(done) == report.successful
    assert not [each.problem for each in done.values() if each.problem]
    assert set(balances(stage).values()) == {0}
    assert not owed_openly(stage)
    found = await asyncio.to_thread(tied_out, stage, job)
    assert {one.kind.value for one in found.differences} == {"reversed"}
    assert not any(each.books_minor for each in found.sums)
    async with session_of(stage) as session:  # as if it had been killed before it settled them
        lines = ask(stage, "SELECT id FROM account_move_line WHERE reconciliation IS NOT NULL")
        await open_again(session, Settlement([line for (line,) in lines]))
    assert owed_openly(stage)
    written = ask(stage, "SELECT COUNT(*) FROM account_move")
    again = await asyncio.to_thread(tallybook, "undo", job, "--yes")
    assert (again.code, "undone already, by account." in again.told) == (0, True)
    assert ask(stage, "SELECT COUNT(*) FROM account_move") == written
    assert not owed_openly(stage)
    stage.call("POST", "/exports", {"entryIds": list(done), "vendorBasedBookkeeping": True})
    (report,) = await asyncio.to_thread(stage.run)
    assert report.successful == len(done)
    assert any(balances(stage).values())


async def test_an_entry_that_was_changed_in_tryton_is_left_alone(stage: Stage) -> None:
    """With what differs: a draft whose cost a bookkeeper moved to another account."""
    stage.changes = {"books": {"posting": "draft"}}
    (entry,) = stage.add({})
    job = await asyncio.to_thread(exported, stage, entry)
    async with session_of(stage) as session:
        lines = await session.call(
            "model.account.move.line.search_read",
            [["move.description", "like", f"%{entry}%"]], 0, None, [["id", "ASC"]], ["account"],
        )  # fmt: skip
        await session.call("model.account.move.line.write", [lines[0]["id"]], {"account": lines[1]["account"]})
    found = (await asyncio.to_thread(looked, stage, job))[entry]
    assert found.reversal is None
    assert "altered in the books since it was written: account" in (found.refusal or "")
    assert (await asyncio.to_thread(undone, stage, job))[entry].problem == found.refusal


async def test_an_expense_that_changed_is_corrected_in_tryton(stage: Stage) -> None:
    """It is reversed and booked anew, both posted; each job ties out, and what it costs now is what the books hold."""
    stage.changes = {"books": {"on_changed": "correct"}}
    (entry,) = stage.add({})
    first = await asyncio.to_thread(exported, stage, entry)
    before = balances(stage)
    change(stage, entry, 17500)
    second = await asyncio.to_thread(exported, stage, entry)
    after = balances(stage)
    assert {account: cents * 7 // 4 for account, cents in before.items()} == after
    states = ask(stage, "SELECT state FROM account_move WHERE description LIKE '[tallybook %'")
    assert states == [("posted",)] * 3
    for job in (first, second):
        assert (await asyncio.to_thread(tied_out, stage, job)).ties_out
    (moves,) = ask(stage, "SELECT MAX(id) FROM account_move WHERE description LIKE '%(in place of account.move,%'")
    assert stage.outcomes()[entry]["externalId"] == f"account.move,{moves[0]}"
    undo = await asyncio.to_thread(undone, stage, second)
    assert undo[entry].problem is None
    assert set(balances(stage).values()) == {0}
