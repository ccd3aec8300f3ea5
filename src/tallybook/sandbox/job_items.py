"""Export job items: how far each entry of a job has come, and the updates an integration reports.

Source: definition GET and PUT /v3/export-jobs/{jobId}/items, GET /v3/export-job-items.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallybook.sandbox.errors import Refusal
from tallybook.sandbox.jobs import Job, touch, unfinished_job
from tallybook.sandbox.paging import Listing, Page, PageRequest, fetch_page
from tallybook.sandbox.rules import (
    ITEMS_PER_UPDATE_MAX,
    ItemFailureReason,
    ItemStatus,
    ItemUpdateError,
    JobStatus,
    item_may_become,
)

EXTERNAL_ID_LENGTH_MAX: Final = 255  # open in the definition, chosen here
EXTERNAL_URL_LENGTH_MAX: Final = 2048  # open in the definition, chosen here


@dataclass(frozen=True, slots=True)
class JobItem:
    """The state of one entry in one job."""

    job_id: str
    entry_id: str
    status: str
    external_id: str | None = None
    external_url: str | None = None
    exported_at: str | None = None
    failure_reason: str | None = None
    failure_reason_type: str | None = None


@dataclass(frozen=True, slots=True)
class ItemUpdate:
    """One element of an update; None leaves what was known before."""

    entry_id: str
    status: ItemStatus
    external_id: str | None = None
    external_url: str | None = None
    exported_at: str | None = None
    failure_reason: str | None = None
    failure_reason_type: ItemFailureReason | None = None


@dataclass(frozen=True, slots=True)
class UpdateRefused:
    """One element of an update that was not taken, and why."""

    entry_id: str
    error: ItemUpdateError
    message: str


_COLUMNS: Final = (
    "i.entry_id, i.status, i.external_id, i.external_url, i.exported_at, i.failure_reason, i.failure_reason_type"
)
_KEYS: Final = {"accountingEntryId": "i.entry_id", "status": "i.status", "exportedAt": "i.exported_at"}


def list_job_items(
    db: sqlite3.Connection, job: Job, status: ItemStatus | None, request: PageRequest
) -> tuple[Page, list[JobItem]]:
    """Read a page of a job's items, in the order of the job unless asked otherwise.

    Repeat: safe, reads only.
    Raises:
        Refusal: 400, as `fetch_page`.
    """
    where, parameters = ("", ()) if status is None else (" AND i.status = ?", (status,))
    listing = Listing(
        name=f"export-job-items:{job.number}:{status}",
        columns=_COLUMNS,
        source=f"job_items i WHERE i.job = ?{where}",
        parameters=(job.number, *parameters),
        keys=_KEYS,
        identity="i.position",
        total=job.number_of_items if status is None else None,
    )
    page = fetch_page(db, listing, request)
    return page, [JobItem(job.id, *row[:7]) for row in page.rows]


def find_job_item(db: sqlite3.Connection, now_s: float, entry_id: str) -> JobItem:
    """Read the item of an entry in the latest job that holds it.

    Repeat: safe; an overdue job expires once.
    Raises:
        Refusal: 404 EXPORT_ENTRY_NOT_FOUND.
    """
    unfinished_job(db, now_s)
    row = db.execute(
        f"SELECT j.id, {_COLUMNS} FROM job_items i JOIN jobs j ON j.number = i.job"
        " WHERE i.entry_id = ? ORDER BY i.job DESC LIMIT 1",
        (entry_id,),
    ).fetchone()
    if row is None:
        raise Refusal(404, "EXPORT_ENTRY_NOT_FOUND", f"No export job holds the accounting entry {entry_id}.")
    return JobItem(*row)


def refuse_too_many(count: int) -> None:
    """Hold an update to its published size.

    Raises:
        Refusal: 413 EXPORT_JOB_ITEMS_UPDATE_LIMIT above 100 elements.
    """
    if count > ITEMS_PER_UPDATE_MAX:
        message = f"At most {ITEMS_PER_UPDATE_MAX} items can be updated at once; there are {count}."
        raise Refusal(413, "EXPORT_JOB_ITEMS_UPDATE_LIMIT", message)


def update_job_items(
    db: sqlite3.Connection,
    now_s: float,
    job: Job,
    updates: Sequence[ItemUpdate],
    refused_on_purpose: dict[str, ItemUpdateError],
) -> tuple[list[JobItem], list[UpdateRefused]]:
    """Take the updates that can be taken; the others come back with their reason.

    `refused_on_purpose` names entries that a fault refuses. The job's hour starts anew when anything was taken.

    Repeat: safe, the same update is accepted again.
    Raises:
        Refusal: 422 EXPORT_JOB_STATUS_UNPROCESSABLE, the job was not started or has ended.
    """
    if job.status is not JobStatus.IN_PROGRESS:
        message = f"Export job {job.id} is {job.status}; items can be updated while it is in progress."
        raise Refusal(422, "EXPORT_JOB_STATUS_UNPROCESSABLE", message)
    present = _present(db, job, updates)
    taken: list[JobItem] = []
    refused: list[UpdateRefused] = []
    for update in updates:
        error = _refusal(update, present.get(update.entry_id), refused_on_purpose)
        if error is not None:
            refused.append(error)
            continue
        item = _write(db, job, present[update.entry_id][0], update)
        present[update.entry_id] = (present[update.entry_id][0], update.status)
        taken.append(item)
    if taken:
        touch(db, job, now_s)
    return taken, refused


def _present(db: sqlite3.Connection, job: Job, updates: Sequence[ItemUpdate]) -> dict[str, tuple[int, ItemStatus]]:
    ids = [update.entry_id for update in updates]
    rows = db.execute(
        # Left alone, SQLite reads the whole job.
        "SELECT entry_id, position, status FROM job_items INDEXED BY job_items_by_entry"
        f" WHERE job = ? AND entry_id IN ({', '.join('?' * len(ids))})",
        (job.number, *ids),
    )
    return {entry_id: (position, ItemStatus(status)) for entry_id, position, status in rows}


def _refusal(
    update: ItemUpdate, present: tuple[int, ItemStatus] | None, refused_on_purpose: dict[str, ItemUpdateError]
) -> UpdateRefused | None:
    entry_id = update.entry_id
    if entry_id in refused_on_purpose:
        return UpdateRefused(entry_id, refused_on_purpose[entry_id], "Refused by a fault set in the sandbox.")
    if present is None:
        return UpdateRefused(
            entry_id, ItemUpdateError.ACCOUNTING_ENTRY_DOES_NOT_EXIST, f"The job does not hold the entry {entry_id}."
        )
    if not item_may_become(present[1], update.status):
        message = f"The item is {present[1]} for good and cannot become {update.status}."
        return UpdateRefused(entry_id, ItemUpdateError.EXPORT_ENTRY_STATUS_UPDATE_FAILED, message)
    problem = _unstorable(update)
    if problem is None:
        return None
    return UpdateRefused(entry_id, ItemUpdateError.ACCOUNTING_ENTRY_UPDATE_FAILED, problem)


def _unstorable(update: ItemUpdate) -> str | None:
    if update.external_id is not None and len(update.external_id) > EXTERNAL_ID_LENGTH_MAX:
        return f"externalId is longer than {EXTERNAL_ID_LENGTH_MAX} characters."
    if update.external_url is not None and len(update.external_url) > EXTERNAL_URL_LENGTH_MAX:
        return f"externalUrl is longer than {EXTERNAL_URL_LENGTH_MAX} characters."
    return None


def _write(db: sqlite3.Connection, job: Job, position: int, update: ItemUpdate) -> JobItem:
    # Words about a failure belong to one; with any other status they are dropped.
    failed = update.status in {ItemStatus.FAILED, ItemStatus.ABANDONED}
    values: tuple[Any, ...] = (
        update.status,
        update.external_id,
        update.external_url,
        update.exported_at,
        update.failure_reason if failed else None,
        update.failure_reason_type if failed else None,
        job.number,
        position,
    )
    row = db.execute(
        "UPDATE job_items SET status = ?, external_id = coalesce(?, external_id),"
        " external_url = coalesce(?, external_url), exported_at = coalesce(?, exported_at),"
        " failure_reason = coalesce(?, failure_reason), failure_reason_type = coalesce(?, failure_reason_type)"
        " WHERE job = ? AND position = ?"
        " RETURNING entry_id, status, external_id, external_url, exported_at, failure_reason, failure_reason_type",
        values,
    ).fetchone()
    return JobItem(job.id, *row)
