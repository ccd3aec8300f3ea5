"""Entries for the trial company, by the kit's own maker, and an adapter opened for a test."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tallybook.accounting.entry import Document, Entry, Recorded
from tallybook.accounting.system import Refused
from tallybook.adapters.tryton.local import Server
from tallybook.adapters.tryton.rpc import Session
from tallybook.adapters.tryton.settings import read_settings
from tallybook.adapters.tryton.system import Tryton, open_tryton
from tallybook.testkit.entries import Entries
from tests.adapters.tryton import trial

MAKE = Entries(trial.COMPANY)


@asynccontextmanager
async def opened(server: Server, **changes: Any) -> AsyncIterator[Tryton]:
    """Open the adapter for a running Tryton, for the length of a block."""
    books = open_tryton(trial.settings(server.url) | changes)
    try:
        yield books
    finally:
        await books.aclose()


@asynccontextmanager
async def stranger(server: Server) -> AsyncIterator[Session]:
    """Be somebody else at the same Tryton, for the length of a block."""
    session = Session(read_settings(trial.settings(server.url)))
    try:
        await session.enter()
        yield session
    finally:
        await session.aclose()


async def posted(books: Tryton, *documents: Document) -> Recorded:
    """Record an entry of these documents and post it."""
    return (await all_posted(books, [MAKE.entry(*documents)]))[0]


async def all_posted(books: Tryton, entries: Sequence[Entry]) -> list[Recorded]:
    """Record entries and post them, none of which may be refused."""
    there = all_recorded(await books.record(entries))
    return all_recorded(await books.post(there))


def all_recorded(answers: Sequence[Recorded | Refused]) -> list[Recorded]:
    """The answers, none of which may be a refusal."""
    assert not [answer.error for answer in answers if isinstance(answer, Refused)]
    return [answer for answer in answers if isinstance(answer, Recorded)]


def number(recorded: Recorded) -> int:
    """Tryton's id of the first document of an entry."""
    return int(recorded.external_id.partition(",")[2])
