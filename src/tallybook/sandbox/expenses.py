"""The company's expenses: their lanes, what a bookkeeper changes in them, and the pages an integration reads.

Source: definition GET /v3/export-items; help centre on the lanes of the export page.
"""

import json
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallybook.sandbox import documents, exact_json
from tallybook.sandbox.documents import KeptDocument
from tallybook.sandbox.errors import Refusal, bad_request
from tallybook.sandbox.paging import Listing, Page, PageRequest, fetch_page
from tallybook.sandbox.rules import Lane
from tallybook.sandbox.worlds import World

_EXPORT_ITEM_KEYS: Final = {"accountingEntryId": "e.entry_id", "date": "e.dated", "type": "e.type"}


@dataclass(frozen=True, slots=True)
class NewExpense:
    """An expense to add: an export item in part (to be filled in), or, with `raw_text`, exactly that text.

    `entry_id` None gives a raw document without a usable id one of its own, which the job's items then carry.
    """

    document: Any
    entry_id: str | None = None
    raw_text: str | None = None


@dataclass(frozen=True, slots=True)
class ExpenseState:
    """An expense as the export page shows it; `outcome` is its item in the latest job."""

    seq: int
    entry_id: str
    lane: Lane
    trouble: str | None
    mend_note: str | None
    outcome: dict[str, Any] | None
    document: str | None


def read_export_items(db: sqlite3.Connection, job: int, total: int, request: PageRequest) -> Page:
    """Read a page of the documents of a job: rows of (text, vendor part), in the order of the expenses in Pleo.

    That order is not the order of the job's items: who reads both joins them by accountingEntryId.

    Repeat: safe, reads only.
    Raises:
        Refusal: 400, as `fetch_page`.
    """
    listing = Listing(
        name=f"export-items:{job}",
        columns="d.document, d.vendor_part",
        source="expenses e JOIN documents d ON d.seq = e.seq WHERE e.job = ?",
        parameters=(job,),
        keys=_EXPORT_ITEM_KEYS,
        identity="e.seq",
        total=total,
    )
    return fetch_page(db, listing, request)


def add_expenses(db: sqlite3.Connection, world: World, expenses: Sequence[NewExpense]) -> list[str]:
    """Add expenses to the lane `unexported` and return their entry ids.

    A raw document may repeat an entry id: both documents are then served wherever the entry is.

    Repeat: adds them again; a filled in one whose id exists is refused.
    Raises:
        Refusal: 409, an expense with that id exists; 400, a receipt without a position.
    """
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM expenses").fetchone()
    ids: list[str] = []
    for number, expense in enumerate(expenses, start=last + 1):
        entry_id = expense.entry_id or str(uuid.uuid5(uuid.UUID(world.company.id), f"expense {number}"))
        present = db.execute("SELECT lane, job FROM expenses WHERE entry_id = ? LIMIT 1", (entry_id,)).fetchone()
        if expense.raw_text is not None:
            kept = documents.keep_raw(expense.raw_text, expense.document)
        elif present is not None:
            raise Refusal(409, "EXPENSE_EXISTS", f"There is already an expense {entry_id}.")
        else:
            filled = documents.fill_in(expense.document, entry_id, world.company, world.books, world.links)
            kept = documents.keep(filled, entry_id, world.links, exact_json.write)
        lane, job = present or (Lane.UNEXPORTED, None)
        _insert(db, entry_id, kept, lane, job)
        ids.append(entry_id)
    return ids


def _insert(db: sqlite3.Connection, entry_id: str, kept: KeptDocument, lane: str, job: int | None) -> None:
    seq = db.execute(
        "INSERT INTO expenses (entry_id, type, dated, lane, job) VALUES (?, ?, ?, ?, ?)",
        (entry_id, kept.type, kept.dated, lane, job),
    ).lastrowid
    db.execute("INSERT INTO documents VALUES (?, ?, ?)", (seq, kept.text, kept.vendor_part))
    if job is not None:
        db.execute("UPDATE jobs SET number_of_documents = number_of_documents + 1 WHERE number = ?", (job,))


