"""Export jobs: creation, the moves of their status, expiry, and what an ended job does to its items and expenses.

Every reading first lets an overdue job expire, so nobody sees one that should have ended.
Source: definition, Export API (v3); guide on expiry.
"""

import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallybook.sandbox.errors import Refusal, export_not_found
from tallybook.sandbox.notifications import announce_job
from tallybook.sandbox.paging import Listing, Page, PageRequest, fetch_page
from tallybook.sandbox.rules import (
    EXPIRES_IN_S,
    FINAL_JOB_STATUSES,
    ItemStatus,
    JobEvent,
    JobFailureReason,
    JobStatus,
    Lane,
    status_after,
)
from tallybook.sandbox.worlds import World


@dataclass(frozen=True, slots=True)
class Job:
    """An export job; instants are seconds since 1970, UTC."""

    number: int
    id: str
    company_id: str
    status: JobStatus
    number_of_items: int
    number_of_documents: int
    is_interactive: bool
    vendor_based: bool
    created_by: str | None
    created_at: float
    last_updated_at: float
    started_at: float | None
    completed_at: float | None
    expired_at: float | None
    failure_reason: str | None
    failure_reason_type: str | None


@dataclass(frozen=True, slots=True)
class NewJob:
    """What to export: the entries in this order, for whom and how."""

    entry_ids: Sequence[str]
    created_by: str | None = None
    is_interactive: bool = True
    vendor_based: bool = False


_COLUMNS: Final = (
    "number, id, company_id, status, number_of_items, number_of_documents, is_interactive, vendor_based, created_by,"
    " created_at, last_updated_at, started_at, completed_at, expired_at, failure_reason, failure_reason_type"
)
_KEYS: Final = {
    "id": "id",
    "status": "status",
    "numberOfItems": "number_of_items",
    "createdAt": "created_at",
    "lastUpdatedAt": "last_updated_at",
    "startedAt": "started_at",
    "completedAt": "completed_at",
    "expiredAt": "expired_at",
}


def _job(row: tuple[Any, ...]) -> Job:
    values = list(row)
    values[3], values[6], values[7] = JobStatus(row[3]), bool(row[6]), bool(row[7])
    return Job(*values)


def _unfinished(db: sqlite3.Connection) -> Job | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM jobs WHERE status IN ('pending', 'in_progress')").fetchone()
    return None if row is None else _job(row)


def unfinished_job(db: sqlite3.Connection, now_s: float) -> Job | None:
    """Read the job that is pending or in progress; there is at most one.

    Repeat: safe; an overdue job expires once.
    """
    job = _unfinished(db)
    if job is not None and now_s >= job.last_updated_at + EXPIRES_IN_S:
        expired_at = job.last_updated_at + EXPIRES_IN_S
        reason = "The job expired: nothing was heard of it within the limit."
        _end(db, job, JobStatus.FAILED, expired_at, (reason, JobFailureReason.JOB_EXPIRED))
        db.execute("UPDATE jobs SET expired_at = ? WHERE number = ?", (expired_at, job.number))
        return None
    return job


def find_job(db: sqlite3.Connection, now_s: float, job_id: str) -> Job:
    """Read one job.

    Repeat: safe; an overdue job expires once.
    Raises:
        Refusal: 404 EXPORT_NOT_FOUND.
    """
    unfinished_job(db, now_s)
    row = db.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise export_not_found(job_id)
    return _job(row)


def list_jobs(
    db: sqlite3.Connection, now_s: float, statuses: Sequence[JobStatus], request: PageRequest
) -> tuple[Page, list[Job]]:
    """Read a page of jobs, oldest first unless asked otherwise; no statuses means all.

    Repeat: safe; an overdue job expires once.
    Raises:
        Refusal: 400, as `fetch_page`.
    """
    unfinished_job(db, now_s)
    where = f"status IN ({', '.join('?' * len(statuses))})" if statuses else "1"
    listing = Listing("export-jobs", _COLUMNS, f"jobs WHERE {where}", tuple(statuses), _KEYS, "number")
    page = fetch_page(db, listing, request)
    return page, [_job(row[:16]) for row in page.rows]


