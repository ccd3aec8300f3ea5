"""What a format of import files says of itself: which entries it can hold, and how a set of them is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from tallybook.accounting.entry import Entry
from tallybook.accounting.handover import Booked, ImportSet, Names, Period


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file an entry stands: `first_row` counts the lines of the file from 1."""

    file: str
    first_row: int
    rows: int


class SetWriter(Protocol):
    """The files of one set while they are written; blocks, so it runs in a thread."""

    def add(self, booked: Booked) -> Sequence[Place]:
        """Write an entry and say where its rows stand; an entry that moves nothing may have none."""

    def close(self) -> None:
        """End the files; they are whole then. Repeat: safe."""


class Format(Protocol):
    """A format of import files."""

    name: str  # as in `[books.NAME]`

    def period_of(self, posting_on: date) -> Period:
        """Say which set a posting date belongs to. Repeat: safe."""

    def check_books(self, names: Names) -> None:
        """Find out whether a book can be written in this format at all.

        Repeat: safe.
        Raises:
            AccountingSettingMissing, AccountingSettingInvalid: what is wrong and where to mend it.
        """

    def check(self, entry: Entry) -> None:
        """Find out whether an entry can be written; one the book would refuse may pass.

        Repeat: safe.
        Raises:
            EntryRefused: the leaf says what is wrong, with the value, and where to mend it.
        """

    def writer(self, folder: Path, made: ImportSet, names: Names) -> SetWriter:
        """Begin the files of a set in a folder."""

    def receipts_index(self, receipts: Sequence["Receipt"], made: ImportSet) -> tuple[str, bytes] | None:
        """Name and content of a file that goes into a zip with these receipts; None if there is none."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt in a zip: `name` is unique in the set."""

    entry_id: str
    name: str


def month_of(day: date) -> Period:
    """Give the calendar month of a day."""
    first = day.replace(day=1)
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return Period(f"{day:%Y-%m}", first, date.fromordinal(following.toordinal() - 1))


def year_of(day: date, begins: int = 1) -> Period:
    """Give the year of a day that begins with a month; it is named after the year it begins in."""
    year = day.year - (1 if day.month < begins else 0)
    following = date(year + 1, begins, 1)
    return Period(f"{year:04d}", date(year, begins, 1), date.fromordinal(following.toordinal() - 1))
