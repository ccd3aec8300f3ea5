"""Export jobs as a person looks at them: how far, what came of each expense, and what there is to mend.

A job's items say nothing of their results before the job has ended.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from tallybook.sandbox.jobs import Job, all_jobs, find_job
from tallybook.sandbox.rules import FINAL_ITEM_STATUSES, ItemStatus, Lane
from tallybook.sandbox.webapp import words
from tallybook.sandbox.webapp.documents_shown import ExpenseShown, shown
from tallybook.sandbox.worlds import World

ITEMS_PER_PAGE: Final = 50
JOBS_PER_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class JobShown:
    """A job; `reported` of its items have a result, and what it was is known once `ended`."""

    job: Job
    status: str
    ended: bool
    reported: int
    exported: int
    failed: int
    abandoned: int
    who: str


def read_job(db: sqlite3.Connection, world: World, now_s: float, job_id: str) -> JobShown:
    """Read one job.

    Repeat: safe; an overdue job expires once.
    Raises:
        Refusal: 404, no such job.
    """
    return _shown(db, world, find_job(db, now_s, job_id))


def latest_job(db: sqlite3.Connection, world: World, now_s: float) -> JobShown | None:
    """Read the job that was created last.

    Repeat: safe; an overdue job expires once.
    """
    (last,) = db.execute("SELECT coalesce(max(number), 0) FROM jobs").fetchone()
    found = all_jobs(db, now_s, last - 1, 1)
    return _shown(db, world, found[0]) if found else None


def list_jobs(db: sqlite3.Connection, world: World, now_s: float, page: int) -> tuple[list[JobShown], int]:
    """Read a page of the jobs, newest first, and how many pages there are; job numbers have no gaps.

    Repeat: safe; an overdue job expires once.
    """
    (last,) = db.execute("SELECT coalesce(max(number), 0) FROM jobs").fetchone()
    pages = max(1, -(-last // JOBS_PER_PAGE))
    newest = last - (min(max(page, 1), pages) - 1) * JOBS_PER_PAGE
    oldest = max(0, newest - JOBS_PER_PAGE)
    found = all_jobs(db, now_s, oldest, newest - oldest)
    return [_shown(db, world, job) for job in reversed(found)], pages


def _shown(db: sqlite3.Connection, world: World, job: Job) -> JobShown:
    counts = dict(db.execute("SELECT status, count(*) FROM job_items WHERE job = ? GROUP BY status", (job.number,)))
    return JobShown(
        job,
        words.job_status(job),
        words.has_ended(job),
        reported=sum(counts.get(status, 0) for status in FINAL_ITEM_STATUSES),
        exported=counts.get(ItemStatus.SUCCESSFUL, 0),
        failed=counts.get(ItemStatus.FAILED, 0),
        abandoned=counts.get(ItemStatus.ABANDONED, 0),
        who=_who(world, job),
    )


def _who(world: World, job: Job) -> str:
    if job.created_by is not None:
        names = {employee.id: employee.name for employee in world.company.employees}
        return names.get(job.created_by, job.created_by)
    return "A user" if job.is_interactive else "Automatic"


@dataclass(frozen=True, slots=True)
class ItemShown:
    """An expense in a job; results are empty until the job has ended. `mended` says what was changed since then."""

    entry_id: str
    status: str
    failed: bool
    external_id: str
    external_url: str
    link: str | None
    exported_at: str
    reason: str
    reason_type: str
    where_to_mend: str
    lane: str
    mended: tuple[str, ...]
    expense: ExpenseShown | None
    job: Job


_ITEMS: Final = """
SELECT i.entry_id, i.status, i.external_id, i.external_url, i.exported_at, i.failure_reason, i.failure_reason_type,
  e.lane, d.document, d.vendor_part
FROM job_items i
LEFT JOIN expenses e ON e.seq = (SELECT min(seq) FROM expenses WHERE entry_id = i.entry_id)
LEFT JOIN documents d ON d.seq = e.seq
"""


def list_items(
    db: sqlite3.Connection, world: World, job: Job, page: int, *, only_unexported: bool = False
) -> tuple[list[ItemShown], int, int]:
    """Read a page of a job's items in their order, with the number of pages and of items.

    `only_unexported` leaves out what was exported.

    Repeat: safe, reads only.
    """
    where, parameters = "i.job = ?", [job.number]
    if only_unexported:
        where += " AND i.status IN ('failed', 'abandoned')"
    (total,) = db.execute(f"SELECT count(*) FROM job_items i WHERE {where}", parameters).fetchone()
    pages = max(1, -(-total // ITEMS_PER_PAGE))
    first = (min(max(page, 1), pages) - 1) * ITEMS_PER_PAGE
    # What failed stands before what never had its turn.
    order = "ORDER BY i.status = 'abandoned', i.position" if only_unexported else "ORDER BY i.position"
    rows = db.execute(f"{_ITEMS} WHERE {where} {order} LIMIT {ITEMS_PER_PAGE} OFFSET {first}", parameters).fetchall()
    return [_item(db, world, job, row) for row in rows], pages, total


def way_through_jobs(db: sqlite3.Connection, world: World, now_s: float, entry_id: str) -> list[ItemShown]:
    """Read the items of an entry in every job that held it, oldest first.

    Repeat: safe; an overdue job expires once.
    """
    ids = db.execute(
        "SELECT j.id FROM job_items i JOIN jobs j ON j.number = i.job WHERE i.entry_id = ? ORDER BY i.job", (entry_id,)
    ).fetchall()
    held = [find_job(db, now_s, job_id) for (job_id,) in ids]
    sql = f"{_ITEMS} WHERE i.entry_id = ? AND i.job = ?"
    return [_item(db, world, job, db.execute(sql, (entry_id, job.number)).fetchone()) for job in held]


def to_export_again(db: sqlite3.Connection, job: Job) -> list[str]:
    """List the entries of an ended job that were not exported, and are free to be exported now.

    Repeat: safe, reads only.
    """
    rows = db.execute(
        # Left alone, SQLite reads the whole lane for each item.
        "SELECT i.entry_id FROM job_items i WHERE i.job = ? AND i.status IN ('failed', 'abandoned') AND EXISTS"
        " (SELECT 1 FROM expenses e INDEXED BY expenses_by_entry WHERE e.entry_id = i.entry_id AND e.lane = ?)"
        " ORDER BY i.position",
        (job.number, Lane.UNEXPORTED),
    )
    return [row[0] for row in rows]


def _item(db: sqlite3.Connection, world: World, job: Job, row: tuple[Any, ...]) -> ItemShown:
    entry_id, status, external_id, external_url, exported_at, reason, reason_type, lane, text, vendor_part = row
    ended = words.has_ended(job)
    if not ended:
        external_id = external_url = exported_at = reason = reason_type = None
    failed = ended and status != ItemStatus.SUCCESSFUL
    mended = db.execute(
        "SELECT what FROM mends WHERE entry_id = ? AND at >= ? ORDER BY n", (entry_id, job.completed_at or 0)
    )
    return ItemShown(
        entry_id=entry_id,
        status=words.item_status(status, job_ended=ended),
        failed=failed,
        external_id=external_id or "",
        external_url=external_url or "",
        link=words.web_link(external_url),
        exported_at=exported_at or "",
        reason=reason or "",
        reason_type=reason_type or "",
        where_to_mend=words.where_to_mend(status, reason_type) if failed else "",
        lane=lane or "",
        mended=tuple(what for (what,) in mended) if failed else (),
        expense=None if text is None else shown(text, vendor_part, world.links),
        job=job,
    )
