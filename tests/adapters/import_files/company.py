"""A German company's book in a temporary folder, entries of every shape for it, and the book's own word on them."""

import hashlib
import sqlite3
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from tallybook.accounting.entry import (
    Attachment,
    Dimension,
    Document,
    DocumentKind,
    Entry,
    EntryKey,
    Line,
    LineRole,
    PostingState,
    Recorded,
)
from tallybook.adapters.book import reference
from tallybook.adapters.book.database import opened
from tallybook.bookkeeping.details import details_of
from tallybook.bookkeeping.mapping import CodeMapping
from tallybook.import_files.system import FileBooks
from tallybook.money import Money
from tallybook.pleo.models import ExportItem

COMPANY = "3f2b8a52-6c1d-4a11-9c40-0a5ad5a1f001"
JOB = "0d5cbd2c-8f0e-4f53-8f5e-6b5a3a5b7c01"
NOW = datetime(2026, 11, 22, 13, 52, 1, 123456, tzinfo=UTC)

REFERENCE = """
[company]
name = "Müller & Søn GmbH"
[[accounts]]
code = "1361"
name = "Pleo-Geldbörse"
kind = "asset"
[[accounts]]
code = "1360"
name = "Geldtransit"
kind = "asset"
[[accounts]]
code = "1576"
name = "Vorsteuer 19 %"
kind = "asset"
[[accounts]]
code = "1577"
name = "Vorsteuer § 13b"
kind = "asset"
[[accounts]]
code = "1787"
name = "Umsatzsteuer § 13b"
kind = "liability"
[[accounts]]
code = "70001"
name = "Bäckerei Öl"
kind = "liability"
[[accounts]]
code = "4650"
name = "Bewirtung"
[[accounts]]
code = "4980"
name = "Betriebsbedarf; \\"sonstiger\\""
[[accounts]]
code = "3400"
name = "Wareneingang 19 % (Automatik)"

[[tax_codes]]
code = "V19"
ingoing_account = "1576"
[[tax_codes]]
code = "R19"
ingoing_account = "1577"
outgoing_account = "1787"
[[tax_codes]]
code = "V0"
[[tax_codes]]
code = "EUST"

[[tag_groups]]
code = "CC"
name = "Kostenstelle"
tags = [{ code = "100", name = "Vertrieb" }, "Zürich"]
[[tag_groups]]
code = "PROJ"
name = "Projekt"
tags = ["P/1"]

[[vendors]]
code = "V1"
name = "Bäckerei Öl"
account = "70001"
"""


class StillClock:
    """A clock that stands, but for who waits."""

    def __init__(self) -> None:
        self.waited_s = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic_s(self) -> float:
        return self.waited_s

    async def sleep(self, delay_s: float) -> None:
        self.waited_s += delay_s


def make_book(folder: Path, text: str = REFERENCE) -> Path:
    told = folder / "chart.toml"
    told.write_text(text, encoding="utf-8")
    path = folder / "book.sqlite"
    with opened(path, create=True) as file:
        reference.update(file, reference.read(told))
    return path


def item(entry_id: str, **fields: object) -> ExportItem:
    """What Pleo tells of an entry: its details are made of it as an export makes them."""
    nothing = {"currency": "EUR", "value": 0}
    amount = {"inSupplierCurrency": nothing, "inWalletCurrency": nothing}
    told = {
        "accountingEntryId": entry_id,
        "accountingEntryLines": [{"accountingEntryLineId": entry_id, "lineAmount": amount, "netAmount": amount}],
        "additionalInformation": {"reconciliationId": "R-1"},
        "amount": amount,
        "companyId": COMPANY,
        "date": NOW.isoformat(),
        "type": "card_purchase",
        "supplier": {"name": "Café Öl"},
    }
    return ExportItem.model_validate(told | fields)


