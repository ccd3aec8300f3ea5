"""The book's account of what was handed over to which system in import files, and entries given back for them."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol, TypeVar

from tallybook.accounting.entry import (
    Attachment,
    Details,
    Dimension,
    Document,
    DocumentKind,
    Entry,
    EntryKey,
    Held,
    HeldLine,
    Line,
    LineRole,
)
from tallybook.accounting.handover import Booked, ImportSet, Names, Period, Tags
from tallybook.adapters.book.database import BookFile
from tallybook.adapters.book.reading import instant_text, keys_json, stored
from tallybook.adapters.book.receipts import Store
from tallybook.errors import SettingsError
from tallybook.money import Money

Answer = TypeVar("Answer")


class Run(Protocol):
    """Runs work on the book's file in the book's thread."""

    def __call__(self, work: Callable[[BookFile], Answer]) -> Awaitable[Answer]:
        """Run it, and translate what goes wrong."""


class BookHandOvers:
    """What was handed over to one system; see `tallybook.accounting.handover.HandOvers`."""

    def __init__(self, run: Run, system: str, view_url: str | None) -> None:
        self._run, self._system, self._view_url = run, system, view_url

    async def booked(self, keys: Sequence[EntryKey]) -> Sequence[Booked]:
        """Give entries back, by posting date and number. Repeat: safe."""
        return await self._run(lambda file: _booked(file, keys, self._view_url))

    async def names(self) -> Names:
        """Say what things are called. Repeat: safe."""
        return await self._run(_names)

    async def handed_over(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, int | None]:
        """Say which entries are in a set; None are those that wait. Repeat: safe."""
        return await self._run(lambda file: _handed_over(file, self._system, keys))

    async def wait(self, keys: Sequence[EntryKey]) -> None:
        """Let entries wait for the next set. Repeat: safe."""
        await self._run(lambda file: _wait(file, self._system, keys))

    async def assign(self, company_id: str, job_id: str, at: datetime, period_of: Callable[[date], Period]) -> None:
        """Put what waits into new sets, in one transaction. Repeat: safe."""
        await self._run(lambda file: _assign(file, self._system, company_id, job_id, at, period_of))

    async def again(self, number: int, at: datetime, reason: str) -> ImportSet:
        """Make a new set of an earlier one's entries. Repeat: makes one more."""
        return await self._run(lambda file: _again(file, self._system, number, at, reason))

    async def sets(self, company_id: str) -> Sequence[ImportSet]:
        """List the sets of a company by number. Repeat: safe."""
        return await self._run(lambda file: _sets(file, "s.company_id = ?", (self._system, company_id)))

    async def keys_of(self, number: int) -> Sequence[EntryKey]:
        """List the entries of a set by posting date and number. Repeat: safe."""
        return await self._run(lambda file: _keys_of(file, self._system, number))

    async def written(self, number: int, sha256: str) -> None:
        """Note that the files of a set are on disk. Repeat: safe; the first sha256 stays."""
        await self._run(lambda file: _written(file, self._system, number, sha256))


_ENTRIES = """
SELECT e.id, e.company_id, e.entry_id, e.content_hash, e.posting_on, e.original_on, e.details
FROM entries e WHERE e.id IN (SELECT value FROM json_each(?)) ORDER BY e.posting_on, e.number
"""

_DOCUMENTS = """
SELECT d.entry, d.id, d.kind, d.currency, d.vendor, d.invoice_number, d.invoice_on, d.due_on,
    (SELECT json_group_array(ref) FROM (SELECT ref FROM open_item_refs r WHERE r.document = d.id ORDER BY ref))
FROM documents d WHERE d.entry IN (SELECT value FROM json_each(?)) ORDER BY d.entry, d.position
"""

_LINES = """
SELECT l.document, l.account, l.amount_minor, l.role, l.tax_code, l.tax_base_minor, l.text, (
        SELECT json_group_array(json_array(code, value)) FROM (
            SELECT g.code AS code, v.code AS value FROM line_dimensions t
            JOIN dimensions g ON g.folded = t.dimension
            JOIN dimension_values v ON v.dimension = t.dimension AND v.folded = t.value
            WHERE t.document = l.document AND t.line = l.position ORDER BY t.dimension, t.value
        )
    )
FROM documents d JOIN lines l ON l.document = d.id
WHERE d.entry IN (SELECT value FROM json_each(?)) ORDER BY l.document, l.position
"""

_FILES = """
SELECT a.entry, a.position, a.sha256, a.media_type, a.size_bytes
FROM attachments a WHERE a.entry IN (SELECT value FROM json_each(?)) ORDER BY a.entry, a.position, a.sha256
"""


def _booked(file: BookFile, keys: Sequence[EntryKey], view_url: str | None) -> list[Booked]:
    with file.reading():
        return booked(file, keys, view_url)