def patch_expense(db: sqlite3.Connection, world: World, now_s: float, entry_id: str, patch: Any) -> None:
    """Change an expense by a JSON merge patch, as a bookkeeper edits it; allowed unless a running job holds it.

    Repeat: safe, a merge patch leads to the same document; the change is written down again.
    Raises:
        Refusal: 404, no such expense; 409, its job is not finished; 400, it is no JSON object.
    """
    rewrite_expense(db, world, entry_id, lambda document: exact_json.merge_patch(document, patch))
    note_mend(db, now_s, entry_id, "Edited.")


def rewrite_expense(db: sqlite3.Connection, world: World, entry_id: str, change: Callable[[Any], Any]) -> None:
    """Replace every document of an entry by what `change` makes of it; allowed unless a running job holds it.

    Repeat: changes it again.
    Raises:
        Refusal: 404, no such expense; 409, its job is not finished; 400, what came out is no JSON object.
    """
    rows = db.execute(
        "SELECT seq, document, vendor_part, job FROM expenses JOIN documents USING (seq)"
        " WHERE entry_id = ? ORDER BY seq",
        (entry_id,),
    ).fetchall()
    if not rows:
        raise _no_such_expense(entry_id)
    if any(job is not None for *_, job in rows):
        raise Refusal(409, "EXPENSE_LOCKED", f"Expense {entry_id} is in a running export job and cannot be changed.")
    for seq, text, vendor_part, _ in rows:
        document = documents.whole(KeptDocument(text, vendor_part), world.links)
        _write_document(db, world, entry_id, seq, change(document))


def _write_document(db: sqlite3.Connection, world: World, entry_id: str, seq: int, document: Any) -> None:
    if not isinstance(document, dict):
        raise bad_request("An expense stays a JSON object; a merge patch of one is itself an object.")
    kept = documents.keep(document, entry_id, world.links, exact_json.write)
    db.execute("UPDATE documents SET document = ?, vendor_part = ? WHERE seq = ?", (kept.text, kept.vendor_part, seq))
    db.execute("UPDATE expenses SET type = ?, dated = ? WHERE seq = ?", (kept.type, kept.dated, seq))


def mend_expenses(db: sqlite3.Connection, world: World, now_s: float) -> list[tuple[str, str]]:
    """Apply every planned mend, as a bookkeeper who reads the reasons; return (entry id, what was done).

    Expenses held by a running job are left for later.

    Repeat: safe, a mend is applied once.
    """
    rows = db.execute(
        "SELECT seq, entry_id, document, vendor_part, mend, mend_note FROM expenses JOIN documents USING (seq)"
        " WHERE mend IS NOT NULL AND job IS NULL ORDER BY seq"
    ).fetchall()
    for seq, entry_id, text, vendor_part, mend, note in rows:
        document = documents.whole(KeptDocument(text, vendor_part), world.links)
        _write_document(db, world, entry_id, seq, exact_json.merge_patch(document, exact_json.read(mend)))
        note_mend(db, now_s, entry_id, note or "Mended as planned.")
    db.execute("UPDATE expenses SET mend = NULL, trouble = NULL WHERE mend IS NOT NULL AND job IS NULL")
    return [(entry_id, note or "") for _, entry_id, *_, note in rows]


def note_mend(db: sqlite3.Connection, now_s: float, entry_id: str, what: str) -> None:
    """Write down what was changed about an expense, and when.

    Repeat: a second note.
    """
    db.execute("INSERT INTO mends (at, entry_id, what) VALUES (?, ?, ?)", (now_s, entry_id, what))


def move_to_lane(db: sqlite3.Connection, entry_ids: Sequence[str] | None, lane: Lane) -> int:
    """Move expenses between `unexported` and `queue`; None moves every one of the other lane. Return how many moved.

    Repeat: safe, an expense already there stays.
    Raises:
        Refusal: 400, the lane cannot be chosen; 404, no such expense; 409, it is in a running job or exported.
    """
    if lane is Lane.EXPORTED:
        raise bad_request("Expenses reach the lane exported through an export job only.")
    other = Lane.QUEUE if lane is Lane.UNEXPORTED else Lane.UNEXPORTED
    if entry_ids is None:
        return db.execute("UPDATE expenses SET lane = ? WHERE lane = ? AND job IS NULL", (lane, other)).rowcount
    for entry_id in entry_ids:
        row = db.execute("SELECT lane, job FROM expenses WHERE entry_id = ? LIMIT 1", (entry_id,)).fetchone()
        if row is None:
            raise _no_such_expense(entry_id)
        if row[1] is not None or row[0] == Lane.EXPORTED:
            raise Refusal(409, "EXPENSE_LOCKED", f"Expense {entry_id} is in a running export job or exported.")
        db.execute("UPDATE expenses SET lane = ? WHERE entry_id = ?", (lane, entry_id))
    return len(entry_ids)


