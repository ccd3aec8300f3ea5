"""What an export writes, read from the book in the order of the ledger, one document after the other."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from tallybook.adapters.book.database import BookFile
from tallybook.adapters.book.reading import external_id
from tallybook.adapters.book.texts import name_part

_ROOTS = {"asset": "Assets", "liability": "Liabilities", "equity": "Equity", "income": "Income", "expense": "Expenses"}


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    """An account under its code, and the name it has in a ledger."""

    code: str
    name: str
    ledger_name: str
    currency: str | None
    open: bool
    identifier: str | None


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A line; `dimensions` are (dimension, value) by their codes."""

    account: str
    amount_minor: int
    tax_code: str | None
    tax_base_minor: int | None
    text: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LedgerFile:
    """A receipt of an entry; `path` is where it stands in the exported folder, under its content's name."""

    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class LedgerDocument:
    """A document with what it shares with its entry; `files` stand with the first document of the entry alone.

    `settles` are the entry ids of the bills and credit notes it is tied to: its own, or those it pays.
    """

    company_id: str
    entry_id: str
    external_id: str
    posted: bool
    posting_on: str
    original_on: str
    kind: str
    currency: str
    vendor: str | None
    invoice_number: str | None
    invoice_on: str | None
    due_on: str | None
    sort: str
    description: str
    reference: str
    details: Mapping[str, Any]
    lines: tuple[LedgerLine, ...]
    settles: tuple[str, ...]
    corrects: str | None  # entry id of the one it reverses or replaces
    corrections: Mapping[str, str]  # "reverses", "reversed-by", "replaces", "replaced-by" -> number
    files: tuple[LedgerFile, ...] = field(default=())


_SUFFIXES = {
    "application/pdf": ".pdf",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/heic": ".heic",
    "image/tiff": ".tif",
}

_DOCUMENTS = """
SELECT d.id, d.position, e.company_id, e.entry_id, e.number, e.state, e.posting_on, e.original_on,
    d.kind, d.currency, d.vendor, d.invoice_number, d.invoice_on, d.due_on, e.sort, e.description, e.reference,
    e.details, CASE WHEN d.position = 1 THEN (
        SELECT json_group_array(json_array(position, sha256, media_type))
        FROM (SELECT * FROM attachments a WHERE a.entry = e.id ORDER BY a.position, a.sha256)
    ) ELSE '[]' END,
    CASE WHEN d.kind = 'journal_entry' THEN '[]' ELSE (
        SELECT json_group_array(entry_id) FROM (
            SELECT DISTINCT tied.entry_id FROM reconciliations r
            JOIN documents claim ON claim.id = r.document
            JOIN entries tied ON tied.id = claim.entry
            WHERE r.document = d.id OR r.payment = d.id
            GROUP BY r.document, r.payment HAVING SUM(r.amount_minor) <> 0
            ORDER BY tied.number
        )
    ) END, (
        SELECT json_group_array(json_array(word, number, of)) FROM (
            SELECT 'reversed-by' AS word, n.number AS number, NULL AS of
            FROM corrections c JOIN entries n ON n.id = c.reversal WHERE c.entry = e.id
            UNION ALL SELECT 'replaced-by', n.number, NULL
            FROM corrections c JOIN entries n ON n.company_id = e.company_id AND n.entry_id = c.replaced_by
            WHERE c.entry = e.id
            UNION ALL SELECT 'reverses', n.number, n.entry_id
            FROM corrections c JOIN entries n ON n.id = c.entry WHERE c.reversal = e.id
            UNION ALL SELECT 'replaces', n.number, n.entry_id
            FROM corrections c JOIN entries n ON n.id = c.entry AND n.company_id = e.company_id
            WHERE c.replaced_by = e.entry_id
        )
    )
FROM entries e JOIN documents d ON d.entry = e.id
WHERE e.posting_on BETWEEN :first AND :last
ORDER BY e.posting_on, e.company_id, e.number, d.position
"""