def create_job(db: sqlite3.Connection, world: World, now_s: float, new: NewJob) -> Job:
    """Create a pending job, lock its entries and write down whom to tell; an entry named twice counts once.

    Repeat: refused with 409 while the first is unfinished.
    Raises:
        Refusal: 409 EXPORT_ALREADY_IN_PROGRESS; 400 MISSING_CONTRA_ACCOUNTS; 404 EXPORT_ENTRY_NOT_FOUND.
    Source: definition POST /v3/export-jobs.
    """
    running = unfinished_job(db, now_s)
    if running is not None:
        raise Refusal(409, "EXPORT_ALREADY_IN_PROGRESS", f"The company's export job {running.id} is not finished.")
    refuse_without_contra_accounts(world)
    cursor = db.execute(
        "INSERT INTO jobs (id, company_id, status, number_of_items, number_of_documents, is_interactive, vendor_based,"
        " created_by, created_at, last_updated_at) VALUES ('', ?, 'pending', 0, 0, ?, ?, ?, ?, ?)",
        (world.company.id, new.is_interactive, new.vendor_based, new.created_by, now_s, now_s),
    )
    number = cursor.lastrowid
    job_id = str(uuid.uuid5(uuid.UUID(world.company.id), f"export job {number}"))
    wanted = dict.fromkeys(new.entry_ids)
    db.executemany(
        "INSERT INTO job_items (job, position, entry_id) VALUES (?, ?, ?)",
        ((number, position, entry_id) for position, entry_id in enumerate(wanted, start=1)),
    )
    unknown = db.execute(
        "SELECT entry_id FROM job_items WHERE job = ?"
        " AND NOT EXISTS (SELECT 1 FROM expenses e WHERE e.entry_id = job_items.entry_id) LIMIT 1",
        (number,),
    ).fetchone()
    if unknown is not None:
        raise Refusal(404, "EXPORT_ENTRY_NOT_FOUND", f"The company has no accounting entry {unknown[0]}.")
    copies = db.execute(
        "UPDATE expenses SET lane = ?, job = ? WHERE entry_id IN (SELECT entry_id FROM job_items WHERE job = ?)",
        (Lane.QUEUE, number, number),
    ).rowcount
    db.execute(
        "UPDATE jobs SET id = ?, number_of_items = ?, number_of_documents = ? WHERE number = ?",
        (job_id, len(wanted), copies, number),
    )
    announce_job(db, job_id, world.company.id, new.created_by, len(wanted), now_s)
    return find_job(db, now_s, job_id)


def entries_to_export(db: sqlite3.Connection, *, only_failed: bool) -> list[str]:
    """List what the Export button takes: the queue, or when it is empty everything unexported.

    `only_failed` takes instead the entries whose last job left them failed or abandoned.

    Repeat: safe, reads only.
    """
    if only_failed:
        where = "lane <> 'exported' AND last_outcome IN ('failed', 'abandoned')"
    elif db.execute("SELECT 1 FROM expenses WHERE lane = 'queue' LIMIT 1").fetchone():
        where = "lane = 'queue'"
    else:
        where = "lane = 'unexported'"
    return [row[0] for row in db.execute(f"SELECT entry_id FROM expenses WHERE {where} ORDER BY seq")]


def refuse_without_contra_accounts(world: World) -> None:
    """Stop a company that has not mapped all its Pleo accounts.

    Raises:
        Refusal: 400 MISSING_CONTRA_ACCOUNTS.
    """
    if not world.contra_accounts:
        currencies = ", ".join(wallet.currency for wallet in world.company.wallets)
        raise Refusal(400, "MISSING_CONTRA_ACCOUNTS", f"No contra account is mapped for: {currencies}.")


