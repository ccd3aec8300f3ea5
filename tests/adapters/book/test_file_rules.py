import sqlite3
from datetime import date
from typing import Any

import pytest

from tallybook.accounting.entry import Recorded
from tallybook.adapters.book.system import Book

REFUSED_OF_POSTED = [
    ("UPDATE entries SET state = 'draft'", "ENTRY_POSTED"),
    ("UPDATE entries SET description = 'x'", "ENTRY_POSTED"),
    ("DELETE FROM entries", "ENTRY_POSTED"),
    ("DELETE FROM attachments", "ENTRY_POSTED"),
]
REFUSED_OF_ALL = [
    ("UPDATE lines SET amount_minor = amount_minor * 2", "DOCUMENT_SEALED"),
    ("UPDATE lines SET text = 'x' WHERE position = 1", "DOCUMENT_SEALED"),
    ("DELETE FROM lines", "DOCUMENT_SEALED"),
    ("INSERT INTO lines VALUES (1, 9, '6071', 1, 'cost', NULL, NULL, '')", "DOCUMENT_SEALED"),
    ("INSERT OR REPLACE INTO lines VALUES (1, 1, '6071', 1, 'cost', NULL, NULL, '')", "DOCUMENT_SEALED"),
    ("DELETE FROM line_dimensions", "DOCUMENT_SEALED"),
    ("UPDATE line_dimensions SET value = '100'", "DOCUMENT_SEALED"),
    ("INSERT INTO line_dimensions VALUES (1, 2, 'project', 'p/1')", "DOCUMENT_SEALED"),
    ("DELETE FROM documents", "ENTRY_SEALED"),
    ("UPDATE documents SET currency = 'JPY'", "DOCUMENT_SEALED"),
    ("INSERT OR REPLACE INTO documents SELECT * FROM documents WHERE id = 1", "_SEALED"),
    ("INSERT INTO entries SELECT * FROM entries", "ENTRY_EXISTS"),
    ("INSERT OR REPLACE INTO entries SELECT * FROM entries", "ENTRY_EXISTS"),
    ("UPDATE entries SET entry_id = 'x'", "ENTRY_"),
    ("UPDATE attachments SET position = 2", "ATTACHMENT_FIXED"),
]


async def _one_entry(book: Book, make: Any, stranger: sqlite3.Connection, *, posted: bool) -> None:
    (answer,) = await book.record([make.entry()])
    assert isinstance(answer, Recorded)
    stranger.execute("INSERT INTO attachments VALUES (1, 1, ?, 'application/pdf', 1)", ("a" * 64,))
    if posted:
        await book.post([answer])


@pytest.mark.parametrize(("sql", "code"), REFUSED_OF_POSTED + REFUSED_OF_ALL)
async def test_posted_entry_is_immutable(
    book: Book, make: Any, stranger: sqlite3.Connection, sql: str, code: str
) -> None:
    """No program can change or remove a posted entry or anything under it, foreign keys checked or not."""
    await _one_entry(book, make, stranger, posted=True)
    before = list(stranger.iterdump())
    with pytest.raises(sqlite3.IntegrityError, match=code):
        stranger.execute(sql)
    assert list(stranger.iterdump()) == before


@pytest.mark.parametrize(("sql", "code"), REFUSED_OF_ALL)
async def test_what_is_under_a_draft_is_fixed(
    book: Book, make: Any, stranger: sqlite3.Connection, sql: str, code: str
) -> None:
    """What is under a draft can be changed only after the entry was taken away."""
    await _one_entry(book, make, stranger, posted=False)
    with pytest.raises(sqlite3.IntegrityError, match=code):
        stranger.execute(sql)