def booked(file: BookFile, keys: Sequence[EntryKey], view_url: str | None) -> list[Booked]:
    """Give entries back as they were recorded, inside the caller's transaction, by posting date and number.

    Repeat: safe.
    """
    there = stored(file, keys, view_url)
    rows = (json.dumps([found.row for found in there.values()]),)
    lines = _by_first(file, _LINES, rows)
    documents = {
        entry: tuple(_document(row, lines[row[1]]) for row in its_rows)
        for entry, its_rows in _by_first(file, _DOCUMENTS, rows).items()
    }
    store = Store.beside(file.path)
    files = {
        entry: tuple(
            Attachment(position, store.path(sha256), media_type, sha256, size_bytes)
            for _, position, sha256, media_type, size_bytes in its_rows
        )
        for entry, its_rows in _by_first(file, _FILES, rows).items()
    }
    found = []
    for row, company_id, entry_id, content_hash, posting_on, original_on, details in file.execute(_ENTRIES, rows):
        recorded = there[EntryKey(company_id, entry_id)].recorded
        entry = Entry(
            key=recorded.key,
            content_hash=content_hash,
            documents=documents[row],
            posting_on=date.fromisoformat(posting_on),
            original_on=date.fromisoformat(original_on),
            posting=recorded.state,
            details=_details(details),
        )
        found.append(Booked(entry, recorded, files.get(row, ())))
    return found


def held(file: BookFile, keys: Sequence[EntryKey]) -> dict[EntryKey, Held]:
    """Say what the book holds of entries; of receipts, those whose files are beside it still.

    Repeat: safe.
    """
    return {
        each.entry.key: Held(
            each.entry.key,
            each.entry.posting_on,
            tuple(
                HeldLine(line.account, document.currency, line.amount_minor, line.tax_code, line.dimensions)
                for document in each.entry.documents
                for line in document.lines
            ),
            tells_dimensions=True,
            vendors=frozenset(document.vendor for document in each.entry.documents if document.vendor is not None),
            receipts=len({receipt.position for receipt in each.files if _is_there(receipt)}),
        )
        for each in _booked(file, keys, None)
    }


def _is_there(receipt: Attachment) -> bool:
    try:
        return receipt.path.stat().st_size == receipt.size_bytes
    except OSError:
        return False


def _by_first(file: BookFile, sql: str, parameters: Sequence[object]) -> dict[Any, list[tuple[Any, ...]]]:
    rows = file.execute(sql, parameters)
    return {first: list(its_rows) for first, its_rows in groupby(rows, key=itemgetter(0))}


def _document(row: tuple[Any, ...], lines: Sequence[tuple[Any, ...]]) -> Document:
    _, _, kind, currency, vendor, invoice_number, invoice_on, due_on, refs = row
    return Document(
        kind=DocumentKind(kind),
        currency=currency,
        lines=tuple(map(_line, lines)),
        vendor=vendor,
        open_item_refs=tuple(json.loads(refs)),
        invoice_number=invoice_number,
        invoice_on=invoice_on and date.fromisoformat(invoice_on),
        due_on=due_on and date.fromisoformat(due_on),
    )


def _line(row: tuple[Any, ...]) -> Line:
    _, account, amount_minor, role, tax_code, tax_base_minor, text, dimensions = row
    tags = tuple(Dimension(group, code) for group, code in json.loads(dimensions))
    return Line(account, amount_minor, LineRole(role), tax_code, tax_base_minor, tags, text)


def _details(text: str) -> Details:
    kept = json.loads(text)
    said: dict[str, Any] = {known.name: kept[known.name] for known in fields(Details) if known.name in kept}
    for day in ("service_from_on", "service_to_on"):
        said[day] = said.get(day) and date.fromisoformat(said[day])
    said["supplier_amount"] = said.get("supplier_amount") and Money(**said["supplier_amount"])
    for texts in ("attendees", "reconciled_references"):
        said[texts] = tuple(said.get(texts, ()))
    return Details(**said)


def _names(file: BookFile) -> Names:
    with file.reading():
        company = file.execute("SELECT name FROM company").fetchone()
        values = _by_first(file, "SELECT dimension, code, name FROM dimension_values ORDER BY dimension, folded", ())
        return Names(
            company=company and company[0],
            accounts=dict(file.execute("SELECT code, name FROM accounts ORDER BY code").fetchall()),
            vendors=dict(file.execute("SELECT code, name FROM vendors ORDER BY code").fetchall()),
            dimensions={
                code: Tags(name, {value: value_name for _, value, value_name in values.get(folded, ())})
                for folded, code, name in file.execute("SELECT folded, code, name FROM dimensions ORDER BY folded")
            },
        )


def _handed_over(file: BookFile, system: str, keys: Sequence[EntryKey]) -> dict[EntryKey, int | None]:
    rows = file.execute(
        # CROSS: in this order, or SQLite reads every hand-over there ever was.
        "SELECT e.company_id, e.entry_id, h.number FROM json_each(?) AS wanted"
        " CROSS JOIN entries e ON e.company_id = wanted.value ->> 0 AND e.entry_id = wanted.value ->> 1"
        " CROSS JOIN hand_overs h ON h.entry = e.id AND h.system = ?",
        (keys_json(keys), system),
    )
    return {EntryKey(company_id, entry_id): number for company_id, entry_id, number in rows}


