"""A bench for the embedded book: its content is read with plain SQL from its file."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

from tallybook.accounting.entry import Dimension, DocumentKind, EntryKey, PostingState
from tallybook.accounting.errors import AccountingSettingInvalid, AccountingUnreachable
from tallybook.accounting.system import Adapter
from tallybook.adapters.book import ADAPTER, reference
from tallybook.adapters.book.database import opened
from tallybook.testkit.bench import Bench, TrialCompany, Unready
from tallybook.testkit.content import Held, HeldDocument, HeldLine

PAGE = Path(__file__).resolve().parents[3] / "docs" / "adapters.md"
REFERENCE = """
accounts = [
  { code = "1920", name = "Wallet", kind = "asset" },
  { code = "2440", name = "Payable", kind = "liability" },
  { code = "2640", name = "Input tax", kind = "asset" },
  { code = "2614", name = "Output tax", kind = "liability" },
  { code = "6071", name = "Meals" },
  { code = "5410", name = "Tools" },
  { code = "9999", name = "Given up", open = false },
]
tax_codes = [{ code = "25", ingoing_account = "2640", outgoing_account = "2614" }]
tag_groups = [{ code = "Cost Centre", tags = ["100", "Zürich"] }, { code = "project", tags = ["P/1"] }]
vendors = [{ code = "V1", name = "Bäckerei" }, { code = "V2", blocked = true }]
closed_periods = [{ from_on = 2025-01-01, to_on = 2025-01-31 }]
[company]
name = "Trial AB"
"""
COMPANY = TrialCompany(
    company_id="3f2b8a52-6c1d-4a11-9c40-0a5ad5a1f001",
    currency="EUR",
    cost_accounts=("6071", "5410"),
    wallet_account="1920",
    payable_account="2440",
    open_on=date(2026, 2, 3),
    closed_on=date(2025, 1, 31),
    tax_code="25",
    tax_in_account="2640",
    tax_out_account="2614",
    dimensions=(Dimension("cost centre", "zürich"), Dimension("project", "P/1")),
    vendor="V1",
    blocked_vendor="V2",
    closed_account="9999",
    other_currency="JPY",
)


@dataclass(kw_only=True)
class BookBench(Bench):
    """A book in a folder."""

    path: Path

    async def contents(self) -> Sequence[Held]:
        """Every entry of the book, by plain SQL."""
        with closing(sqlite3.connect(self.path)) as connection:
            documents = _documents(connection)
            files = defaultdict(list)
            for entry, digest in connection.execute("SELECT entry, sha256 FROM attachments"):
                content = (self.path.with_name(self.path.name + ".files") / digest[:2] / digest).read_bytes()
                files[entry].append(sha256(content).hexdigest())
            return [
                Held(
                    key=EntryKey(company_id, entry_id),
                    posting_on=date.fromisoformat(posting_on),
                    documents=documents[row],
                    state=PostingState(state),
                    files=tuple(sorted(files[row])),
                )
                for row, company_id, entry_id, posting_on, state in connection.execute(
                    "SELECT id, company_id, entry_id, posting_on, state FROM entries"
                )
            ]

    async def close_period(self, on: date) -> bool:
        """Close one day."""
        with self._changing() as connection:
            connection.execute("INSERT INTO closed_periods VALUES (?, ?)", (on.isoformat(), on.isoformat()))
        return True

    async def reopen_period(self, on: date) -> None:
        """Open it again."""
        with self._changing() as connection:
            connection.execute("DELETE FROM closed_periods WHERE from_on = ?", (on.isoformat(),))

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            yield connection


def _documents(connection: sqlite3.Connection) -> dict[int, tuple[HeldDocument, ...]]:
    lines: dict[int, list[HeldLine]] = defaultdict(list)
    for document, account, amount_minor, tax_code, dimensions in connection.execute(
        "SELECT document, account, amount_minor, tax_code, (SELECT json_group_array(json_array(dimension, value))"
        " FROM line_dimensions d WHERE d.document = l.document AND d.line = l.position) FROM lines l"
    ):
        pairs = frozenset((group, code) for group, code in json.loads(dimensions))
        lines[document].append(HeldLine(account, amount_minor, tax_code, pairs))
    documents: dict[int, tuple[HeldDocument, ...]] = defaultdict(tuple)
    for row, entry, kind, currency, vendor, invoice_number in connection.execute(
        "SELECT id, entry, kind, currency, vendor, invoice_number FROM documents ORDER BY position"
    ):
        documents[entry] += (HeldDocument(DocumentKind(kind), currency, tuple(lines[row]), vendor, invoice_number),)
    return documents


def book_bench(folder: Path, adapter: Adapter = ADAPTER) -> BookBench:
    """Make a new book in a folder, and the bench for it."""
    path, written = folder / "trial.tallybook", folder / "reference.toml"
    written.write_text(REFERENCE, encoding="utf-8")
    with opened(path, create=True) as file:
        reference.update(file, reference.read(written))
    no_book = folder / "no.tallybook"
    no_book.write_bytes(b"this is no SQLite file, and long enough to be read as one" * 20)
    settings = {"path": str(path), "lock_timeout_s": 5}
    return BookBench(
        adapter=adapter,
        settings=settings,
        company=COMPANY,
        path=path,
        page=PAGE if adapter is ADAPTER else None,
        unready=[
            Unready("no book", {"path": str(folder / "nowhere.tallybook")}, AccountingUnreachable),
            Unready("not a book", {"path": str(no_book)}, AccountingSettingInvalid),
            Unready("another company's", {**settings, "company_id": "another"}, AccountingSettingInvalid),
        ],
    )
