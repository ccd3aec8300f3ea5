"""Notes: what was told of jobs and is not in the database yet; and how it gets there, in a few statements at once."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tallybook.accounting.entry import Entry
from tallybook.history.job import State
from tallybook.store.tables import job_history, job_history_call, job_history_item, job_history_step

CALLS_LISTED_MAX: Final = 1000  # of a job; of those that follow, only failures, until twice as many are listed
RECEIPTS_LISTED_MAX: Final = CALLS_LISTED_MAX // 2  # beyond, only those that failed: there are calls of more moment
_KNOWN_LATER: Final = ("expires_at", "items", "successful", "failed", "page")  # not yet when a run begins
_DELETED_AT_ONCE: Final = 1000
_INTEGER_MAX: Final = 2**31 - 1
Row = dict[str, Any]


@dataclass(slots=True)
class Notes:
    """Rows by table. A job's row and a step's are the newest there is; calls and items are added one by one."""

    seen: dict[str, Row] = field(default_factory=dict)
    jobs: dict[str, Row] = field(default_factory=dict)
    steps: dict[tuple[str, int], Row] = field(default_factory=dict)
    calls: list[Row] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    unbegun: dict[str, Row] = field(default_factory=dict)  # what is to be said of jobs if they wait still

    def __bool__(self) -> bool:
        return bool(self.seen or self.jobs or self.steps or self.calls or self.items or self.unbegun)

    @property
    def size(self) -> int:
        """Calls and items, which are what grows."""
        return len(self.calls) + len(self.items)

    def add_job(self, row: Row) -> None:
        """Put the newest row of a job in place of an earlier one, which loses nothing but what it counts as lost."""
        earlier = self.jobs.get(row["job_id"])
        self.jobs[row["job_id"]] = row if earlier is None else row | {"lost": row["lost"] + earlier["lost"]}

    def add_to_step(self, row: Row) -> None:
        """Add up calls of one step."""
        known = self.steps.setdefault((row["job_id"], row["step"]), row)
        if known is not row:
            known["began_at"] = min(known["began_at"], row["began_at"])
            known["ended_at"] = max(known["ended_at"], row["ended_at"])
            for name in ("calls", "failed_calls", "calls_ms"):
                known[name] += row[name]

    def put_before(self, newer: "Notes") -> "Notes":
        """Join with what was told since; these could not be written down yet."""
        joined = Notes(self.seen | newer.seen, self.jobs, self.steps)
        for row in newer.jobs.values():
            joined.add_job(row)
        for row in newer.steps.values():
            joined.add_to_step(row)
        joined.calls, joined.items = self.calls + newer.calls, self.items + newer.items
        joined.unbegun = self.unbegun | newer.unbegun
        return joined


def collect(connection: sa.Connection, before: datetime) -> bool:
    """Delete some of what was last heard of before an instant; False when nothing of it is left.

    A piece at a time, so that exports get their turn at the database.

    Repeat: deletes the next piece.
    """
    old = sa.select(job_history.c.job_id).where(job_history.c.told_at < before).order_by(job_history.c.told_at).limit(1)
    if (job_id := connection.scalar(old)) is None:
        return False
    for table, key in ((job_history_item, job_history_item.c.entry_id), (job_history_call, job_history_call.c.number)):
        of_job = table.c.job_id == job_id
        piece = sa.select(key).where(of_job).limit(_DELETED_AT_ONCE)
        if connection.execute(sa.delete(table).where(of_job, key.in_(piece))).rowcount:
            return True
    for table in (job_history_step, job_history):
        connection.execute(sa.delete(table).where(table.c.job_id == job_id))
    return True


def write(connection: sa.Connection, notes: Notes, listed: dict[str, int]) -> None:
    """Write notes down, in one statement a table; `listed` counts the calls of each job that are in the table.

    Repeat: safe but for the steps' counts.
    """
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    if notes.seen:
        connection.execute(
            insert(job_history).on_conflict_do_nothing(), [_storable(row) for row in notes.seen.values()]
        )
    if notes.jobs:
        connection.execute(_upsert_jobs(insert), [_storable(row) for row in notes.jobs.values()])
    if notes.unbegun:  # after the runs: another worker's may have been quicker
        waiting = (job_history.c.job_id == sa.bindparam("of_job"), job_history.c.state == State.WAITING.value)
        connection.execute(
            sa.update(job_history).where(*waiting),
            [row | {"of_job": job_id} for job_id, row in notes.unbegun.items()],
        )
    if notes.steps:
        connection.execute(_upsert_steps(insert), list(notes.steps.values()))
    if calls := _listed(connection, notes.calls, listed):
        connection.execute(insert(job_history_call).on_conflict_do_nothing(), calls)
    if notes.items:
        connection.execute(_upsert_items(insert), [_item(row) for row in notes.items])


def _upsert_jobs(insert: Callable[[sa.Table], Any]) -> Any:
    """A job that has its final event stays as it is. What is known no more, or was first, is kept as it was."""
    new = insert(job_history)
    changes = {column.name: new.excluded[column.name] for column in job_history.c if not column.primary_key}
    changes |= {"first_seen_at": job_history.c.first_seen_at, "lost": job_history.c.lost + new.excluded.lost}
    changes |= {"started_at": sa.func.coalesce(job_history.c.started_at, new.excluded.started_at)}
    changes |= {name: sa.func.coalesce(new.excluded[name], job_history.c[name]) for name in _KNOWN_LATER}
    return new.on_conflict_do_update(index_elements=["job_id"], set_=changes, where=job_history.c.event.is_(None))


def _upsert_steps(insert: Callable[[sa.Table], Any]) -> Any:
    new = insert(job_history_step)
    sums = {name: job_history_step.c[name] + new.excluded[name] for name in ("calls", "failed_calls", "calls_ms")}
    return new.on_conflict_do_update(
        index_elements=["job_id", "step"], set_={**sums, "ended_at": new.excluded.ended_at}
    )


def _upsert_items(insert: Callable[[sa.Table], Any]) -> Any:
    new = insert(job_history_item)
    keys = ("job_id", "entry_id")
    changes = {column.name: new.excluded[column.name] for column in job_history_item.c if column.name not in keys}
    for name in ("planned", "receipts"):
        changes[name] = sa.func.coalesce(new.excluded[name], job_history_item.c[name])
    return new.on_conflict_do_update(index_elements=list(keys), set_=changes)


def _listed(connection: sa.Connection, calls: Sequence[Row], listed: dict[str, int]) -> list[Row]:
    """Choose the calls that are listed one by one; the steps count the others."""
    chosen: list[Row] = []
    for row in calls:
        job_id = row["job_id"]
        if job_id not in listed:
            there = sa.select(sa.func.count()).where(job_history_call.c.job_id == job_id)
            listed[job_id] = connection.scalar(there) or 0
        listed_max = RECEIPTS_LISTED_MAX if row["system"] == "receipts" else CALLS_LISTED_MAX
        if listed[job_id] < (2 * CALLS_LISTED_MAX if row["error"] else listed_max):
            listed[job_id] += 1
            chosen.append(row)
    return chosen


def _item(row: Row) -> Row:
    planned: Entry | None = row["planned"]
    return _storable(row | {"planned": None if planned is None else _json(planned)})


def _json(entry: Entry) -> str:
    """Codes and amounts of an entry's documents; none of its texts, no vendor's name, and nothing of its details."""
    return json.dumps(
        [
            {
                "kind": document.kind,
                "currency": document.currency,
                "on": entry.posting_on.isoformat(),
                "vendor": document.vendor or "",
                "lines": [
                    [
                        line.account,
                        line.amount_minor,
                        line.role,
                        line.tax_code,
                        [[dimension.group, dimension.code] for dimension in line.dimensions],
                    ]
                    for line in document.lines
                ],
            }
            for document in entry.documents
        ],
        separators=(",", ":"),
    )


def _storable(row: Mapping[str, Any]) -> Row:
    """Numbers, links and counts come from Pleo and accounting systems: what a database cannot keep is replaced."""
    return {name: _kept(value) for name, value in row.items()}


def _kept(value: Any) -> Any:
    if isinstance(value, int):
        return min(value, _INTEGER_MAX)
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return value
