"""Logins at Pleo as the database keeps them: sealed, one row each, and one process at a time that renews one.

Everything here blocks: call it from a thread. Connections are opened for each call, of which there is one an hour.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import sqlalchemy as sa
import structlog

from tallybook.store.database import Database, migrated
from tallybook.store.errors import DatabaseUnusable, StoreError
from tallybook.store.tables import oauth_login

TURN_WITHIN_S, KEEP_WITHIN_S, _PAUSE_S = 45.0, 30.0, 0.05  # a renewal itself takes 30 s at most

_T = TypeVar("_T")
log = structlog.get_logger()


class LoginBusy(StoreError):
    """Another process has been renewing the login for too long."""


@dataclass(frozen=True, slots=True)
class StoredLogin:
    """A login as it is kept; `version` grows with every renewal, `ended` says why Pleo no longer takes it."""

    name: str
    version: int
    sealed: str = field(repr=False)
    ended: str | None


@dataclass(frozen=True, slots=True)
class LoginStore:
    """The logins in one database."""

    database: Database

    def read(self, name: str) -> StoredLogin | None:
        """Read a login; None where there is none, or no database yet.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        if not self.database.shared and not self.database.file.exists():
            return None

        def asked(connection: sa.Connection) -> StoredLogin | None:
            if not sa.inspect(connection).has_table(oauth_login.name):
                return None
            row = connection.execute(sa.select(oauth_login).where(oauth_login.c.name == name)).one_or_none()
            return None if row is None else StoredLogin(row.name, row.version, row.sealed, row.ended)

        return self._ask(asked)

    def prepare(self) -> None:
        """Make the database and our tables, where they are not there yet.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database cannot be used.
        """
        self.database.check()
        if not self.database.shared:
            self.database.prepare_file()
        connections = self.database.connect()
        try:
            with migrated(self.database, connections):
                pass
        finally:
            connections.dispose()

    def put(self, name: str, sealed: str) -> None:
        """Keep a new login, in place of an earlier one of that name; `prepare` comes first.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """

        def put(connection: sa.Connection) -> None:
            known = connection.scalar(sa.select(oauth_login.c.version).where(oauth_login.c.name == name))
            connection.execute(sa.delete(oauth_login).where(oauth_login.c.name == name))
            connection.execute(sa.insert(oauth_login).values(name=name, version=(known or 0) + 1, sealed=sealed))

        self._ask(put)

    def remove(self, name: str) -> None:
        """Forget a login.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        self._ask(lambda connection: connection.execute(sa.delete(oauth_login).where(oauth_login.c.name == name)))

    def renewed(self, old: StoredLogin, sealed: str) -> bool:
        """Keep what a renewal of `old` brought; False where the row has changed meanwhile, and nothing was kept.

        These are the only working tokens, so a database that is away is asked again for a while.

        Repeat: False.
        Raises:
            DatabaseUnusable: the database did not answer in all that time.
        """
        give_up_at_s = time.monotonic() + KEEP_WITHIN_S
        while True:
            try:
                return self._change(old, version=old.version + 1, sealed=sealed)
            except DatabaseUnusable as error:
                if time.monotonic() > give_up_at_s:
                    raise
                log.warning("login_not_stored_yet", login=old.name, why=str(error))
                time.sleep(_PAUSE_S * 10)

    def end(self, old: StoredLogin, why: str) -> bool:
        """Write down that Pleo has ended a login, so that nobody tries it again; False where the row has changed.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        return self._change(old, ended=why)

    @contextmanager
    def turn(self, name: str, within_s: float = TURN_WITHIN_S) -> Iterator[None]:
        """Be the one that renews a login, among all processes on the database, for the length of a block.

        The lock is the server's, or the system's: it goes with the process that holds it, however that ends. A holder
        that was only frozen keeps it.

        Repeat: waits, also in the same process.
        Raises:
            LoginBusy: it was not our turn in `within_s` seconds.
            DatabaseUnusable: the database does not answer.
        """
        with self._server_lock(name) if self.database.shared else self._file_lock(name) as taken:
            give_up_at_s = time.monotonic() + within_s
            while not taken():
                if time.monotonic() > give_up_at_s:
                    raise LoginBusy(
                        f"another process has been renewing the login {name} at Pleo for {within_s:g} s; see whether it"
                        " hangs"
                    )
                time.sleep(_PAUSE_S)
            yield

    @contextmanager
    def _server_lock(self, name: str) -> Iterator[Callable[[], bool]]:
        key = int.from_bytes(hashlib.sha256(f"tallybook login {name}".encode()).digest()[:8], signed=True)
        connections = self.database.connect()
        try:
            # Each question a transaction of its own: one that stays open would keep migrations waiting.
            with connections.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

                def taken() -> bool:
                    try:
                        return bool(connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": key}))
                    except sa.exc.SQLAlchemyError as error:
                        raise self._unusable(error) from None

                yield taken
        except sa.exc.OperationalError as error:  # it cannot be connected to
            raise self._unusable(error) from None
        finally:
            connections.dispose()  # ends the session, and the lock with it

    @contextmanager
    def _file_lock(self, name: str) -> Iterator[Callable[[], bool]]:
        path = self.database.file.with_name(f"{self.database.file.name}.login-{name}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise DatabaseUnusable(f"{path} cannot be opened ({error.strerror}); set database.url") from error

        def taken() -> bool:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        try:
            yield taken
        finally:
            os.close(descriptor)

    def _change(self, old: StoredLogin, **values: object) -> bool:
        statement = (
            sa.update(oauth_login)
            .where(oauth_login.c.name == old.name, oauth_login.c.version == old.version)
            .values(**values)
        )
        return self._ask(lambda connection: connection.execute(statement).rowcount == 1)

    def _ask(self, question: Callable[[sa.Connection], _T]) -> _T:
        connections = self.database.connect()
        try:
            with connections.begin() as connection:
                return question(connection)
        except sa.exc.SQLAlchemyError as error:
            raise self._unusable(error) from None  # the cause would show the statement's parameters
        finally:
            connections.dispose()

    def _unusable(self, error: Exception) -> DatabaseUnusable:
        return DatabaseUnusable(f"The database {self.database.shown} does not answer ({type(error).__name__})")
