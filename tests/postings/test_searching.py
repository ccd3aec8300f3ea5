"""Searching for entries that may be in the books, past what the console and the command line show of it."""

from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from tallybook.accounting.entry import EntryKey
from tallybook.clock import SystemClock
from tallybook.postings.journal import Journal
from tallybook.postings.posting import JournalState, Posting
from tallybook.postings.searching import search
from tallybook.postings.writing import EntryWriter
from tests.postings.daybook import Daybook

KEY = EntryKey("3f2b8a52-6c1d-4a11-9c40-0a5ad5a1f001", "00000001-0000-4000-8000-000000000000")


async def test_books_that_cannot_be_asked_are_not(connections: sa.Engine, tmp_path: Path) -> None:
    """A person has to look; that nothing was found is not said."""
    writer = EntryWriter(Daybook(tmp_path / "daybook"), Journal(connections), "daybook", "job", SystemClock())
    at = datetime(2026, 3, 1, tzinfo=UTC)
    posting = Posting(KEY, JournalState.UNCERTAIN, "daybook", "job", "0" * 64, at)
    found = (await search(writer, [posting]))[KEY]
    assert found.standing is None
    assert "look for it by hand in daybook" in (found.inconclusive or "")
    assert found.told() == "cannot be told"
