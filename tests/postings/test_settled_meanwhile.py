"""A person's word about an entry that is being written at that moment: the end of the write says more."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from tallybook.accounting.entry import Details, Entry, EntryKey, PostingState, Recorded
from tallybook.accounting.errors import AccountingTimeout
from tallybook.accounting.system import Refused
from tallybook.clock import SystemClock
from tallybook.postings.journal import Journal
from tallybook.postings.posting import Booking, JournalState
from tallybook.postings.settling import settle
from tallybook.postings.writing import EntryWriter
from tests.postings.daybook import Daybook

KEY = EntryKey("3f2b8a52-6c1d-4a11-9c40-0a5ad5a1f001", "00000001-0000-4000-8000-000000000000")


class SettledDaybook(Daybook):
    """A daybook that takes an entry, during which somebody settles it, and whose answer may be lost."""

    def __init__(self, path: Path, journal: Journal, booked_as: str | None, *, lost: bool) -> None:
        super().__init__(path)
        self.journal, self.booked_as, self.lost = journal, booked_as, lost

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        answers = await super().record(entries)
        await settle(self.journal, KEY, booked_as=self.booked_as)
        if self.lost:
            raise AccountingTimeout("no answer")
        return answers


@pytest.mark.parametrize(
    ("booked_as", "lost", "state", "number"),
    [
        (None, True, JournalState.UNCERTAIN, None),
        (None, False, JournalState.RECORDED, "D1"),
        ("D1", True, JournalState.RECORDED, "D1"),
    ],
)
async def test_what_a_person_said_while_an_entry_was_written(
    connections: sa.Engine, tmp_path: Path, *, booked_as: str | None, lost: bool, state: JournalState, number: str
) -> None:
    """Not booked, and the answer is lost: uncertain again, or the next export would book it twice."""
    journal = Journal(connections, run="one")
    books = SettledDaybook(tmp_path / "daybook", journal, booked_as, lost=lost)
    on = date(2026, 3, 1)
    entry = Entry(KEY, "0" * 64, (), on, on, PostingState.DRAFT, Details("", "B-1", "card_purchase"))
    await EntryWriter(books, journal, "daybook", "job", SystemClock()).write([Booking(KEY, entry)], [])
    posting = (await journal.read([KEY]))[KEY]
    assert (posting.state, posting.external_id) == (state, number)
    assert len(books.rows()) == 1
