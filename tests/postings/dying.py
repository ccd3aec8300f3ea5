"""Exports what is pending, and kills its own process with SIGKILL at the point its command line names."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tallybook import app, settings
from tallybook.accounting.entry import Attachment, Entry, Recorded, Reversal
from tallybook.accounting.system import AccountingSystem, Refused
from tallybook.adapters.book.system import Book
from tallybook.outcome import JobReport
from tallybook.postings.journal import Journal
from tallybook.postings.posting import Posting
from tests.flow.conftest import HurriedClock
from tests.postings.daybook import Daybook

POINTS = ("before the intent", "after the intent", "half written", "written", "after the result")
CORRECTION_POINTS = ("after the intent", "before the reversal", "reversed", "written", "after the result")


@dataclass(frozen=True)
class _Death:
    point: str

    def here(self, point: str) -> None:
        if point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class DyingJournal(Journal):
    """The journal, with a death before or after a commit."""

    death: _Death = _Death("")

    async def claim(self, intents: Sequence[Posting]) -> None:
        self.death.here("before the intent")
        await Journal.claim(self, intents)
        self.death.here("after the intent")

    async def write(self, postings: Sequence[Posting]) -> set[object]:  # type: ignore[override]
        taken = await Journal.write(self, postings)
        if postings:
            self.death.here("after the result")
        return set(taken)


class DyingBooks:
    """An accounting system, with a death before, in or after its writing."""

    def __init__(self, books: AccountingSystem, death: _Death) -> None:
        self.capabilities = books.capabilities
        self.check_ready, self.reference_data, self.find = books.check_ready, books.reference_data, books.find
        self.post, self.aclose = books.post, books.aclose
        self.books, self.death = books, death

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        if self.death.point == "half written":
            await self.books.record(entries[: len(entries) // 2])
            self.death.here("half written")
        answers = await self.books.record(entries)
        self.death.here("written")
        return answers

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        return await self.books.attach(files)

    async def reverse(self, reversals: Sequence[Reversal]) -> Sequence[Recorded | Refused]:
        assert isinstance(self.books, Book)
        if reversals:
            self.death.here("before the reversal")
        answers = await self.books.reverse(reversals)
        if reversals:
            self.death.here("reversed")
        return answers

    async def rehearse(self, entries: Sequence[Entry]) -> Sequence[Refused]:
        assert isinstance(self.books, Book)
        return await self.books.rehearse(entries)

    async def rehearse_reversals(self, reversals: Sequence[Reversal]) -> Sequence[Refused]:
        assert isinstance(self.books, Book)
        return await self.books.rehearse_reversals(reversals)


async def export(config: Path, kind: str, point: str = "") -> list[JobReport]:
    """Export what is pending with the embedded book ("book") or a daybook beside it ("daybook")."""
    death = _Death(point)
    async with app.company(settings.load(config, {}), clock=HurriedClock()) as company:
        books: AccountingSystem = app.open_books(settings.load(config, {}))
        name = company.books_name
        if kind == "daybook":
            await books.aclose()
            books = Daybook(config.parent / "daybook.jsonl")
            name = f"daybook:{books.capabilities.identity}"
        try:
            dying = replace(
                company,
                books=DyingBooks(books, death),
                books_name=name,
                journal=DyingJournal(company.journal.connections, run=f"process {os.getpid()}", death=death),
            )
            return await app.export_pending(dying)
        finally:
            await books.aclose()


if __name__ == "__main__":
    asyncio.run(export(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
