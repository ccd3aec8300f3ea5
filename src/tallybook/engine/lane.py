"""A company's lane: one run at a time, by a lock row that survives the death of whoever holds it.

The engine's own limit of one run per company is not strict between several workers: two may claim two jobs of one
company that were reported within milliseconds. The row is strict: its holder is a run, and only a run that has ended
loses it.
"""

from collections.abc import Callable

import sqlalchemy as sa


def take(connections: sa.Engine, company_id: str, run: str, has_ended: Callable[[str], bool]) -> str:
    """Take the company's lock for a run if it is free, or its holder has ended; returns the holder.

    Blocks; to be called in a thread.

    Repeat: safe; a run that holds the lock keeps it.
    """
    who = {"company_id": company_id, "run": run}
    with connections.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO company_lock (company_id, holder) VALUES (:company_id, :run) ON CONFLICT DO NOTHING"),
            who,
        )
        holder = _holder(connection, company_id)
    if holder == run or not has_ended(holder):
        return holder
    with connections.begin() as connection:  # only from this holder: another run may have been quicker
        connection.execute(
            sa.text("UPDATE company_lock SET holder = :run WHERE company_id = :company_id AND holder = :holder"),
            {**who, "holder": holder},
        )
        return _holder(connection, company_id)


def _holder(connection: sa.Connection, company_id: str) -> str:
    found = connection.execute(
        sa.text("SELECT holder FROM company_lock WHERE company_id = :company_id"), {"company_id": company_id}
    )
    return str(found.scalar_one())
