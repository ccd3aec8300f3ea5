"""Reversing entries: one that turns every amount around takes the first back, and the book ties the two together.

The reversal stands in the same accounts with the same tags, so sums by any of them are as if neither were there. A bill
is reversed by a credit note, a payment by a returned payment; both are closed with what they reverse.
"""

from collections.abc import Sequence
from datetime import datetime

from tallybook.accounting.entry import Entry, Recorded, Reversal
from tallybook.accounting.errors import EntryRejected
from tallybook.accounting.reversing import reversed_entry
from tallybook.accounting.system import Refused
from tallybook.adapters.book.database import BookFile
from tallybook.adapters.book.handing_over import booked
from tallybook.adapters.book.open_items import take_back
from tallybook.adapters.book.reading import instant_text, stored
from tallybook.adapters.book.recording import Answer, refusals, write


def reverse(file: BookFile, reversals: Sequence[Reversal], at: datetime, view_url: str | None) -> list[Answer]:
    """Write reversals as drafts in one transaction; one answer for each, in the same order.

    Repeat: a key already in the book is not written again; its `Recorded` is returned as it stands.
    """
    answers: list[Answer] = []
    with file.writing():
        for each in reversals:
            there = stored(file, [each.key], view_url)
            if each.key in there:
                answers.append(there[each.key].recorded)
                continue
            entry = _entry(file, each)
            if isinstance(entry, Refused):
                answers.append(entry)
                continue
            answer = write(file, [entry], at, view_url)[entry.key]
            if isinstance(answer, Recorded):
                _tie(file, each, instant_text(at))
            answers.append(answer)
    return answers


def rehearse_reversals(file: BookFile, reversals: Sequence[Reversal]) -> list[Refused]:
    """Say which reversals would be refused, by the checks alone.

    Repeat: safe; writes nothing.
    """
    with file.reading():
        entries = [_entry(file, each) for each in reversals]
        refused = refusals(file, [each for each in entries if not isinstance(each, Refused)])
    return [*(each for each in entries if isinstance(each, Refused)), *refused]


def _entry(file: BookFile, reversal: Reversal) -> Entry | Refused:
    """Lay out what takes an entry back, as the book holds it; refused if it is gone, or was taken back already."""
    originals = booked(file, [reversal.of.key], None)
    if not originals:
        error = EntryRejected(f"The book has no entry {reversal.of.external_id} any more")
        return Refused(reversal.key, error)
    (original,) = originals
    number = original.recorded.external_id
    by = file.execute(
        "SELECT n.entry_id FROM corrections c JOIN entries e ON e.id = c.entry JOIN entries n ON n.id = c.reversal"
        " WHERE e.company_id = ? AND e.entry_id = ?",
        (reversal.of.key.company_id, reversal.of.key.entry_id),
    ).fetchone()
    if by is not None:
        return Refused(reversal.key, EntryRejected(f"{number} is reversed already, by the entry {by[0]}"))
    return reversed_entry(original.entry, reversal)


def _tie(file: BookFile, reversal: Reversal, recorded_at: str) -> None:
    keys = (reversal.of.key.company_id, reversal.of.key.entry_id, reversal.key.entry_id)
    first, second = file.execute(
        "SELECT o.id, r.id FROM entries o JOIN entries r ON r.company_id = o.company_id"
        " WHERE o.company_id = ? AND o.entry_id = ? AND r.entry_id = ?",
        keys,
    ).fetchone()
    file.execute("INSERT INTO corrections VALUES (?, ?, ?)", (first, second, reversal.replaced_by.entry_id))
    pairs = file.execute(
        "SELECT o.id, r.id FROM documents o JOIN documents r ON r.position = o.position"
        " WHERE o.entry = ? AND r.entry = ?",
        (first, second),
    ).fetchall()
    take_back(file, pairs, recorded_at)