# A corrected entry takes along what it corrects and its reversal: one without the others would be wrong.
_WAIT = """
WITH RECURSIVE together (entry) AS (
    SELECT value FROM json_each(?1)
    UNION
    SELECT CASE half.value WHEN 0 THEN c.entry ELSE c.reversal END FROM together
    JOIN entries n ON n.id = together.entry
    JOIN corrections c ON c.replaced_by = n.entry_id
    JOIN entries o ON o.id = c.entry AND o.company_id = n.company_id
    JOIN json_each('[0, 1]') AS half
)
INSERT INTO hand_overs (entry, system) SELECT entry, ?2 FROM together
WHERE NOT EXISTS (SELECT 1 FROM hand_overs h WHERE h.entry = together.entry AND h.system = ?2)
"""


def _wait(file: BookFile, system: str, keys: Sequence[EntryKey]) -> None:
    with file.writing():
        rows = json.dumps([found.row for found in stored(file, keys, None).values()])
        file.execute(_WAIT, (rows, system))


# Of an entry and its reversal neither goes while the other does not even wait: who undoes an entry may have been killed
# between writing the reversal and handing it over.
_WAITING = """
SELECT e.posting_on, e.id FROM hand_overs h JOIN entries e ON e.id = h.entry
WHERE h.system = ?1 AND h.number IS NULL AND e.company_id = ?2 AND NOT EXISTS (
    SELECT 1 FROM corrections c WHERE (c.entry = e.id OR c.reversal = e.id)
    AND 2 > (SELECT count(*) FROM hand_overs o WHERE o.entry IN (c.entry, c.reversal) AND o.system = ?1)
) ORDER BY e.posting_on, e.number
"""


def _assign(
    file: BookFile, system: str, company_id: str, job_id: str, at: datetime, period_of: Callable[[date], Period]
) -> None:
    with file.writing():
        waiting = file.execute(_WAITING, (system, company_id)).fetchall()
        for period, entries in groupby(waiting, key=lambda row: period_of(date.fromisoformat(row[0]))):
            number = _insert_set(file, system, (company_id, period, job_id, at, None, ""))
            file.executemany(
                "UPDATE hand_overs SET number = ? WHERE entry = ? AND system = ?",
                [(number, entry, system) for _, entry in entries],
            )


def _insert_set(file: BookFile, system: str, values: tuple[str, Period, str, datetime, int | None, str]) -> int:
    company_id, period, job_id, at, again_of, reason = values
    number: int = file.value("SELECT ifnull(max(number), 0) + 1 FROM import_sets WHERE system = ?", (system,))
    file.execute(
        "INSERT INTO import_sets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            system,
            number,
            company_id,
            period.name,
            period.from_on.isoformat(),
            period.to_on.isoformat(),
            job_id,
            instant_text(at),
            again_of,
            reason,
        ),
    )
    return number


_SETS = """
SELECT s.number, s.company_id, s.period, s.from_on, s.to_on, s.job_id, s.made_at, s.again_of, s.reason, s.sha256,
    (SELECT COUNT(*) FROM hand_overs h WHERE h.system = s.system AND h.number = ifnull(s.again_of, s.number))
FROM import_sets s WHERE s.system = ? AND {} ORDER BY s.number
"""


def _sets(file: BookFile, condition: str, parameters: tuple[object, ...]) -> list[ImportSet]:
    return [
        ImportSet(
            number=number,
            company_id=company_id,
            period=Period(period, date.fromisoformat(from_on), date.fromisoformat(to_on)),
            job_id=job_id,
            made_at=datetime.fromisoformat(made_at),
            entries=entries,
            again_of=again_of,
            reason=reason,
            sha256=sha256,
        )
        for number, company_id, period, from_on, to_on, job_id, made_at, again_of, reason, sha256, entries in (
            file.execute(_SETS.format(condition), parameters)
        )
    ]


def _again(file: BookFile, system: str, number: int, at: datetime, reason: str) -> ImportSet:
    with file.writing():
        found = _sets(file, "s.number = ?", (system, number))
        if not found:
            raise SettingsError([f"the book has no set of import files {number} for {system}"])
        first = found[0]
        again_of = first.number if first.again_of is None else first.again_of
        new = _insert_set(file, system, (first.company_id, first.period, first.job_id, at, again_of, reason))
        return _sets(file, "s.number = ?", (system, new))[0]


def _keys_of(file: BookFile, system: str, number: int) -> list[EntryKey]:
    return [
        EntryKey(company_id, entry_id)
        for company_id, entry_id in file.execute(
            "SELECT e.company_id, e.entry_id FROM import_sets s"
            " JOIN hand_overs h ON h.system = s.system AND h.number = ifnull(s.again_of, s.number)"
            " JOIN entries e ON e.id = h.entry WHERE s.system = ? AND s.number = ? ORDER BY e.posting_on, e.number",
            (system, number),
        )
    ]


def _written(file: BookFile, system: str, number: int, sha256: str) -> None:
    with file.writing():
        file.execute(
            "UPDATE import_sets SET sha256 = ? WHERE system = ? AND number = ? AND sha256 IS NULL",
            (sha256, system, number),
        )