async def test_a_draft_can_be_corrected(book: Book, make: Any, stranger: sqlite3.Connection) -> None:
    """A draft is corrected from the outside in: entry, document, line; and its number is not given again."""
    entry = make.entry()
    await book.record([entry])
    stranger.execute("DELETE FROM entries")
    stranger.execute("DELETE FROM documents")
    stranger.execute("DELETE FROM line_dimensions")
    stranger.execute("DELETE FROM lines")
    (again,) = await book.record([entry])
    assert isinstance(again, Recorded)
    assert again.external_id == "000002"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([("6071", 100), ("1920", -99)], "DOCUMENT_UNBALANCED"),
        ([("6071", 0)], "DOCUMENT_WITHOUT_LINES"),
        ([], "DOCUMENT_WITHOUT_LINES"),
        ([("1930", 100), ("1920", -100)], "ACCOUNT_CURRENCY"),
        ([("6071", 2**63 - 1), ("6071", 2**63 - 1), ("1920", -(2**63) + 1), ("1920", -(2**63) + 1)], "overflow"),
    ],
)
def test_unbalanced_document_cannot_exist(
    stranger: sqlite3.Connection, lines: list[tuple[str, int]], code: str
) -> None:
    """Nobody can bring a document into the file whose lines do not balance, foreign keys checked or not."""
    rows = [(1, place, account, amount) for place, (account, amount) in enumerate(lines)]
    stranger.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, 'cost', NULL, NULL, '')", rows)
    with pytest.raises(sqlite3.Error, match=code):
        stranger.execute("INSERT INTO documents VALUES (1, 1, 1, 'journal_entry', 'EUR', NULL, NULL, NULL, NULL)")


def test_entry_without_documents_cannot_exist(stranger: sqlite3.Connection) -> None:
    """Nobody can bring an empty entry into the file."""
    with pytest.raises(sqlite3.IntegrityError, match="ENTRY_WITHOUT_DOCUMENTS"):
        stranger.execute(
            "INSERT INTO entries VALUES"
            " (1, 'c', 'e', 1, 'h', 'draft', '2026-01-01', '2026-01-01', '', '', '', '', '{}')"
        )


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entries SET posting_on = '2025-01-15'",  # into a closed period
        "UPDATE entries SET description = 'x'",  # within the one closed below
        "UPDATE entries SET state = 'posted'",
        "UPDATE entries SET posting_on = '2026-05-05'",  # out of it
        "DELETE FROM entries",
    ],
)
async def test_closed_period(book: Book, make: Any, stranger: sqlite3.Connection, sql: str) -> None:
    """In a closed period the file refuses new entries, changes, removals, moves in or out, and posting."""
    await book.record([make.entry(on=date(2026, 2, 3))])
    if "2025" not in sql:
        stranger.execute("INSERT INTO closed_periods VALUES ('2026-02-01', '2026-02-28')")
    with pytest.raises(sqlite3.IntegrityError, match="PERIOD_CLOSED"):
        stranger.execute(sql)


async def test_new_entry_in_a_closed_period(book: Book, make: Any, stranger: sqlite3.Connection) -> None:
    """A new entry, made of rows that are in order otherwise, is refused in a closed period."""
    await book.record([make.entry()])
    stranger.executescript(
        "BEGIN;"
        "INSERT INTO lines SELECT 2, position, account, amount_minor, role, tax_code, tax_base_minor, text FROM lines;"
        "INSERT INTO documents SELECT 2, 2, position, kind, currency, vendor, NULL, NULL, NULL FROM documents;"
    )
    with pytest.raises(sqlite3.IntegrityError, match="PERIOD_CLOSED"):
        stranger.execute(
            "INSERT INTO entries SELECT 2, company_id, 'other', 2, '', 'draft', '2025-01-31', '', '', '', '', '', '{}'"
            " FROM entries"
        )


def test_accounts_must_exist(stranger: sqlite3.Connection) -> None:
    """With foreign keys checked, a line on an unknown account cannot be written, and a used account not removed."""
    stranger.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        stranger.execute("INSERT INTO lines VALUES (1, 1, 'nowhere', 1, 'cost', NULL, NULL, '')")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        stranger.execute("DELETE FROM accounts WHERE code = '2640'")


@pytest.mark.parametrize("day", ["2025-1-1", "2025-02-30", "1899-12-31", "2100-01-01", "", "tomorrow"])
def test_days_are_days(stranger: sqlite3.Connection, day: str) -> None:
    """A closed period's ends are days of the years a book holds."""
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        stranger.execute("INSERT INTO closed_periods VALUES (?, ?)", (day, day))


async def test_the_file_stays_sound(book: Book, make: Any, stranger: sqlite3.Connection) -> None:
    """After recording every kind of document SQLite finds the file sound and no reference dangling."""
    await book.record(
        [make.entry(make.bill(100, "a"), make.payment(100, "a")), make.entry(), make.entry(make.bill(-5))]
    )
    assert stranger.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert stranger.execute("PRAGMA foreign_key_check").fetchall() == []
