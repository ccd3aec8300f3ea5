"""A company's lane: one run at a time, by a lock row that survives the death of whoever holds it.

The engine's own limit of one run per company is not strict between several workers: two may claim two jobs of one
company that were reported within milliseconds. The row is strict: its holder is a run, and only a run that has ended
loses it. On PostgreSQL `tallybook run` takes the lane too, by the name of its lease; workers wait until that ends.
"""

import asyncio
from collections.abc import Callable

import sqlalchemy as sa

from tallybook.engine.presence import BY_HAND, Presence
from tallybook.store.errors import DatabaseInUse


def take(connections: sa.Engine, company_id: str, run: str, has_ended: Callable[[str], bool]) -> str:
    """Take the company's lock for a run if it is free, or its holder has ended; returns the holder.

    Blocks; to be called in a thread.

    Repeat: safe; a run that holds the lock keeps it.
    """
    holder = _take_if_free(connections, company_id, run)
    if holder == run or not has_ended(holder):
        return holder
    return _hand_over(connections, company_id, holder, run)


def is_by_hand(holder: str) -> bool:
    """Whether the holder of a lane is a `tallybook run`."""
    return holder.startswith(BY_HAND)


def lease_is_valid(connections: sa.Engine, worker: str) -> bool:
    """Whether a worker, or a `tallybook run`, is there. Blocks."""
    with connections.connect() as connection:
        valid = sa.text("SELECT count(*) FROM worker_lease WHERE worker = :worker AND expires_at > now()")
        return bool(connection.scalar(valid, {"worker": worker}))


async def take_by_hand(presence: Presence, company_id: str) -> None:
    """Take the lane for a `tallybook run` on PostgreSQL, which holds it as long as its lease lasts.

    A run that a worker left behind gives way, and goes on when the lane is free again.

    Repeat: safe.
    Raises:
        DatabaseInUse: a worker is exporting for the company, or another `tallybook run` or `undo` is at work for it.
    """
    holder = await asyncio.to_thread(_take_by_hand, presence, company_id)
    if holder == presence.worker:
        return
    who = "`tallybook serve` is exporting"
    if is_by_hand(holder):
        who = f"another `tallybook run` or `undo` ({holder.removeprefix(BY_HAND)}) is at work"
    raise DatabaseInUse(
        f"{who} for company {company_id} from {presence.database.shown}; what waits is exported next, "
        "or run again when that has ended"
    )


def _take_by_hand(presence: Presence, company_id: str) -> str:
    connections, ours = presence.connections, presence.worker
    holder = _take_if_free(connections, company_id, ours)
    if holder == ours or _at_work(connections, holder):
        return holder
    taken = _hand_over(connections, company_id, holder, ours)
    if taken == ours and _at_work(connections, holder):
        # A worker took the run up in the moment between our question and our taking its lane: it may be writing.
        return _hand_over(connections, company_id, ours, holder)
    return taken


def _at_work(connections: sa.Engine, holder: str) -> bool:
    """Whether a holder may be writing now: a run in a worker that lives, or a `tallybook run` that does."""
    if is_by_hand(holder):
        return lease_is_valid(connections, holder)
    # The engine's own table, read without launching the engine: that would take up its runs.
    with connections.connect() as connection:
        if connection.scalar(sa.text("SELECT to_regclass('dbos.workflow_status')")) is None:
            return False
        running = sa.text(
            "SELECT count(*) FROM dbos.workflow_status JOIN worker_lease ON worker = executor_id "
            "WHERE workflow_uuid = :run AND status = 'PENDING' AND expires_at > now()"
        )
        return bool(connection.scalar(running, {"run": holder}))


def _take_if_free(connections: sa.Engine, company_id: str, run: str) -> str:
    with connections.begin() as connection:
        holder = _holder(connection, company_id)
        if holder is None:
            connection.execute(
                sa.text("INSERT INTO company_lock (company_id, holder) VALUES (:company, :run) ON CONFLICT DO NOTHING"),
                {"company": company_id, "run": run},
            )
        return holder or _holder(connection, company_id) or run


def _hand_over(connections: sa.Engine, company_id: str, holder: str, run: str) -> str:
    """Give the lock from this holder, and no other, to a run; returns who has it then."""
    with connections.begin() as connection:
        connection.execute(
            sa.text("UPDATE company_lock SET holder = :run WHERE company_id = :company AND holder = :holder"),
            {"company": company_id, "run": run, "holder": holder},
        )
        return _holder(connection, company_id) or run


def _holder(connection: sa.Connection, company_id: str) -> str | None:
    found = sa.text("SELECT holder FROM company_lock WHERE company_id = :company")
    holder: str | None = connection.scalar(found, {"company": company_id})
    return holder
