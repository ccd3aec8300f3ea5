"""Recording entries: a batch is one transaction, and a bad entry is refused as itself and spoils no other.

Each entry is checked against the book inside the transaction that writes it, so what was checked still holds when it
is written. What the checks missed is caught by the file's own rules: then the batch is undone and written one by one.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime

from tallybook.accounting.entry import Document, Entry, EntryKey, PostingState, Recorded
from tallybook.accounting.errors import EntryInvalid, EntryRefused, EntryRejected, PeriodClosed
from tallybook.accounting.system import Refused
from tallybook.adapters.book.checks import check, known
from tallybook.adapters.book.database import BookFile
from tallybook.adapters.book.open_items import claims, owed_minor, settle
from tallybook.adapters.book.reading import external_id, external_url, instant_text, stored
from tallybook.adapters.book.texts import storable
from tallybook.errors import SettingsError

Answer = Recorded | Refused


def record(file: BookFile, entries: Sequence[Entry], at: datetime, view_url: str | None = None) -> list[Answer]:
    """Write entries as drafts in one transaction; one answer for each, in the same order.

    Repeat: a key already in the book is not written again; its `Recorded` is returned as it stands.
    """
    if not entries:
        return []
    answers: dict[EntryKey, Answer] = {}
    fresh: dict[EntryKey, Entry] = {}
    with file.writing():
        valid = [entry for entry in entries if _key_storable(entry.key)]
        there = stored(file, [entry.key for entry in valid], view_url)
        for entry in entries:
            if entry.key in there:
                answers[entry.key] = there[entry.key].recorded
            else:
                fresh.setdefault(entry.key, entry)
        answers |= write(file, list(fresh.values()), at, view_url)
    return [answers[entry.key] for entry in entries]


def write(file: BookFile, entries: Sequence[Entry], at: datetime, view_url: str | None) -> dict[EntryKey, Answer]:
    """Check entries that are not in the book and write the good ones as drafts, inside the caller's transaction.

    Repeat: refused by the file's rules.
    """
    refused = {each.key: each for each in refusals(file, entries)}
    return refused | _write(file, [entry for entry in entries if entry.key not in refused], at, view_url)


def rehearse(file: BookFile, entries: Sequence[Entry]) -> list[Refused]:
    """Say which entries that are not in the book would be refused, by the checks alone.

    Repeat: safe; writes nothing.
    """
    with file.reading():
        return refusals(file, entries)


def refusals(file: BookFile, entries: Sequence[Entry]) -> list[Refused]:
    """Check entries inside the caller's transaction; gives those that cannot be recorded.

    Repeat: safe; reads only.
    """
    refused = []
    facts = known(file, entries)
    for entry in entries:
        try:
            check(entry, facts)
        except EntryRefused as error:
            refused.append(Refused(entry.key, error))
    return refused


def _key_storable(key: EntryKey) -> bool:
    return storable(key.company_id + key.entry_id) == key.company_id + key.entry_id


def _write(file: BookFile, entries: Sequence[Entry], at: datetime, view_url: str | None) -> dict[EntryKey, Answer]:
    if not entries:
        return {}
    try:
        with file.savepoint():
            return dict(_write_together(file, entries, at, view_url))
    except sqlite3.IntegrityError:
        answers: dict[EntryKey, Answer] = {}
        for entry in entries:
            try:
                with file.savepoint():
                    answers |= _write_together(file, [entry], at, view_url)
            except sqlite3.IntegrityError as error:
                answers[entry.key] = Refused(entry.key, refusal(entry, error))
        return answers


def refusal(entry: Entry, error: sqlite3.IntegrityError) -> EntryRefused:
    """What a rule of the file says of an entry, in the port's words."""
    text = str(error)
    if text == "PERIOD_CLOSED":
        return PeriodClosed(f"The period of {entry.posting_on} is closed in the book; reopen it or change the date")
    if text in {"DOCUMENT_UNBALANCED", "DOCUMENT_WITHOUT_LINES", "ENTRY_WITHOUT_DOCUMENTS"}:
        return EntryInvalid(f"The book refused the entry as contradictory: {text}")
    return EntryRejected(f"The book refused the entry by a rule of its own: {text}")


@dataclass(slots=True)
class _Rows:
    """Rows of a batch by table, in the order in which the tables are filled."""

    lines: list[tuple[object, ...]] = field(default_factory=list)
    dimensions: list[tuple[object, ...]] = field(default_factory=list)
    documents: list[tuple[object, ...]] = field(default_factory=list)
    entries: list[tuple[object, ...]] = field(default_factory=list)
    open_items: list[tuple[object, ...]] = field(default_factory=list)
    open_item_refs: list[tuple[object, ...]] = field(default_factory=list)


_INSERTS = {
    "lines": "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    "dimensions": "INSERT INTO line_dimensions VALUES (?, ?, ?, ?)",
    "documents": "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "entries": "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "open_items": "INSERT INTO open_items VALUES (?, ?, ?)",
    "open_item_refs": "INSERT INTO open_item_refs VALUES (?, ?, ?, ?, ?)",
}