def apply_event(
    db: sqlite3.Connection,
    now_s: float,
    job_id: str,
    event: JobEvent,
    failure: tuple[str | None, JobFailureReason | None],
) -> Job:
    """Move a job by an event; `failure` (words, type) is kept with `failed` and ignored with any other.

    Repeat: refused, except that the job is then where the first call took it.
    Raises:
        Refusal: 404 EXPORT_NOT_FOUND; 422 INVALID_EXPORT_JOB_STATUS_CHANGE.
    Source: definition POST /v3/export-job-events.
    """
    job = find_job(db, now_s, job_id)
    status = status_after(job.status, event)
    if status is None:
        raise Refusal(
            422, "INVALID_EXPORT_JOB_STATUS_CHANGE", f"Export job {job.id} is {job.status}; {event} does not fit."
        )
    if status in FINAL_JOB_STATUSES:
        _end(db, job, status, now_s, failure if event is JobEvent.FAILED else (None, None))
        touch(db, job, now_s)
    else:
        db.execute("UPDATE jobs SET status = ?, started_at = ? WHERE number = ?", (status, now_s, job.number))
        touch(db, job, now_s)
    return find_job(db, now_s, job_id)


def cancel_job(db: sqlite3.Connection, now_s: float, job_id: str) -> Job:
    """End a running job as a user does who cancels it in the web app.

    Repeat: refused with 422.
    Raises:
        Refusal: 404 EXPORT_NOT_FOUND; 422 INVALID_EXPORT_JOB_STATUS_CHANGE, it has ended.
    """
    failure = ("A user canceled the export.", JobFailureReason.CANCELED_BY_USER)
    return apply_event(db, now_s, job_id, JobEvent.FAILED, failure)


def touch(db: sqlite3.Connection, job: Job, now_s: float) -> None:
    """Note an action on a job: it expires an hour from now.

    Repeat: safe.
    """
    db.execute("UPDATE jobs SET last_updated_at = ? WHERE number = ?", (now_s, job.number))


def _end(
    db: sqlite3.Connection,
    job: Job,
    status: JobStatus,
    ended_at: float,
    failure: tuple[str | None, JobFailureReason | None],
) -> None:
    db.execute(
        "UPDATE jobs SET status = ?, completed_at = ?, failure_reason = ?, failure_reason_type = ? WHERE number = ?",
        (status, ended_at, *failure, job.number),
    )
    db.execute(
        "UPDATE job_items SET status = 'abandoned' WHERE job = ? AND status IN ('pending', 'in_progress')",
        (job.number,),
    )
    outcome = "(SELECT i.status FROM job_items i WHERE i.entry_id = expenses.entry_id AND i.job = expenses.job)"
    db.execute(f"UPDATE expenses SET last_outcome = {outcome} WHERE job = ?", (job.number,))
    db.execute(
        "UPDATE expenses SET job = NULL, lane = CASE last_outcome WHEN ? THEN ? ELSE ? END WHERE job = ?",
        (ItemStatus.SUCCESSFUL, Lane.EXPORTED, Lane.UNEXPORTED, job.number),
    )


def all_jobs(db: sqlite3.Connection, now_s: float, after: int, limit: int) -> list[Job]:
    """Read jobs after the running number `after`, oldest first.

    Repeat: safe; an overdue job expires once.
    """
    unfinished_job(db, now_s)
    sql = f"SELECT {_COLUMNS} FROM jobs WHERE number > ? ORDER BY number LIMIT ?"
    return [_job(row) for row in db.execute(sql, (after, limit))]


@dataclass(frozen=True, slots=True)
class Effect:
    """A job's move to a status, or with `entry_id` an item's; `n` counts them in the order in which they happened."""

    n: int
    job_id: str
    entry_id: str | None
    status: str
    external_id: str | None
    reason: str | None


def list_effects(db: sqlite3.Connection, after: int, limit: int) -> list[Effect]:
    """Read what happened to jobs and items after number `after`, oldest first; also the same update taken again.

    Repeat: safe, reads only.
    """
    sql = (
        "SELECT f.n, j.id, f.entry_id, f.status, f.external_id, f.reason FROM effects f"
        " JOIN jobs j ON j.number = f.job WHERE f.n > ? ORDER BY f.n LIMIT ?"
    )
    return [Effect(*row) for row in db.execute(sql, (after, limit))]