@dataclass(frozen=True)
class Make:
    """Builds entries. The same name gives the same key."""

    currency: str = "EUR"

    def entry(
        self,
        name: str,
        *documents: Document,
        on: date = date(2026, 10, 14),
        note: str = "Lunch",
        paid: Money | None = None,
        **of_item: object,
    ) -> Entry:
        entry_id = str(uuid.uuid5(uuid.NAMESPACE_OID, name))
        return Entry(
            key=EntryKey(COMPANY, entry_id),
            content_hash="ab" * 32,
            documents=documents or (self.journal(self.cost(100_00)),),
            posting_on=on,
            original_on=on,
            posting=PostingState.DRAFT,
            details=details_of(item(entry_id, note=note, **of_item), paid, CodeMapping()),
        )

    def cost(self, amount_minor: int, account: str = "4650", code: str | None = None, *tags: Dimension) -> Line:
        return Line(account, amount_minor, LineRole.COST, code, dimensions=tags, text="")

    def taxed(self, net_minor: int, tax_minor: int, *tags: Dimension, account: str = "4650") -> list[Line]:
        cost = self.cost(net_minor, account, "V19", *tags)
        return [cost, Line("1576", tax_minor, LineRole.TAX_IN, "V19", net_minor)]

    def reverse(self, net_minor: int, tax_minor: int) -> list[Line]:
        return [
            self.cost(net_minor, "4980", "R19"),
            Line("1577", tax_minor, LineRole.TAX_IN, "R19", net_minor),
            Line("1787", -tax_minor, LineRole.TAX_OUT, "R19", net_minor),
        ]

    def journal(self, *lines: Line, against: str = "1361") -> Document:
        counter = Line(against, -sum(line.amount_minor for line in lines), LineRole.COUNTER)
        return Document(DocumentKind.JOURNAL_ENTRY, self.currency, (*lines, counter))

    def bill(self, *lines: Line, number: str = "RE-2026/17") -> Document:
        document = self.journal(*lines, against="70001")
        kind = DocumentKind.BILL if document.lines[-1].amount_minor < 0 else DocumentKind.CREDIT_NOTE
        return replace(
            document, kind=kind, vendor="V1", open_item_refs=(f"invoice:{number}",), invoice_number=number,
            invoice_on=date(2026, 10, 1), due_on=date(2026, 10, 31),
        )  # fmt: skip

    def payment(self, amount_minor: int, number: str = "RE-2026/17") -> Document:
        lines = (Line("70001", amount_minor, LineRole.COUNTER), Line("1361", -amount_minor, LineRole.COUNTER))
        refs = (f"invoice:{number}",)
        return Document(DocumentKind.PAYMENT, self.currency, lines, "V1", refs, number)

    def every_shape(self) -> list[Entry]:
        """One entry of every shape, in two months."""
        sales, zurich, project = Dimension("CC", "100"), Dimension("CC", "Zürich"), Dimension("PROJ", "P/1")
        named = {key: {"id": key, "name": name} for key, name in (("user", "Åsa"), ("team", "Vertrieb"))}
        moved = self.entry(
            "moved", self.journal(*self.taxed(200_00, 38_00)), on=date(2026, 11, 2), note="Hotel, 2\nnights",
            paid=Money(250_00, "USD"), **named,
        )  # fmt: skip
        return [
            self.entry("taxed", self.journal(*self.taxed(100_00, 19_00, sales, project))),
            self.entry("reverse", self.journal(*self.reverse(50_00, 9_50)), note="Cloud \u2013 \u201cserver\u201d"),
            self.entry(
                "split", self.journal(*self.taxed(10_00, 1_90, zurich), self.cost(5_55, "4980"), self.cost(-55, "4980"))
            ),
            self.entry("refund", self.journal(*self.taxed(-20_00, -3_80)), note='Refund; of "it"'),
            self.entry("bill", self.bill(*self.taxed(300_00, 57_00, sales)), self.payment(357_00)),
            self.entry("credit", self.bill(*self.taxed(-30_00, -5_70), number="GS-1"), note="Gutschrift"),
            self.entry(
                "topup",
                Document(
                    DocumentKind.JOURNAL_ENTRY,
                    self.currency,
                    (Line("1361", 1_000_00, LineRole.COUNTER), Line("1360", -1_000_00, LineRole.COUNTER)),
                ),
                note="Top-up",
            ),
            self.entry("zero", self.journal(self.cost(0)), note="Nothing"),
            replace(moved, original_on=date(2026, 9, 30)),
        ]  # fmt: skip


def receipt(folder: Path, content: bytes, position: int = 1, media_type: str = "application/pdf") -> Attachment:
    path = folder / f"receipt-{position}-{hashlib.sha256(content).hexdigest()[:8]}"
    path.write_bytes(content)
    return Attachment(position, path, media_type, hashlib.sha256(content).hexdigest(), len(content))


async def record(books: FileBooks, entries: Sequence[Entry]) -> list[Recorded]:
    """Record entries that must be taken."""
    answers = await books.record(entries)
    refused = [answer for answer in answers if not isinstance(answer, Recorded)]
    assert refused == []
    return [answer for answer in answers if isinstance(answer, Recorded)]


async def hand_over(books: FileBooks, entries: Sequence[Entry], job_id: str = JOB) -> list[Recorded]:
    """Record, settle and hand over entries, as a job does."""
    recorded = await record(books, entries)
    assert await books.settle(recorded) == []
    await books.finish(COMPANY, job_id)
    return recorded


def files_in(folder: Path, pattern: str) -> list[Path]:
    """Files anywhere below a folder, sorted."""
    return sorted(folder.rglob(pattern))


def in_book(path: Path) -> Mapping[str, Counter[str]]:
    """What the book moves on every account, by entry id: read with SQLite alone."""
    sums: dict[str, Counter[str]] = {}
    with closing(sqlite3.connect(path)) as connection:
        for entry_id, account, amount in connection.execute(
            "SELECT e.entry_id, l.account, SUM(l.amount_minor) FROM entries e JOIN documents d ON d.entry = e.id"
            " JOIN lines l ON l.document = d.id GROUP BY 1, 2 HAVING SUM(l.amount_minor) <> 0"
        ):
            sums.setdefault(entry_id, Counter())[account] = amount
    return sums