def _write_together(
    file: BookFile, entries: Sequence[Entry], at: datetime, view_url: str | None
) -> Iterator[tuple[EntryKey, Answer]]:
    """Number the entries and write them with one statement per table, then settle open items."""
    rows = _Rows()
    recorded_at = instant_text(at)
    first_entry, first_document = file.execute(
        "SELECT (SELECT ifnull(max(id), 0) FROM entries) + 1, (SELECT ifnull(max(id), 0) FROM documents) + 1"
    ).fetchone()
    numbers = _last_numbers(file, entries)
    next_document = first_document
    written = []
    for row, entry in enumerate(entries, start=first_entry):
        company_id = entry.key.company_id
        number = numbers[company_id] = numbers.get(company_id, 0) + 1
        for position, document in enumerate(entry.documents, start=1):
            _add_document(rows, company_id, row, next_document, position, document)
            next_document += 1
        rows.entries.append(_entry_row(row, number, entry, recorded_at))
        written.append((entry, number))
    for table, sql in _INSERTS.items():
        if values := getattr(rows, table):
            file.executemany(sql, values)
    file.executemany(
        "INSERT INTO numbering VALUES (?, ?) ON CONFLICT (company_id) DO UPDATE SET last_number = excluded.last_number",
        numbers.items(),
    )
    if rows.open_item_refs:
        settle(file, first_document, rows.open_item_refs, recorded_at)
    for entry, number in written:
        yield (
            entry.key,
            Recorded(
                key=entry.key,
                external_id=external_id(number),
                recorded_at=datetime.fromisoformat(recorded_at),
                state=PostingState.DRAFT,
                content_hash=entry.content_hash,
                external_url=external_url(view_url, entry.key.entry_id),
                posting_on=entry.posting_on,
            ),
        )


def _last_numbers(file: BookFile, entries: Sequence[Entry]) -> dict[str, int]:
    companies = json.dumps(sorted({entry.key.company_id for entry in entries}))
    return dict(
        file.execute(
            "SELECT company_id, last_number FROM numbering WHERE company_id IN (SELECT value FROM json_each(?))",
            (companies,),
        ).fetchall()
    )


def _add_document(rows: _Rows, company_id: str, entry_row: int, row: int, position: int, document: Document) -> None:
    for place, line in enumerate(document.lines, start=1):
        rows.lines.append(
            (
                row,
                place,
                line.account,
                line.amount_minor,
                line.role.value,
                line.tax_code,
                line.tax_base_minor,
                storable(line.text),
            )
        )
        folded = dict.fromkeys((d.group.casefold(), d.code.casefold()) for d in line.dimensions)
        rows.dimensions += [(row, place, group, code) for group, code in folded]
    rows.documents.append(
        (
            row,
            entry_row,
            position,
            document.kind.value,
            document.currency,
            document.vendor,
            None if document.invoice_number is None else storable(document.invoice_number),
            document.invoice_on and document.invoice_on.isoformat(),
            document.due_on and document.due_on.isoformat(),
        )
    )
    if claims(document):
        owed = owed_minor(document)
        rows.open_items.append((row, owed, owed))
        rows.open_item_refs += [
            (company_id, document.vendor, document.currency, ref, row)
            for ref in dict.fromkeys(map(storable, document.open_item_refs))
            if ref.strip()  # an empty reference is no reference in common
        ]


def _entry_row(row: int, number: int, entry: Entry, recorded_at: str) -> tuple[object, ...]:
    details: Mapping[str, object] = asdict(entry.details)
    return (
        row,
        entry.key.company_id,
        entry.key.entry_id,
        number,
        storable(entry.content_hash),
        PostingState.DRAFT.value,
        entry.posting_on.isoformat(),
        entry.original_on.isoformat(),
        recorded_at,
        storable(entry.details.description),
        storable(entry.details.reference),
        storable(entry.details.sort),
        # ASCII escapes carry even what UTF-8 cannot; dates are the only values JSON has no form for.
        json.dumps(details, default=str),
    )


def post(file: BookFile, entries: Sequence[Recorded], view_url: str | None = None) -> list[Answer]:
    """Finalise drafts in one transaction; one answer for each, in the same order.

    Repeat: safe; a posted entry stays as it is.
    """
    answers: dict[EntryKey, Answer] = {}
    with file.writing():
        there = stored(file, [entry.key for entry in entries if _key_storable(entry.key)], view_url)
        closed = file.execute("SELECT from_on, to_on FROM closed_periods").fetchall()
        rows = []
        for entry in entries:
            found = there.get(entry.key)
            if found is None:
                answers[entry.key] = Refused(entry.key, EntryRejected(f"The book has no entry {entry.key.entry_id}"))
            elif found.recorded.state is PostingState.DRAFT and any(a <= found.posting_on <= b for a, b in closed):
                answers[entry.key] = Refused(
                    entry.key,
                    PeriodClosed(
                        f"{found.recorded.external_id} cannot be posted: the period of {found.posting_on} is closed"
                    ),
                )
            elif found.recorded.state is PostingState.DRAFT:
                rows.append(found.row)
        if rows:
            file.execute(
                "UPDATE entries SET state = 'posted' WHERE state = 'draft' AND id IN (SELECT value FROM json_each(?))",
                (json.dumps(rows),),
            )
            there = stored(file, [entry.key for entry in entries if entry.key in there], view_url)
    return [answers.get(entry.key) or there[entry.key].recorded for entry in entries]


def post_days(file: BookFile, from_on: date, to_on: date) -> int:
    """Finalise all drafts of these days, both ends included; says how many there were.

    Repeat: safe; nothing is left to post.
    Raises:
        SettingsError: some of the days are closed; nothing was posted.
    """
    days = (from_on.isoformat(), to_on.isoformat())
    drafts = "state = 'draft' AND posting_on BETWEEN ? AND ?"
    with file.writing():
        closed = file.value(
            f"SELECT COUNT(*) FROM entries WHERE {drafts}"
            " AND EXISTS (SELECT 1 FROM closed_periods WHERE posting_on BETWEEN from_on AND to_on)",
            days,
        )
        if closed:
            raise SettingsError(
                [f"{closed} drafts between {days[0]} and {days[1]} are in a closed period; reopen it first"]
            )
        return file.execute(f"UPDATE entries SET state = 'posted' WHERE {drafts}", days).rowcount
