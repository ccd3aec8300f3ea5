import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tallybook.accounting.system import Account, ClosedPeriod, TaxCode, Vendor
from tallybook.adapters.book import reference
from tallybook.adapters.book.database import opened
from tallybook.adapters.book.reading import closed_periods
from tallybook.adapters.book.system import Book
from tallybook.errors import SettingsError


def _read(tmp_path: Path, text: str) -> reference.Reference:
    path = tmp_path / "changes.toml"
    path.write_text(text, encoding="utf-8")
    return reference.read(path)


async def test_what_the_book_knows(book: Book) -> None:
    """The port's reference data is what the file said."""
    known = await book.reference_data()
    assert known.accounts is not None
    assert Account("1930", "", None, open=True, currency="SEK") in known.accounts
    assert Account("9999", "", open=False) in known.accounts
    assert known.tax_codes == [TaxCode("25", "", "2640", None)]
    assert known.dimensions == {"Cost Centre": frozenset({"100", "Zürich"}), "project": frozenset({"P/1"})}
    assert known.vendors == [Vendor("V1", "Bäckerei"), Vendor("V2", "", blocked=True)]
    assert known.closed_periods == [ClosedPeriod(date(2025, 1, 1), date(2025, 1, 31))]


def test_again_is_the_same(book_path: Path, reference_file: Path, stranger: sqlite3.Connection) -> None:
    """The same file a second time changes nothing."""
    before = list(stranger.iterdump())
    with opened(book_path) as file:
        reference.update(file, reference.read(reference_file))
    assert list(stranger.iterdump()) == before


async def test_update(book: Book, book_path: Path, tmp_path: Path) -> None:
    """A later file changes what it names and leaves what it does not; codes may be written as numbers."""
    changes = _read(
        tmp_path,
        '[[accounts]]\ncode = 6071\nname = "Food"\nopen = false\nkind = "income"\n'
        '[[vendors]]\ncode = "V2"\nname = "Freed"\naccount = "2440"\n',
    )
    with opened(book_path) as file:
        reference.update(file, changes)
    known = await book.reference_data()
    assert known.accounts is not None
    assert Account("6071", "Food", open=False) in known.accounts
    assert len(known.accounts) == 7
    assert known.vendors == [Vendor("V1", "Bäckerei"), Vendor("V2", "Freed", account="2440")]


def test_everything_wrong_at_once(tmp_path: Path) -> None:
    """A file is refused with one sentence for each thing wrong in it, with its place and the nearest known name."""
    with pytest.raises(SettingsError) as raised:
        _read(
            tmp_path,
            """
            account_list = 1
            [company]
            name = ""
            [[accounts]]
            names = "no code"
            [[accounts]]
            code = "1"
            kind = "expenses"
            currency = "EURO"
            open = "maybe"
            [[tag_groups]]
            code = "g"
            tags = ["ok", ""]
            [[vendors]]
            code = "a\\nb"
            [[closed_periods]]
            from_on = 2025-02-01
            to_on = 2025-01-01
            [[closed_periods]]
            from_on = 1066-10-14
            to_on = 2025-01-01
            """,
        )
    places = [problem.split(":")[0] for problem in raised.value.problems]
    assert places == [
        "company.name",
        "accounts[1].code is missing",
        "accounts[1].names is unknown; did you mean name?",
        "accounts[2].kind",
        "accounts[2].currency",
        "accounts[2].open",
        "tag_groups[1].tags[2].code",
        "vendors[1].code",
        "closed_periods[1].to_on",
        "closed_periods[2].to_on",
        "account_list is unknown; did you mean accounts?",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[accounts]]\ncode = "1"\n[[accounts]]\ncode = "1"', "accounts: the code '1' stands twice"),
        ('[[tag_groups]]\ncode = "A"\n[[tag_groups]]\ncode = "a"', "the code 'a' stands twice"),
        ('[[tag_groups]]\ncode = "A"\ntags = ["STRASSE", "straße"]', "'straße' stands twice"),
        ("[[accounts]\n", "not valid TOML"),
    ],
)
def test_contradictions_in_the_file(tmp_path: Path, text: str, words: str) -> None:
    """A code that stands twice is refused, in dimensions whatever its case, as is what is no TOML."""
    with pytest.raises(SettingsError, match=words):
        _read(tmp_path, text)


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_unreadable_file(tmp_path: Path, content: bytes | None) -> None:
    """A file that is not there or not UTF-8 is said in words."""
    path = tmp_path / "x.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"x\.toml"):
        reference.read(path)


async def test_contradictions_with_the_book(
    book: Book, book_path: Path, tmp_path: Path, make: Any, stranger: sqlite3.Connection
) -> None:
    """What contradicts the book is named, all of it, and then nothing of the file is taken."""
    await book.record([make.entry()])
    before = list(stranger.iterdump())
    changes = _read(
        tmp_path,
        '[[accounts]]\ncode = "new"\n[[accounts]]\ncode = "6071"\ncurrency = "SEK"\n'
        '[[tax_codes]]\ncode = "6"\ningoing_account = "nowhere"\n[[vendors]]\ncode = "V3"\naccount = "gone"\n'
        "[[closed_periods]]\nfrom_on = 2026-02-01\nto_on = 2026-02-28\n",
    )
    with opened(book_path) as file, pytest.raises(SettingsError) as raised:
        reference.update(file, changes)
    assert [problem.split(":")[0] for problem in raised.value.problems] == [
        "tax code 6",
        "vendor V3",
        "account 6071",
        "the period 2026-02-01 to 2026-02-28 cannot be closed",
    ]
    assert list(stranger.iterdump()) == before


@pytest.mark.parametrize(
    ("opened_days", "left"),
    [
        (("2025-01-01", "2025-01-31"), []),
        (("2024-01-01", "2026-01-01"), []),
        (("2025-01-10", "2025-01-20"), [("2025-01-01", "2025-01-09"), ("2025-01-21", "2025-01-31")]),
        (("2025-01-31", "2025-02-05"), [("2025-01-01", "2025-01-30")]),
        (("2024-12-01", "2025-01-01"), [("2025-01-02", "2025-01-31")]),
        (("2025-02-01", "2025-02-28"), [("2025-01-01", "2025-01-31")]),
    ],
)
def test_reopen(book_path: Path, opened_days: tuple[str, str], left: list[tuple[str, str]]) -> None:
    """Reopening frees exactly the days named; a second time changes nothing."""
    from_on, to_on = map(date.fromisoformat, opened_days)
    with opened(book_path) as file:
        for _ in range(2):
            reference.reopen(file, from_on, to_on)
            assert [(str(p.from_on), str(p.to_on)) for p in closed_periods(file)] == left
