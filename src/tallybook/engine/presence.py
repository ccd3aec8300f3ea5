"""Who is at work on the database: one process on SQLite, kept by a file lock; leased workers on PostgreSQL.

A presence is taken before anything is opened or written, and asked before every write. Whoever lost it writes no more:
the process ends itself, because its runs may go on elsewhere by now.
"""

import fcntl
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import sqlalchemy as sa
import structlog

from tallybook.store.database import Database, migrated
from tallybook.store.errors import DatabaseInUse, DatabaseUnusable

LOST_EXIT_CODE = 70  # EX_SOFTWARE: whoever watches over the process starts a new one
SQLITE_WORKER = "local"  # always the same, so that a restart finds its own runs
BY_HAND = "run:"  # what the lease of a `tallybook run` is called by, before its host and number
_BEATS_PER_LEASE = 5
_EXTENDED = "now() + make_interval(secs => :lease_s)"  # the database's clock: the workers' need not agree
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Presence:
    """The right to run exports on a database; `may_write` is called before every write to Pleo and the books.

    `lease_age_s` are the seconds since the lease was renewed, of `lease_s`; 0 where there is none.
    """

    database: Database
    worker: str
    connections: sa.Engine
    may_write: Callable[[], None]
    lease_age_s: Callable[[], float] = lambda: 0.0
    lease_s: float = 0.0

    def forget_old_leases(self) -> None:
        """Delete the leases of workers that died long ago; whoever has runs of theirs has taken them over since.

        Repeat: safe.
        """
        if self.database.shared:
            with self.connections.begin() as connection:
                connection.execute(sa.text("DELETE FROM worker_lease WHERE expires_at < now() - interval '1 day'"))

    def lease_is_ending(self) -> bool:
        """Whether less than half of the lease is left: it is renewed five times in its length."""
        return self.lease_age_s() > self.lease_s / 2


def exit_at_once() -> None:
    """End this process without any clean-up: what would be cleaned up may belong to a successor by now."""
    os._exit(LOST_EXIT_CODE)


@contextmanager
def present(
    database: Database, *, what: str = "serve", lease_s: float = 10.0, lost: Callable[[], None] = exit_at_once
) -> Iterator[Presence]:
    """Take a place at the database and give it back at the end; our tables are migrated on the way.

    `lost` is called, from any thread, once the lease is lost.

    Repeat: on SQLite refused while the first one lasts; on PostgreSQL one more worker.
    Raises:
        DatabaseInUse: SQLite, and another process is at work.
        DatabaseUnusable: the database cannot be opened, or does not answer.
    """
    database.check()
    with ExitStack() as stack:
        if not database.shared:
            stack.enter_context(_file_lock(database, what))
            database.prepare_file()
        connections = database.connect()
        stack.callback(connections.dispose)
        with migrated(database, connections):
            pass
        if not database.shared:
            yield Presence(database, SQLITE_WORKER, connections, lambda: None)
            return
        lease = Lease(connections, lease_s, lost)
        stack.enter_context(lease.held())
        yield Presence(database, lease.worker, connections, lease.may_write, lease.age_s, lease_s)


@contextmanager
def present_inline(
    database: Database, what: str, *, lease_s: float = 10.0, lost: Callable[[], None] = exit_at_once
) -> Iterator[Presence]:
    """For a command that exports by itself. Several may work on one database at a time, each for companies of its own.

    On SQLite it keeps a server from starting beside it, or is refused beside a server. On PostgreSQL it has a lease
    like a worker, but no runs; it has yet to take the lane of its company, `lane.take_by_hand`.

    Repeat: safe.
    Raises:
        DatabaseInUse: SQLite, and a server is at work.
        DatabaseUnusable: the database cannot be opened, or does not answer.
    """
    database.check()
    with ExitStack() as stack:
        if not database.shared:
            stack.enter_context(_file_lock(database, what, fcntl.LOCK_SH))
            database.prepare_file()
        connections = database.connect()
        stack.callback(connections.dispose)
        with migrated(database, connections):
            pass
        if not database.shared:
            yield Presence(database, SQLITE_WORKER, connections, lambda: None)
            return
        lease = Lease(connections, lease_s, lost, BY_HAND)
        stack.enter_context(lease.held())
        yield Presence(database, lease.worker, connections, lease.may_write, lease.age_s, lease_s)


