"""The ids of webhook notifications that were taken, shared by all workers on a database."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tallybook.store.asking import written
from tallybook.store.tables import webhook_id


@dataclass(frozen=True, slots=True)
class WebhookIds:
    """Remembers which notifications were taken, by any worker, until they are collected."""

    connections: sa.Engine

    async def take(self, notification_id: str, now: datetime) -> bool:
        """Remember an id; False if somebody took it before.

        Repeat: False.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        insert = postgresql.insert if self.connections.dialect.name == "postgresql" else sqlite.insert
        statement = insert(webhook_id).values(id=notification_id, taken_at=now).on_conflict_do_nothing()
        # Asked for the row: of an insert into PostgreSQL the driver does not say how many rows it made.
        taken = statement.returning(webhook_id.c.id)
        return await written(self.connections, lambda connection: connection.scalar(taken) is not None)

    async def give_back(self, notification_id: str) -> None:
        """Forget an id whose notification came to nothing, so that Pleo's next attempt counts.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        statement = sa.delete(webhook_id).where(webhook_id.c.id == notification_id)
        await written(self.connections, lambda connection: connection.execute(statement))

    async def collect(self, before: datetime) -> int:
        """Forget what was taken before an instant; returns how many ids.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        statement = sa.delete(webhook_id).where(webhook_id.c.taken_at < before)
        return await written(self.connections, lambda connection: connection.execute(statement).rowcount)
