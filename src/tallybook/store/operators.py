"""Who is logged in at the console, and which passwords were tried: shared by all workers on a database."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tallybook.store.asking import asked, written
from tallybook.store.tables import console_password_try, console_session


@dataclass(frozen=True, slots=True)
class Operators:
    """Sessions and tried passwords; `password` names the password in force, so that a new one ends all sessions."""

    connections: sa.Engine
    password: str

    async def admit(self, kept_as: str, name: str, *, now: datetime, until: datetime) -> None:
        """Begin a session under the hash of its token; sessions that ran out are deleted on the way.

        Repeat: refused by the database; a token is used once.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        row = {"kept_as": kept_as, "name": name, "password": self.password, "expires_at": until}

        def admitted(connection: sa.Connection) -> None:
            connection.execute(sa.delete(console_session).where(console_session.c.expires_at <= now))
            connection.execute(sa.insert(console_session).values(row))

        await written(self.connections, admitted)

    async def name_of(self, kept_as: str, now: datetime) -> str | None:
        """Say whose session it is; None where it ended, or was begun with another password.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        session = console_session.c
        wanted = sa.select(session.name).where(
            session.kept_as == kept_as, session.password == self.password, session.expires_at > now
        )
        return await asked(self.connections, lambda connection: connection.scalar(wanted))

    async def dismiss(self, kept_as: str) -> None:
        """End a session.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        ended = sa.delete(console_session).where(console_session.c.kept_as == kept_as)
        await written(self.connections, lambda connection: connection.execute(ended))

    async def may_try(self, address: str, at: datetime, *, since: datetime, at_most: int) -> bool:
        """Count a password that is about to be tried from an address; False if there were `at_most` since an instant.

        Counted beforehand, so that many at once are not all let through. What is older than `since` is forgotten.

        Repeat: counts once more.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        tried = console_password_try

        def counted(connection: sa.Connection) -> bool:
            connection.execute(sa.delete(tried).where(tried.c.at <= since))
            count = connection.scalar(sa.select(sa.func.count()).where(tried.c.address == address)) or 0
            if count < at_most:
                connection.execute(sa.insert(tried).values(address=address, at=at))
            return count < at_most

        return await written(self.connections, counted)

    async def forget_tries(self, address: str) -> None:
        """Forget what was tried from an address: the right password came.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        forgotten = sa.delete(console_password_try).where(console_password_try.c.address == address)
        await written(self.connections, lambda connection: connection.execute(forgotten))