def lane_counts(db: sqlite3.Connection) -> dict[Lane, int]:
    """Count the expenses in each lane."""
    counts = dict.fromkeys(Lane, 0)
    for lane, count in db.execute("SELECT lane, count(*) FROM expenses GROUP BY lane"):
        counts[Lane(lane)] = count
    return counts


_STATE_COLUMNS: Final = """
SELECT e.seq, e.entry_id, e.lane, e.trouble, e.mend_note, CASE WHEN :documents THEN d.document END,
  CASE WHEN :documents THEN d.vendor_part END,
  (SELECT json_object('exportJobId', j.id, 'status', i.status, 'externalId', i.external_id,
     'externalUrl', i.external_url, 'exportedAt', i.exported_at, 'failureReason', i.failure_reason,
     'failureReasonType', i.failure_reason_type)
   FROM job_items i JOIN jobs j ON j.number = i.job WHERE i.entry_id = e.entry_id ORDER BY i.job DESC LIMIT 1)
FROM expenses e JOIN documents d ON d.seq = e.seq
"""


def list_expenses(
    db: sqlite3.Connection, lane: Lane | None, after: int, limit: int, *, with_documents: bool
) -> list[ExpenseState]:
    """Read expenses with their lane and latest outcome, after the running number `after`.

    Repeat: safe, reads only.
    """
    rows = db.execute(
        f"{_STATE_COLUMNS} WHERE e.seq > :after AND (:lane IS NULL OR e.lane = :lane) ORDER BY e.seq LIMIT :limit",
        {"documents": with_documents, "after": after, "lane": lane, "limit": limit},
    )
    return [_state(row) for row in rows]


def read_expense(db: sqlite3.Connection, entry_id: str) -> ExpenseState:
    """Read one expense with its document.

    Repeat: safe, reads only.
    Raises:
        Refusal: 404, no such expense.
    """
    row = db.execute(
        f"{_STATE_COLUMNS} WHERE e.entry_id = :id ORDER BY e.seq LIMIT 1", {"documents": True, "id": entry_id}
    ).fetchone()
    if row is None:
        raise _no_such_expense(entry_id)
    return _state(row)


def _state(row: tuple[Any, ...]) -> ExpenseState:
    seq, entry_id, lane, trouble, mend_note, text, vendor_part, outcome = row
    document = None if text is None else KeptDocument(text, vendor_part).served(vendor_based=True)
    return ExpenseState(
        seq, entry_id, Lane(lane), trouble, mend_note, None if outcome is None else json.loads(outcome), document
    )


def find_receipt(db: sqlite3.Connection, world: World, entry_id: str, receipt: int) -> tuple[Any, dict[str, Any]]:
    """Find the document of an expense and the file that names this receipt.

    Repeat: safe, reads only.
    Raises:
        Refusal: 404, no such file.
    """
    rows = db.execute(
        "SELECT document, vendor_part FROM expenses JOIN documents USING (seq) WHERE entry_id = ? ORDER BY seq",
        (entry_id,),
    )
    for text, vendor_part in rows.fetchall():
        document = documents.whole(KeptDocument(text, vendor_part), world.links)
        files = document.get("files") if isinstance(document, dict) else None
        for file in files if isinstance(files, list) else []:
            if isinstance(file, dict) and file.get("receipt") == receipt:
                return document, file
    raise Refusal(404, "FILE_NOT_FOUND", f"Expense {entry_id} has no receipt {receipt}.")


def _no_such_expense(entry_id: str) -> Refusal:
    return Refusal(404, "EXPENSE_NOT_FOUND", f"There is no expense {entry_id}.")
