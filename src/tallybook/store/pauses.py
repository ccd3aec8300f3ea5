"""Companies that are paused: their export jobs are not started until somebody resumes them, by any worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tallybook.store.asking import asked, aware, written
from tallybook.store.tables import company_pause


@dataclass(frozen=True, slots=True)
class Pause:
    """Since when a company is paused, and who did it."""

    paused_at: datetime
    paused_by: str


@dataclass(frozen=True, slots=True)
class Pauses:
    """The pauses in one database; company ids in lower case."""

    connections: sa.Engine

    async def all(self) -> Mapping[str, Pause]:
        """Read every pause, by company.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        return await asked(
            self.connections,
            lambda connection: {
                row.company_id: Pause(aware(row.paused_at), row.paused_by)
                for row in connection.execute(sa.select(company_pause))
            },
        )

    async def of(self, company_id: str) -> Pause | None:
        """Read the pause of one company; None where it has none.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        wanted = sa.select(company_pause).where(company_pause.c.company_id == company_id)
        row = await asked(self.connections, lambda connection: connection.execute(wanted).one_or_none())
        return None if row is None else Pause(aware(row.paused_at), row.paused_by)

    async def begin(self, company_id: str, pause: Pause) -> bool:
        """Pause a company; False if it was paused already, which stays as it is.

        Repeat: False.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        insert = postgresql.insert if self.connections.dialect.name == "postgresql" else sqlite.insert
        row = {"company_id": company_id, "paused_at": pause.paused_at, "paused_by": pause.paused_by}
        # Asked for the row: of an insert into PostgreSQL the driver does not say how many rows it made.
        begun = insert(company_pause).values(row).on_conflict_do_nothing().returning(company_pause.c.company_id)
        return await written(self.connections, lambda connection: connection.scalar(begun) is not None)

    async def end(self, company_id: str) -> bool:
        """Resume a company; False if it was not paused.

        Repeat: False.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        ended = sa.delete(company_pause).where(company_pause.c.company_id == company_id)
        return await written(self.connections, lambda connection: connection.execute(ended).rowcount > 0)
