import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tallybook.engine.lane import lease_is_valid
from tallybook.engine.presence import Presence, present, present_inline
from tallybook.store.database import Database


@contextmanager
def worker(url: str, lease_s: float = 2.0) -> Iterator[tuple[Presence, threading.Event]]:
    lost = threading.Event()
    with present(Database(url), lease_s=lease_s, lost=lost.set) as presence:
        yield presence, lost


def execute(presence: Presence, statement: str) -> int:
    with presence.connections.begin() as connection:
        return connection.execute(sa.text(statement)).rowcount


def test_a_lease_is_renewed_long_past_its_length(shared_url: str) -> None:
    """After two and a half times its length it is still valid, and writing is still allowed."""
    with worker(shared_url) as (presence, lost):
        assert not lost.wait(5)
        presence.may_write()
        assert not lost.is_set()


def test_a_lease_that_ran_out_is_not_renewed(shared_url: str) -> None:
    """Whoever was away too long may have a successor: it is told at the next renewal, even if nobody took over."""
    with worker(shared_url) as (presence, lost):
        execute(presence, "UPDATE worker_lease SET expires_at = now() - interval '1 ms'")
        assert lost.wait(2)


def test_a_lease_that_was_deleted_is_lost(shared_url: str) -> None:
    """An operator who deletes the row stops the worker."""
    with worker(shared_url) as (presence, lost):
        execute(presence, "DELETE FROM worker_lease")
        assert lost.wait(2)


def test_without_a_database_the_lease_ends_by_itself(shared_url: str) -> None:
    """A worker that cannot reach the database gives up before the others may take over."""
    with worker(shared_url) as (presence, lost):
        execute(presence, "ALTER TABLE worker_lease RENAME TO away")
        assert lost.wait(4)
        execute(presence, "ALTER TABLE away RENAME TO worker_lease")


def test_shortly_before_its_end_nothing_is_written_any_more(shared_url: str) -> None:
    """The last fifth of a lease belongs to writes that have begun."""
    with worker(shared_url, lease_s=10) as (presence, lost):
        execute(presence, "ALTER TABLE worker_lease RENAME TO away")
        presence.may_write()
        assert not lost.is_set()
        while not lost.wait(0.1):
            presence.may_write()
        execute(presence, "ALTER TABLE away RENAME TO worker_lease")


def test_workers_have_names_of_their_own(shared_url: str) -> None:
    """Two starts on one machine are two workers; a name used again would take the other's runs."""
    with worker(shared_url) as (one, _), worker(shared_url) as (two, _):
        assert one.worker != two.worker


def test_a_lease_is_given_back_at_the_end(shared_url: str) -> None:
    """So that others go on at once; that of a `tallybook run` as well."""
    with present_inline(Database(shared_url), "run") as by_hand, worker(shared_url) as (watching, _):
        assert lease_is_valid(watching.connections, by_hand.worker)
    with worker(shared_url) as (watching, _):
        assert not lease_is_valid(watching.connections, by_hand.worker)


def test_leases_of_workers_that_died_long_ago_are_forgotten(shared_url: str) -> None:
    """A day after they ran out; one that has just run out stays."""
    with worker(shared_url) as (presence, _):
        execute(presence, "INSERT INTO worker_lease VALUES ('old', now() - interval '25 hours'), ('new', now())")
        presence.forget_old_leases()
        assert execute(presence, "DELETE FROM worker_lease WHERE worker = 'old'") == 0
        assert execute(presence, "DELETE FROM worker_lease WHERE worker = 'new'") == 1


def test_many_workers_may_start_at_once_on_an_empty_database(shared_url: str) -> None:
    """One after the other migrates; none fails."""
    failed: list[BaseException] = []

    def start() -> None:
        try:
            with worker(shared_url):
                pass
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
