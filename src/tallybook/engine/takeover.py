"""Taking over the runs of workers that died: noticed through their leases in PostgreSQL, by every other worker.

This is the one place that calls a private function of the engine's package; its version is pinned, and
tests/engine holds it to what it does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import sqlalchemy as sa
import structlog
from dbos import DBOS

from tallybook.engine.presence import Presence

_LOCK = 0x74616C6C7A  # one worker at a time looks for the dead
log = structlog.get_logger()


@contextmanager
def watching(presence: Presence, version: str, every_s: float) -> Iterator[None]:
    """Look for dead workers of our version every so often, in a thread of its own, until the end."""
    ending = Event()
    thread = Thread(target=_watch, args=(presence, version, every_s, ending), name="tallybook-takeover", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(30)  # a statement may take 5 s, and waits for nobody


def _watch(presence: Presence, version: str, every_s: float, ending: Event) -> None:
    while not ending.wait(every_s):
        try:
            if dead := dead_workers(presence.connections, version):
                log.warning("taking_over", workers=dead)
                take_over(dead)
        except Exception as fault:  # noqa: BLE001 - whatever it is, who stops looking takes over nothing any more
            log.warning("takeover_failed", error=type(fault).__name__)


def dead_workers(connections: sa.Engine, version: str) -> list[str]:
    """Name the workers that have runs of a version and no valid lease; none while another worker is looking.

    Runs of other versions wait for a worker of theirs.

    Repeat: safe; reads only.
    """
    with connections.begin() as connection:
        if not connection.scalar(sa.text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}):
            return []
        # Runs first, leases second: the other way round, a worker that starts in between looks dead.
        runs = DBOS.list_workflows(status="PENDING", app_version=version, load_input=False, load_output=False)
        busy = {run.executor_id for run in runs if run.executor_id}
        living = connection.scalars(sa.text("SELECT worker FROM worker_lease WHERE expires_at > now()"))
        return sorted(busy - set(living))


def take_over(workers: list[str]) -> None:
    """Put the runs of dead workers back into their lanes, each where it was.

    Repeat: safe; a run that somebody took up meanwhile is not touched.
    """
    DBOS._recover_pending_workflows(workers)  # noqa: SLF001 - the package has no public way without its paid server
