import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tallybook.accounting.entry import Recorded
from tallybook.accounting.errors import (
    AccountingError,
    AccountingNotAuthorized,
    AccountingSettingInvalid,
    AccountingSettingMissing,
    AccountingTimeout,
    AccountingUnreachable,
)
from tallybook.accounting.system import Need
from tallybook.adapters.book import ADAPTER, reference
from tallybook.adapters.book.database import BookFile, opened, translated
from tallybook.adapters.book.schema import MIGRATIONS
from tallybook.adapters.book.system import Book
from tallybook.errors import SettingsError

NEED = Need(company_id="c", accounts_payable=True, attachments=True, posted=True)


async def _check(path: Path, **settings: object) -> None:
    book = ADAPTER.open({"path": str(path), "lock_timeout_s": 0.05, **settings})
    try:
        await book.check_ready(NEED)
    finally:
        await book.aclose()


async def test_ready(book_path: Path, stranger: sqlite3.Connection) -> None:
    """A book with accounts is ready, and looking does not change it."""
    before = list(stranger.iterdump())
    await _check(book_path)
    assert list(stranger.iterdump()) == before


async def test_safe_by_pragma(book: Book) -> None:
    """The book is open with a write-ahead log, full synchronisation and foreign keys."""
    await book.check_ready(NEED)
    found = await book._run(
        lambda file: [file.value(f"PRAGMA {p}") for p in ("journal_mode", "synchronous", "foreign_keys")]
    )
    assert found == ["wal", 2, 1]


async def test_close_twice(book: Book) -> None:
    """Giving the book back a second time changes nothing."""
    await book.aclose()
    await book.aclose()


async def test_other_company(book_path: Path) -> None:
    """A book that is bound to a company refuses another's job."""
    await _check(book_path, company_id="c")
    with pytest.raises(AccountingSettingInvalid, match="belongs to the company d"):
        await _check(book_path, company_id="d")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _nothing(path: Path) -> None:
    """There is no file."""


def _text(path: Path) -> None:
    path.write_text("These are not the books you are looking for. " * 50)


def _empty(path: Path) -> None:
    path.touch()


def _other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (name)")


def _folder(path: Path) -> None:
    path.mkdir()


def _no_accounts(path: Path) -> None:
    with opened(path, create=True):
        pass


