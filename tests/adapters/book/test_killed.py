"""Killed processes and processes side by side: entries travel to the child as a pickle, answers come back as lines."""

import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tallybook.accounting.entry import Recorded
from tallybook.adapters.book.system import Book

CHILD = """
import asyncio, os, pickle, signal, sys
from tallybook.adapters.book import ADAPTER

async def main(path, batches, kill_at):
    book = ADAPTER.open({"path": path})
    await book.find([])
    if kill_at:
        def watch(statement):
            if statement.lstrip().startswith(kill_at):
                os.kill(os.getpid(), signal.SIGKILL)
        await book._run(lambda file: file.connection.set_trace_callback(watch))
    sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.buffer.read(1)
    for batch in batches:
        for answer in await book.record(batch):
            sys.stdout.write(answer.key.entry_id + " " + answer.external_id + "\\n")
    await book.aclose()

asyncio.run(main(*pickle.load(sys.stdin.buffer)))
"""


def _start(book_path: Path, batches: list[Any], kill_at: str = "") -> "subprocess.Popen[bytes]":
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(pickle.dumps((str(book_path), batches, kill_at)))
    child.stdin.flush()
    assert child.stdout.readline() == b"ready\n"
    return child


@pytest.mark.parametrize(
    "statement",
    ["SAVEPOINT", "INSERT INTO lines", "INSERT INTO entries", "INSERT INTO numbering", "RELEASE", "COMMIT"],
)
async def test_killed_while_recording(
    book: Book, book_path: Path, make: Any, stranger: sqlite3.Connection, statement: str
) -> None:
    """A process killed anywhere in a record leaves nothing of it, and the repeat completes it without a gap."""
    entries = make.batch(50, "killed")
    child = _start(book_path, [entries], statement)
    child.communicate(b"g", timeout=60)
    assert child.returncode == -9
    assert stranger.execute("SELECT (SELECT COUNT(*) FROM lines), (SELECT COUNT(*) FROM entries)").fetchone() == (0, 0)
    answers = [answer for answer in await book.record(entries) if isinstance(answer, Recorded)]
    assert [int(answer.external_id) for answer in answers] == list(range(1, 51))


async def test_killed_at_any_moment(book: Book, book_path: Path, make: Any, stranger: sqlite3.Connection) -> None:
    """A process killed from outside leaves whole batches only, and the repeat records each entry once."""
    batches = [make.batch(40, f"moment-{place}") for place in range(60)]
    child = _start(book_path, batches)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"g")
    child.stdin.flush()
    while stranger.execute("SELECT COUNT(*) FROM entries").fetchone()[0] < 200:
        assert child.poll() is None
    child.kill()
    child.communicate(timeout=60)
    (left,) = stranger.execute("SELECT COUNT(*) FROM entries").fetchone()
    assert left % 40 == 0
    for batch in batches:
        assert all(isinstance(answer, Recorded) for answer in await book.record(batch))
    counts = "SELECT COUNT(*), COUNT(DISTINCT entry_id), MAX(number) FROM entries"
    assert stranger.execute(counts).fetchone() == (2400, 2400, 2400)
    assert stranger.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_two_processes_at_once(book_path: Path, make: Any, stranger: sqlite3.Connection) -> None:
    """Two processes that record the same entries at once get the same numbers, and each entry is there once."""
    batches = [make.batch(10, f"both-{place}") for place in range(30)]
    children = [_start(book_path, order) for order in (batches, batches[::-1])]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"g")
        child.stdin.flush()
    answers = [sorted(child.communicate(timeout=120)[0].splitlines()) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 300
    assert stranger.execute("SELECT COUNT(*), MAX(number) FROM entries").fetchone() == (300, 300)