_LINES = """
SELECT d.id, l.account, l.amount_minor, l.tax_code, l.tax_base_minor, l.text, (
        SELECT json_group_array(json_array(code, value)) FROM (
            SELECT g.code AS code, v.code AS value FROM line_dimensions t
            JOIN dimensions g ON g.folded = t.dimension
            JOIN dimension_values v ON v.dimension = t.dimension AND v.folded = t.value
            WHERE t.document = l.document AND t.line = l.position
            ORDER BY t.dimension, t.value
        )
    )
FROM entries e JOIN documents d ON d.entry = e.id JOIN lines l ON l.document = d.id
WHERE e.posting_on BETWEEN :first AND :last
ORDER BY e.posting_on, e.company_id, e.number, d.position, l.position
"""


def accounts(file: BookFile) -> dict[str, LedgerAccount]:
    """Every account by its code, in the order of the codes."""
    return {
        code: LedgerAccount(
            code, name, f"{_ROOTS[kind]}:Account-{name_part(code)}", currency, bool(is_open), identifier
        )
        for code, name, kind, currency, is_open, identifier in file.execute(
            "SELECT code, name, kind, currency, open, identifier FROM accounts ORDER BY code"
        )
    }


def months(file: BookFile) -> list[str]:
    """The months with entries, such as '2026-01', in order."""
    return [
        month for (month,) in file.execute("SELECT DISTINCT substr(posting_on, 1, 7) FROM entries ORDER BY posting_on")
    ]


def documents(file: BookFile, month: str) -> Iterator[LedgerDocument]:
    """The documents of a month, by day, company and number."""
    span = {"first": f"{month}-01", "last": f"{month}-31"}
    lines = groupby(file.execute(_LINES, span), key=itemgetter(0))
    for row, (document, its_lines) in zip(file.execute(_DOCUMENTS, span), lines, strict=True):
        if row[0] != document:
            raise AssertionError(f"document {row[0]} has no lines")  # the file's rules make this impossible
        yield _document(month, row[2:], tuple(map(_line, its_lines)))


def _line(row: tuple[Any, ...]) -> LedgerLine:
    _, account, amount_minor, tax_code, tax_base_minor, text, dimensions = row
    pairs = tuple((code, value) for code, value in json.loads(dimensions))
    return LedgerLine(account, amount_minor, tax_code, tax_base_minor, text, pairs)


def _document(month: str, row: tuple[Any, ...], lines: tuple[LedgerLine, ...]) -> LedgerDocument:
    company_id, entry_id, number, state, posting_on, original_on, *plain, details, files, settles, corrections = row
    kind, currency, vendor, invoice_number, invoice_on, due_on, sort, description, reference = plain
    tied = json.loads(corrections)
    return LedgerDocument(
        company_id=company_id,
        entry_id=entry_id,
        external_id=external_id(number),
        posted=state == "posted",
        posting_on=posting_on,
        original_on=original_on,
        kind=kind,
        currency=currency,
        vendor=vendor,
        invoice_number=invoice_number,
        invoice_on=invoice_on,
        due_on=due_on,
        sort=sort,
        description=description,
        reference=reference,
        details=json.loads(details),
        lines=lines,
        settles=tuple(json.loads(settles)),
        corrects=next((of for _, _, of in tied if of is not None), None),
        corrections={word: external_id(other) for word, other, _ in tied},
        files=tuple(_file(month, number, *parts) for parts in json.loads(files)),
    )


def _file(month: str, number: int, position: int, sha256: str, media_type: str) -> LedgerFile:
    suffix = _SUFFIXES.get(media_type, ".bin")
    return LedgerFile(sha256, f"documents/{month}/{external_id(number)}-{position}-{sha256}{suffix}")


def files(file: BookFile) -> Iterator[LedgerFile]:
    """The receipts of all entries."""
    for row in file.execute(
        "SELECT substr(e.posting_on, 1, 7), e.number, a.position, a.sha256, a.media_type"
        " FROM attachments a JOIN entries e ON e.id = a.entry"
    ):
        yield _file(*row)
