"""The database that `database.url` names: connections for our own tables, and their migration.

SQLite serves one process; PostgreSQL any number of workers. Our tables stand beside the engine's own.
"""

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tallybook.errors import SettingsError
from tallybook.store.errors import DatabaseUnusable

# dbos stores times with unixepoch('subsec'), which Python 3.12 and newer need; older SQLite answers NULL there.
# Source: sqlite.org/changes.html, 3.42.0.
_SUBSECONDS_SINCE = (3, 42, 0)
_TURN_WITHIN_S, _TURN_PAUSE_S = 120.0, 0.1
HEAD = "0007"  # the newest migration; a test holds it to what Alembic finds
_VERSION_TABLE = "tallybook_migrations"
_MIGRATION_LOCK = 0x74616C6C79  # "tally": the advisory lock under which one process at a time migrates


@dataclass(frozen=True, slots=True)
class Database:
    """A database by its URL; `sqlite:///FILE` or `postgresql://...`."""

    url: str

    def __post_init__(self) -> None:
        """Refuse an address that cannot be taken apart, without repeating it: it may hold a password.

        Raises:
            SettingsError: `database.url` is of the wrong form.
        """
        try:
            sa.make_url(self.url)
        except (sa.exc.ArgumentError, ValueError):
            problem = (
                "database.url cannot be read; it must be sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE, with"
                " %40 for an @ in a password, %3A for a colon and %2F for a slash"
            )
            raise SettingsError([problem]) from None

    @property
    def shared(self) -> bool:
        """Whether several processes may work on it: PostgreSQL."""
        return not self.url.startswith("sqlite:")

    @property
    def file(self) -> Path:
        """The SQLite file itself, past any link to it: by two names it would have two locks."""
        return Path(sa.make_url(self.url).database or "").resolve()

    @property
    def shown(self) -> str:
        """The URL without a password, for people; one may also stand in what follows the question mark."""
        return sa.make_url(self.url).set(query={}).render_as_string(hide_password=True)

    def check(self) -> None:
        """Find out whether this Python can keep the database at all.

        Repeat: safe.
        Raises:
            DatabaseUnusable: SQLite is too old for this Python.
        """
        if not self.shared and sys.version_info >= (3, 12) and sqlite3.sqlite_version_info < _SUBSECONDS_SINCE:
            raise DatabaseUnusable(
                f"This Python comes with SQLite {sqlite3.sqlite_version}; {self.shown} needs 3.42 or newer, or Python "
                "3.11, or PostgreSQL: set database.url"
            )

    def connect(self) -> sa.Engine:
        """Make connections for our own tables; the caller disposes of them.

        Statements that wait longer than 5 s on PostgreSQL, or 30 s for the lock of an SQLite file, fail.
        """
        if not self.shared:
            engine = sa.create_engine(self.url, connect_args={"timeout": 30})
            sa.event.listen(engine, "connect", _sync_every_commit)
            return engine
        return sa.create_engine(
            sa.make_url(self.url).set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=2,
            # A role named like the engine's schema would otherwise put our tables there.
            connect_args={
                "connect_timeout": 5,
                "tcp_user_timeout": 10_000,
                "application_name": "tallybook",
                "options": "-c statement_timeout=5000 -c search_path=public",
            },
        )

    def prepare_file(self) -> None:
        """Switch the SQLite file to write-ahead logging, which stays with the file.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the file cannot be opened, is no SQLite file, or stands where that cannot be.
        """
        try:
            with closing(sqlite3.connect(self.file, timeout=30)) as connection:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.Error as error:
            raise DatabaseUnusable(f"{self.shown} cannot be opened ({error}); set database.url") from error
        if mode != "wal":
            raise DatabaseUnusable(
                f"{self.shown} cannot be kept safely where it is: SQLite refuses write-ahead logging there; "
                "move it to a local disk with database.url"
            )


def _sync_every_commit(connection: sqlite3.Connection, _: object) -> None:
    """Let a commit return when it is on the disk, whatever SQLite was built with."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: past the disk's own cache; nothing elsewhere


def bring_up_to_date(database: Database, connections: sa.Engine) -> None:
    """Bring our tables up to date without waiting for a turn where there is nothing to bring. Blocks.

    Repeat: safe.
    Raises:
        DatabaseUnusable: the database does not answer, or refuses.
    """
    with suppress(sa.exc.SQLAlchemyError), connections.connect() as connection:  # `migrated` says it in words
        if _is_current(connection):
            return
    with migrated(database, connections):
        pass


@contextmanager
def migrated(database: Database, connections: sa.Engine) -> Iterator[None]:
    """Bring our tables up to date; inside, the engine may bring its own: one process at a time does either.

    Repeat: safe; what is up to date is left alone.
    Raises:
        DatabaseUnusable: the database does not answer, or refuses.
    """
    try:
        with connections.connect() as connection:
            if database.shared:
                _take_turn(database, connection)
            try:
                _upgrade(connection)
                yield
            finally:
                if database.shared:
                    connection.rollback()
                    connection.execute(sa.text("SELECT pg_advisory_unlock(:lock)"), {"lock": _MIGRATION_LOCK})
                    connection.execute(sa.text("RESET statement_timeout"))
                    connection.commit()
    except sa.exc.SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()
        raise DatabaseUnusable(
            f"The database {database.shown} cannot be used: {said[0] if said else type(error).__name__}; "
            "check database.url and that the server runs"
        ) from None  # the cause would show the statement's parameters


def _take_turn(database: Database, connection: sa.Connection) -> None:
    """Wait for the migration lock by asking again and again.

    A statement that waited for it would be a transaction under way, and the engine's migration, which builds indexes
    concurrently, waits for the end of all of those: neither would ever go on.
    """
    connection.execute(sa.text("SET statement_timeout = '120s'"))  # a migration may take longer than other statements
    for _ in range(round(_TURN_WITHIN_S / _TURN_PAUSE_S)):
        taken = connection.scalar(sa.text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        connection.commit()
        if taken:
            return
        time.sleep(_TURN_PAUSE_S)
    raise DatabaseUnusable(
        f"Another worker has been migrating {database.shown} for more than {_TURN_WITHIN_S:g} s; see whether it hangs"
    )


def _upgrade(connection: sa.Connection) -> None:
    if _is_current(connection):
        return
    if connection.dialect.name == "sqlite":
        # Python begins no transaction before a statement that makes a table: killed midway, half of them would stay,
        # and no later start could go on. It also makes a second process wait, and then find everything done.
        connection.commit()
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if _is_current(connection):
            connection.rollback()
            return
    # Only here: Alembic takes longer to import than most exports take to look for a job.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "tallybook.store:migrations")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = _VERSION_TABLE
    command.upgrade(config, "head")
    connection.commit()


def _is_current(connection: sa.Connection) -> bool:
    if not sa.inspect(connection).has_table(_VERSION_TABLE):
        return False
    there = str(connection.scalar(sa.text(f"SELECT version_num FROM {_VERSION_TABLE}")))
    if there > HEAD:  # four digits each
        raise DatabaseUnusable(
            f"The database was brought up to date by a newer Tallybook (its tables are {there}, this release knows "
            f"{HEAD}); start that release, or restore the database as it was before"
        )
    return there == HEAD
