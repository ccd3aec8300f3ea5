"""Reading the history: jobs, newest first; a job's steps, calls and items; and what came of jobs day by day."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median
from typing import Any, Final

import sqlalchemy as sa

from tallybook.history.job import Call, Day, Item, Job, PlannedDocument, PlannedLine, State, Step
from tallybook.history.notes import Row
from tallybook.store.asking import asked, aware
from tallybook.store.tables import job_history, job_history_call, job_history_item, job_history_step

_JOBS_COUNTED_MAX: Final = 50_000  # for the charts; the newest


@dataclass(frozen=True, slots=True)
class History:
    """The history of all jobs on a database. Every reading may raise DatabaseUnusable, and is safe to repeat."""

    connections: sa.Engine

    async def jobs(
        self,
        *,
        company_id: str | None = None,
        state: State | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """List jobs, the one seen last first; `before` is when the last one of the page above was seen, and its id.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        seen = (job_history.c.first_seen_at, job_history.c.job_id)
        wanted = sa.select(job_history).order_by(*(column.desc() for column in seen)).limit(limit)
        if company_id is not None:
            wanted = wanted.where(job_history.c.company_id == company_id)
        if state is not None:
            wanted = wanted.where(job_history.c.state == state.value)
        if before is not None:
            last = (sa.literal(value, column.type) for value, column in zip(before, seen, strict=True))
            wanted = wanted.where(sa.tuple_(*seen) < sa.tuple_(*last))
        return [_job(row) for row in await self._rows(wanted)]

    async def job(self, job_id: str) -> Job | None:
        """Give one job; None where none of that id is known.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        rows = await self._rows(sa.select(job_history).where(job_history.c.job_id == job_id))
        return _job(rows[0]) if rows else None

    async def at_work(self, job_ids: Collection[str], now: datetime) -> set[str]:
        """Say which of these jobs, at most 1,000, an export is at work on: running, and heard of lately.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        if not job_ids:
            return set()
        wanted = sa.select(job_history).where(job_history.c.job_id.in_(job_ids))
        rows = await self._rows(wanted.where(job_history.c.state == State.RUNNING.value))
        return {job.job_id for job in map(_job, rows) if not job.is_silent(now)}

    async def steps(self, job_id: str) -> dict[int, Step]:
        """Give what a job did in each of the seven steps, by number; a step that called nobody is missing.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        wanted = sa.select(job_history_step).where(job_history_step.c.job_id == job_id)
        found = [Step(**_without_job(row)) for row in await self._rows(wanted.order_by(job_history_step.c.step))]
        return {step.step: step for step in found}

    async def calls(self, job_id: str, *, limit: int, skip: int = 0) -> list[Call]:
        """List a job's calls in the order in which they ended.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        table = job_history_call
        wanted = sa.select(table).where(table.c.job_id == job_id).order_by(table.c.run_at, table.c.number)
        return [Call(**_without_job(row)) for row in await self._rows(wanted.limit(limit).offset(skip))]

    async def listed(self, job_id: str) -> tuple[int, int]:
        """Count the calls and the items that are listed: notes that a killed run had not written down are missing.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        counts = [
            sa.select(sa.func.count()).where(table.c.job_id == job_id) for table in (job_history_call, job_history_item)
        ]
        calls, items = [int((await self._rows(count))[0][0]) for count in counts]
        return calls, items

    async def items(
        self, job_id: str, *, failed: bool | None = None, after: str | None = None, limit: int = 100
    ) -> list[Item]:
        """List a job's items by their entry's id, all of them or those that failed, or did not; `after` an entry.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        table = job_history_item
        wanted = sa.select(table).where(table.c.job_id == job_id).order_by(table.c.entry_id).limit(limit)
        if failed is not None:
            wanted = wanted.where(table.c.reason.is_not(None) if failed else table.c.reason.is_(None))
        if after is not None:
            wanted = wanted.where(table.c.entry_id > after)
        return [_item(row) for row in await self._rows(wanted)]

    async def items_of(self, job_id: str, entry_ids: Sequence[str]) -> list[Item]:
        """Give those of a job's items that are of these entries, at most 1,000.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        table = job_history_item
        wanted = sa.select(table).where(table.c.job_id == job_id, table.c.entry_id.in_(entry_ids))
        return [_item(row) for row in await self._rows(wanted)]

    async def outcomes(self, since: datetime, *, company_id: str | None = None) -> list[Day]:
        """Say for each day, UTC, from `since` on what came of the jobs that ended on it; days without one are missing.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        table = job_history
        wanted = sa.select(table.c.state, table.c.started_at, table.c.ended_at).where(table.c.ended_at >= since)
        if company_id is not None:
            wanted = wanted.where(table.c.company_id == company_id)
        ended: dict[date, Counter[State]] = defaultdict(Counter)
        took_s: dict[date, list[float]] = defaultdict(list)
        for row in await self._rows(wanted.order_by(table.c.ended_at.desc()).limit(_JOBS_COUNTED_MAX)):
            on = aware(row.ended_at).date()
            ended[on][State(row.state)] += 1
            if row.started_at is not None and row.state != State.ENDED_ELSEWHERE:
                took_s[on].append((row.ended_at - row.started_at).total_seconds())
        return [
            Day(on, ended[on], median(took_s[on]) if took_s[on] else None, max(took_s[on], default=None))
            for on in sorted(ended)
        ]

    async def _rows(self, wanted: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        return await asked(self.connections, lambda connection: connection.execute(wanted).all())


def _values(row: sa.Row[Any]) -> Row:
    return {name: aware(value) if isinstance(value, datetime) else value for name, value in row._asdict().items()}


def _without_job(row: sa.Row[Any]) -> Row:
    return {name: value for name, value in _values(row).items() if name != "job_id"}


def _job(row: sa.Row[Any]) -> Job:
    values = _values(row)
    return Job(**values | {"state": State(values["state"])})


def _item(row: sa.Row[Any]) -> Item:
    values = _without_job(row)
    planned = json.loads(values.pop("planned") or "[]")
    return Item(**values, documents=tuple(map(_document, planned)))


def _document(said: Row) -> PlannedDocument:
    lines = (
        PlannedLine(account, amount_minor, role, tax_code, tuple((group, code) for group, code in dimensions))
        for account, amount_minor, role, tax_code, dimensions in said["lines"]
    )
    return PlannedDocument(said["kind"], said["currency"], said["on"], tuple(lines), said.get("vendor"))
