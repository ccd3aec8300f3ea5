"""The book's file: opening it safely, transactions, counting what is asked of it, and errors in plain words.

Everything here blocks; `system.py` runs it in the book's own thread.
"""

import errno
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallybook.accounting.errors import (
    AccountingError,
    AccountingNotAuthorized,
    AccountingSettingInvalid,
    AccountingTimeout,
    AccountingUnreachable,
)
from tallybook.adapters.book.schema import APPLICATION_ID, MIGRATIONS, Migration, migrate

SQLITE_OLDEST = (3, 38, 0)  # STRICT tables (3.37) and the JSON functions built in (3.38)
LOCK_TIMEOUT_S = 30.0

Parameters = Sequence[object] | Mapping[str, object]


@dataclass(slots=True)
class Counts:
    """What was asked of the machine so far: a budget test and a bench hold these, not seconds.

    `commits` counts write transactions, each of which SQLite syncs to disk once; `file_syncs` the fsyncs of receipts.
    """

    statements: int = 0
    commits: int = 0
    file_syncs: int = 0


class BookFile:
    """One connection to a book; to be used from one thread."""

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        create: bool = False,
        migrations: Sequence[Migration] = MIGRATIONS,
        counts: Counts | None = None,
    ) -> None:
        """Open the book, and bring it to the newest schema; `create` makes the file if it is not there.

        Repeat: safe; several connections, also of several processes, work on one book.
        Raises:
            AccountingError: the leaf says what is wrong with the file.
        """
        self.path = path
        self.counts = counts or Counts()
        if sqlite3.sqlite_version_info < SQLITE_OLDEST:
            raise AccountingSettingInvalid(
                f"The embedded book needs SQLite 3.38 or newer; this Python comes with {sqlite3.sqlite_version}"
            )
        if not create and not path.exists():
            raise AccountingUnreachable(
                f"There is no book at {path}; create it with `tallybook book init FILE.toml --book {path}`"
            )
        with translated(path):
            self.connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
                uri=True,
                timeout=lock_timeout_s,
                isolation_level=None,  # transactions are begun by name, below
            )
        try:
            with translated(path):
                self._prepare(create=create, migrations=migrations)
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self, *, create: bool, migrations: Sequence[Migration]) -> None:
        version = self._version(create=create, newest=len(migrations))
        # Every commit reaches the disk before it is reported. Source: sqlite.org/pragma.html#pragma_synchronous
        wanted = {"journal_mode": ("WAL", "wal"), "synchronous": ("FULL", 2), "foreign_keys": ("ON", 1)}
        for pragma, (value, answer) in wanted.items():
            self.execute(f"PRAGMA {pragma} = {value}").fetchall()
            if self.value(f"PRAGMA {pragma}") != answer:
                raise AccountingSettingInvalid(
                    f"The book {self.path} cannot be kept safely where it is: SQLite refuses {pragma} = {value} there; "
                    "move it to a local disk"
                )
        self.execute("PRAGMA fullfsync = ON")  # macOS: past the disk's own cache; nothing elsewhere
        if version < len(migrations):
            with self.writing():
                # Another process may have moved it on while we waited for the lock.
                migrate(self.connection, self._version(create=create, newest=len(migrations)), migrations)

    def _version(self, *, create: bool, newest: int) -> int:
        version: int = self.value("PRAGMA user_version")
        ours = self.value("PRAGMA application_id") == APPLICATION_ID
        if not ours and self.value("SELECT EXISTS (SELECT 1 FROM sqlite_schema)"):
            raise AccountingSettingInvalid(f"{self.path} is an SQLite file, but no Tallybook book; set another path")
        if not ours and not create:
            raise AccountingUnreachable(
                f"The book {self.path} is empty; fill it with `tallybook book init FILE.toml --book {self.path}`"
            )
        if version > newest:
            raise AccountingSettingInvalid(
                f"The book {self.path} was written by a newer Tallybook (schema {version}; this one knows {newest}); "
                "update Tallybook"
            )
        return version

    def execute(self, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run one statement."""
        self.counts.statements += 1
        return self.connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Run one prepared statement over many rows; counted as one."""
        self.counts.statements += 1
        self.connection.executemany(sql, rows).close()

    def value(self, sql: str, parameters: Parameters = ()) -> Any:
        """Run a statement that answers with one value."""
        with closing(self.execute(sql, parameters)) as cursor:
            return cursor.fetchone()[0]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One write transaction: all of it is on disk when the block ends, or nothing if it raised."""
        self.execute("BEGIN IMMEDIATE")  # waits for other writers here, before anything was read
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self.counts.commits += 1

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One read transaction: everything inside sees the book as of one moment."""
        self.execute("BEGIN")
        try:
            yield
        finally:
            self._roll_back()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of a write transaction that is undone alone if it raises."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self.connection.in_transaction:  # a full disk may have ended the whole transaction
                self.execute("ROLLBACK TO part")
                self.execute("RELEASE part")
            raise
        self.execute("RELEASE part")

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        """Give the file back.

        Repeat: safe.
        """
        self.connection.close()


@contextmanager
def opened(path: Path, *, create: bool = False, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[BookFile]:
    """A book for the length of a block, with every error of the file in plain words.

    Repeat: safe.
    Raises:
        AccountingError: the leaf says what is wrong with the file.
    """
    file = BookFile(path, create=create, lock_timeout_s=lock_timeout_s)
    try:
        with translated(path):
            yield file
    finally:
        file.close()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say into the port's errors, with the file's name."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, (sqlite3.ProgrammingError, sqlite3.InternalError, sqlite3.NotSupportedError)):
            raise  # a mistake of ours, not of the file
        raise _from_sqlite(error, path) from error
    except BrokenPipeError:
        raise  # whoever read our output has gone: nothing is wrong with the book
    except OSError as error:
        raise _from_system(error, path) from error


def _from_sqlite(error: sqlite3.Error, path: Path) -> AccountingError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the upper bits refine the lower
    leaf, sentence = {
        sqlite3.SQLITE_NOTADB: (AccountingSettingInvalid, "is no SQLite file; set the path of a book"),
        sqlite3.SQLITE_CORRUPT: (AccountingUnreachable, "is damaged; restore it from a backup"),
        sqlite3.SQLITE_CANTOPEN: (AccountingUnreachable, "cannot be opened; check the path and the folder's rights"),
        sqlite3.SQLITE_READONLY: (AccountingNotAuthorized, "cannot be written; check the rights of file and folder"),
        sqlite3.SQLITE_PERM: (AccountingNotAuthorized, "may not be accessed; check the rights of file and folder"),
        sqlite3.SQLITE_BUSY: (AccountingTimeout, "is locked by another program; close it or try again later"),
        sqlite3.SQLITE_LOCKED: (AccountingTimeout, "is locked by another program; close it or try again later"),
        sqlite3.SQLITE_FULL: (AccountingUnreachable, "cannot grow: the disk is full"),
        sqlite3.SQLITE_IOERR: (AccountingUnreachable, "cannot be read or written: the disk reports an error"),
        sqlite3.SQLITE_CONSTRAINT: (AccountingSettingInvalid, "refused the change by one of its rules"),
    }.get(code, (AccountingUnreachable, "cannot be used"))
    return leaf(f"The book {path} {sentence} ({error})")


def _from_system(error: OSError, path: Path) -> AccountingError:
    place = error.filename or path
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return AccountingNotAuthorized(f"The book {path}: no right to use {place} ({error.strerror})")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return AccountingUnreachable(f"The book {path}: the disk is full at {place}")
    return AccountingUnreachable(f"The book {path}: {place} cannot be used ({error.strerror or error})")