@contextmanager
def _file_lock(database: Database, what: str, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    path = database.file.with_name(database.file.name + ".lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseUnusable(f"{path} cannot be opened ({error.strerror}); set database.url") from error
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode("ascii", "replace").strip()
            raise DatabaseInUse(
                f"{database.shown} is in use by another Tallybook{f' ({holder})' if holder else ''}; an SQLite "
                "database serves one process: stop that one first, or set database.url to PostgreSQL for several"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"tallybook {what}, process {os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)  # gives the lock back; so does the end of the process, however it comes


class Lease:
    """A worker's time-limited right to run exports, renewed by a thread that does nothing else.

    Valid is what the database's clock says; this process counts from before it asked, so it gives up first.
    """

    def __init__(self, connections: sa.Engine, lease_s: float, lost: Callable[[], None], prefix: str = "") -> None:
        # Of this start alone: a name used again would hijack the runs of the first.
        self.worker = f"{prefix}{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        self._connections, self._lease_s, self._lost = connections, lease_s, lost
        self._valid_until_s = 0.0
        self._ending = Event()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Take the lease, keep renewing it, and give it back at the end.

        Repeat: refused by the database, the worker's name is taken.
        """
        asked_s = awake_or_not_s()
        self._execute(f"INSERT INTO worker_lease (worker, expires_at) VALUES (:worker, {_EXTENDED})")
        self._valid_until_s = asked_s + self._lease_s
        thread = Thread(target=self._renew, name="tallybook-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ending.set()
            thread.join(self._lease_s)
            try:  # so that others go on with our runs at once
                self._execute("DELETE FROM worker_lease WHERE worker = :worker")
            except sa.exc.SQLAlchemyError as error:
                log.warning("lease_not_returned", worker=self.worker, error=type(error).__name__)

    def age_s(self) -> float:
        """Seconds since the lease was renewed."""
        return awake_or_not_s() - self._valid_until_s + self._lease_s

    def may_write(self) -> None:
        """Give the process up if the lease has run out, or is about to: a fifth is left for the write itself."""
        if awake_or_not_s() > self._valid_until_s - self._lease_s / _BEATS_PER_LEASE:
            self._give_up("ran out before a write")

    def _renew(self) -> None:
        while not self._ending.wait(self._lease_s / _BEATS_PER_LEASE):
            asked_s = awake_or_not_s()
            if asked_s > self._valid_until_s:  # woken up too late: known without asking, so no write slips in meanwhile
                self._give_up("ran out while this process stood still")
                return
            try:
                # Only a lease that is still valid can be renewed: an expired one may be taken over already.
                renewed = self._execute(
                    f"UPDATE worker_lease SET expires_at = {_EXTENDED} WHERE worker = :worker AND expires_at > now()"
                )
            except sa.exc.SQLAlchemyError as error:
                log.warning("lease_not_renewed", worker=self.worker, error=type(error).__name__)
            else:
                if not renewed:
                    self._give_up("ran out before it was renewed")
                    return
                self._valid_until_s = asked_s + self._lease_s
            if awake_or_not_s() > self._valid_until_s:
                self._give_up("ran out, and the database does not answer")
                return

    def _give_up(self, why: str) -> None:
        log.error("lease_lost", worker=self.worker, why=why)
        self._lost()

    def _execute(self, statement: str) -> int:
        parameters: dict[str, Any] = {"worker": self.worker, "lease_s": self._lease_s}
        with self._connections.begin() as connection:
            return connection.execute(sa.text(statement), parameters).rowcount


def awake_or_not_s() -> float:
    """Seconds that only ever grow, also while this process is frozen and, on Linux, while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
