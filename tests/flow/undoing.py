"""Undoing as the tests do it: looked at, agreed to, and killed at any point."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date

from tallybook import app, undo
from tallybook.undo import Undoing, Undone
from tests.flow.conftest import Stage


def looked(stage: Stage, target: str, on: date | None = None) -> dict[str, Undoing]:
    """What undoing would do, by entry id."""

    async def look() -> list[Undoing]:
        async with app.onlooker(stage.settings(), clock=stage.clock) as company:
            return await undo.look(company, target, on=on)

    return {each.entry_id: each for each in asyncio.run(look())}


def undone(stage: Stage, target: str, on: date | None = None) -> dict[str, Undone]:
    """Undo what may be, as somebody who agrees to everything; by entry id."""
    agreed = {each.reversal.key for each in looked(stage, target, on).values() if each.reversal is not None}

    async def undo_it() -> list[Undone]:
        async with app.company(stage.settings(), clock=stage.clock) as company:
            return await undo.undo(company, target, agreed, on=on)

    return {each.entry_id: each for each in asyncio.run(undo_it())}


def rows(stage: Stage) -> list[tuple[str, str]]:
    """State and day of every entry in the book, by number."""
    with closing(sqlite3.connect(stage.place.book)) as book:
        return book.execute("SELECT state, posting_on FROM entries ORDER BY number").fetchall()


_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from tallybook import app, settings, undo
from tallybook.engine.guard import GuardedBooks
from tallybook.postings.journal import Journal

def die():
    os.kill(os.getpid(), signal.SIGKILL)

point, config, target = sys.argv[1:]
room, name = {"claim": (Journal, "claim"), "note": (Journal, "write")}.get(
    point.split()[1], (GuardedBooks, point.split()[1])
)
made = getattr(room, name)

async def dying(self, *args):
    if point.startswith("before"):
        die()
    await made(self, *args)
    die()

setattr(room, name, dying)

async def main():
    chosen = settings.load(Path(config), {})
    if not target:
        async with app.company(chosen) as company:
            await app.export_pending(company)
    async with app.onlooker(chosen) as company:
        agreed = {each.reversal.key for each in await undo.look(company, target)}
    async with app.company(chosen) as company:
        await undo.undo(company, target, agreed)

asyncio.run(main())
"""


def killed(stage: Stage, point: str, target: str = "") -> None:
    """Undo, or without a target export what is pending, in a process that dies before or after a call of this name."""
    stage.settings()
    died = subprocess.run(
        [sys.executable, "-c", _KILLED, point, stage.folder / "changed.toml", target],
        check=False,
        timeout=60,
        cwd=stage.folder,
        capture_output=True,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