def _newer(path: Path) -> None:
    _no_accounts(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def _damaged(path: Path) -> None:
    _no_accounts(path)
    content = bytearray(path.read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("prepare", "error", "words"),
    [
        (_nothing, AccountingUnreachable, "tallybook book init"),
        (_text, AccountingSettingInvalid, "no SQLite file"),
        (_empty, AccountingUnreachable, "is empty"),
        (_other_database, AccountingSettingInvalid, "no Tallybook book"),
        (_folder, AccountingUnreachable, "cannot be opened"),
        (_no_accounts, AccountingSettingMissing, "no open account"),
        (_newer, AccountingSettingInvalid, "newer Tallybook"),
        (_damaged, AccountingUnreachable, "damaged"),
    ],
)
async def test_file_in_no_condition(tmp_path: Path, prepare: Any, error: type[Exception], words: str) -> None:
    """Whatever is wrong with the file is said in words, with its path, by the right error."""
    path = tmp_path / "some.book"
    prepare(path)
    with pytest.raises(AccountingError, match=words) as raised:
        await _check(path)
    assert type(raised.value) is error
    assert str(path) in str(raised.value)


async def test_odd_path(tmp_path: Path, reference_file: Path) -> None:
    """A path that would mean something else in an address is just a path."""
    path = tmp_path / "a ?mode=memory#% b\\.book"
    with opened(path, create=True) as file:
        reference.update(file, reference.read(reference_file))
    await _check(path)
    assert _names(tmp_path) == sorted([path.name, "reference.toml"])


async def test_locked(book_path: Path, stranger: sqlite3.Connection, make: Any) -> None:
    """While another program keeps the book locked, calls end in words after the time allowed, and work afterwards."""
    book = ADAPTER.open({"path": str(book_path), "lock_timeout_s": 0.05})
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(AccountingTimeout, match="locked by another program"):
        await book.check_ready(NEED)
    with pytest.raises(AccountingTimeout):
        await book.record([make.entry()])
    stranger.execute("ROLLBACK")
    (answer,) = await book.record([make.entry()])
    await book.aclose()
    assert isinstance(answer, Recorded)


async def test_full_disk(book: Book, make: Any) -> None:
    """On a full disk a call fails in words, as a whole, and the book works on when there is room again."""
    (first,) = await book.record([make.entry()])

    def allow_pages(count: int) -> None:
        assert book._file is not None
        book._file.execute(f"PRAGMA max_page_count = {count}").fetchall()

    await book._run(lambda _: allow_pages(1))  # SQLite rounds up to the size the file has now
    entries = make.batch(100, "full")
    with pytest.raises(AccountingUnreachable, match="disk is full"):
        await book.record(entries)
    await book._run(lambda _: allow_pages(1_000_000))
    assert await book.find([entry.key for entry in entries]) == {}
    answers = await book.record(entries)
    assert all(isinstance(answer, Recorded) for answer in answers)
    assert isinstance(first, Recorded)


def test_read_only(book_path: Path) -> None:
    """A book that cannot be written is a missing right, in words."""
    with (
        closing(sqlite3.connect(f"{book_path.as_uri()}?mode=ro", uri=True)) as connection,
        pytest.raises(AccountingNotAuthorized, match="cannot be written"),
        translated(book_path),
    ):
        connection.execute("DELETE FROM company")


def test_older_file_is_moved_on(book_path: Path) -> None:
    """A file of an older schema is brought forward when it is opened, once, with what it holds."""
    steps: list[str] = []

    def add_note(connection: sqlite3.Connection) -> None:
        steps.append("moved")
        connection.execute("ALTER TABLE company ADD COLUMN note TEXT")

    for _ in range(2):
        file = BookFile(book_path, migrations=(*MIGRATIONS, add_note))
        assert file.value("SELECT count(*) FROM accounts WHERE code = '6071'") == 1
        assert file.value("SELECT note FROM company") is None
        file.close()
    assert steps == ["moved"]
    with pytest.raises(AccountingSettingInvalid, match="newer"):
        BookFile(book_path)


def test_failed_move_changes_nothing(book_path: Path) -> None:
    """A move to a newer schema that fails leaves the file as it was."""

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE numbering")
        connection.execute("SELECT nonsense")

    with pytest.raises(AccountingUnreachable, match="nonsense"):
        BookFile(book_path, migrations=(*MIGRATIONS, fail))
    with opened(book_path) as file:
        assert file.value("SELECT count(*) FROM numbering") == 0


def test_everything_wrong_at_once() -> None:
    """Settings are refused with one sentence each, and the nearest known name for an unknown one."""
    with pytest.raises(SettingsError) as raised:
        ADAPTER.open({"paths": "x", "lock_timeout_s": "soon", "view_url": "ftp://x"})
    assert [problem.split(" (")[0] for problem in raised.value.problems] == [
        "books.book.path is missing",
        "books.book.view_url: string should match pattern '^https?://[^\\s?#]+$'",
        "books.book.lock_timeout_s: input should be a valid number, unable to parse string as a number",
        "books.book.paths is unknown; did you mean path?",
    ]


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_path_must_name_a_file(path: str) -> None:
    """An empty path, or one no system has, is refused."""
    with pytest.raises(SettingsError, match=r"books\.book\.path"):
        ADAPTER.open({"path": path})


@pytest.mark.parametrize("text", ["yesterday", "", "0001-01-01T00:00:00+14:00", "2026-02-31T00:00:00+00:00"])
async def test_an_instant_nobody_can_read(book: Book, make: Any, stranger: sqlite3.Connection, text: str) -> None:
    """Another program wrote into a draft: the book says which entry is damaged, in words."""
    entry = make.entry()
    await book.record([entry])
    stranger.execute("UPDATE entries SET recorded_at = ?", (text,))
    with pytest.raises(AccountingUnreachable, match="000001"):
        await book.find([entry.key])


async def test_company_in_capitals(book_path: Path) -> None:
    """Ids are compared without regard to case, as Pleo shows them in both."""
    await _check(book_path, company_id="C")
