"""A real book in a temporary folder, entries to record in it, and the programs that judge its export."""

import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tallybook.accounting.entry import (
    Details,
    Dimension,
    Document,
    DocumentKind,
    Entry,
    EntryKey,
    Line,
    LineRole,
    PostingState,
)
from tallybook.adapters.book import reference
from tallybook.adapters.book.database import opened
from tallybook.adapters.book.settings import read_settings
from tallybook.adapters.book.system import Book

COMPANY = "3f2b8a52-6c1d-4a11-9c40-0a5ad5a1f001"
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

REFERENCE = """
[company]
name = "ACME \\"Sverige\\" AB"

[[accounts]]
code = "1920"
name = "Wallet"
kind = "asset"
[[accounts]]
code = "2440"
name = "Payable"
kind = "liability"
[[accounts]]
code = "2640"
name = "Input tax"
kind = "asset"
[[accounts]]
code = "6071"
name = "Meals"
[[accounts]]
code = "6072/b c"
name = "Odd code"
[[accounts]]
code = "9999"
open = false
[[accounts]]
code = "1930"
kind = "asset"
currency = "SEK"

[[tax_codes]]
code = "25"
ingoing_account = "2640"

[[tag_groups]]
code = "Cost Centre"
tags = ["100", "Zürich"]
[[tag_groups]]
code = "project"
tags = [{ code = "P/1", name = "First" }]

[[vendors]]
code = "V1"
name = "Bäckerei"
[[vendors]]
code = "V2"
blocked = true

[[closed_periods]]
from_on = 2025-01-01
to_on = 2025-01-31
"""


class StillClock:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, delay_s: float) -> None:
        raise AssertionError(delay_s)


@dataclass(frozen=True)
class Make:
    """Builds entries; each has a key of its own unless one is given."""

    company_id: str = COMPANY

    def entry(self, *documents: Document, name: str | None = None, on: date = date(2026, 2, 3)) -> Entry:
        entry_id = uuid.uuid5(uuid.NAMESPACE_OID, name) if name else uuid.uuid4()
        return Entry(
            key=EntryKey(self.company_id, str(entry_id)),
            content_hash="ab" * 32,
            documents=documents or (self.purchase(1000),),
            posting_on=on,
            original_on=on,
            posting=PostingState.POSTED,
            details=Details(description="Lunch", reference="R-1", sort="card_purchase", supplier="Café"),
        )

    def batch(self, count: int, prefix: str) -> list[Entry]:
        return [self.entry(self.purchase(100 + n), name=f"{prefix}-{n}") for n in range(count)]

    def purchase(self, amount_minor: int, currency: str = "EUR", account: str = "6071") -> Document:
        tax = amount_minor // 5
        return Document(
            DocumentKind.JOURNAL_ENTRY,
            currency,
            (
                Line(
                    account,
                    amount_minor - tax,
                    LineRole.COST,
                    "25",
                    None,
                    (Dimension("COST centre", "zürich"),),
                    "soup",
                ),
                Line("2640", tax, LineRole.TAX_IN, "25", amount_minor - tax),
                Line("1920", -amount_minor, LineRole.COUNTER),
            ),
        )

    def bill(self, amount_minor: int, *refs: str, vendor: str | None = "V1", currency: str = "EUR") -> Document:
        kind = DocumentKind.BILL if amount_minor >= 0 else DocumentKind.CREDIT_NOTE
        lines = (Line("6071", amount_minor, LineRole.COST), Line("2440", -amount_minor, LineRole.COUNTER))
        return Document(kind, currency, lines, vendor, refs, "INV-1", date(2026, 2, 1), date(2026, 3, 1))

    def payment(self, amount_minor: int, *refs: str, vendor: str | None = "V1", currency: str = "EUR") -> Document:
        lines = (Line("2440", amount_minor, LineRole.COUNTER), Line("1920", -amount_minor, LineRole.COUNTER))
        return Document(DocumentKind.PAYMENT, currency, lines, vendor, refs)

    def line(self, **changes: Any) -> Entry:
        """Build an entry whose first line is changed."""
        document = self.purchase(1000)
        first = replace(document.lines[0], **changes)
        return self.entry(replace(document, lines=(first, *document.lines[1:])))


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture
def reference_file(tmp_path: Path) -> Path:
    path = tmp_path / "reference.toml"
    path.write_text(REFERENCE, encoding="utf-8")
    return path


@pytest.fixture
def book_path(tmp_path: Path, reference_file: Path) -> Path:
    """Create a book with the reference data above."""
    path = tmp_path / "company.tallybook"
    with opened(path, create=True) as file:
        reference.update(file, reference.read(reference_file))
    return path


@pytest.fixture
async def book(book_path: Path) -> AsyncIterator[Book]:
    opened_book = Book(read_settings({"path": str(book_path), "lock_timeout_s": 5}), StillClock())
    yield opened_book
    await opened_book.aclose()


@pytest.fixture
def stranger(book_path: Path) -> Iterator[sqlite3.Connection]:
    """Another program at the book's file, with SQLite's defaults: it does not even check foreign keys."""
    with closing(sqlite3.connect(book_path, isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def program() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program that is installed beside this Python, or hledger."""

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
        assert found, f"{name} is not installed"
        return subprocess.run(
            [found, *map(str, arguments)], check=False, capture_output=True, text=True, encoding="utf-8", timeout=120
        )

    return run
