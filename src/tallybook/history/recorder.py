"""The recorder: takes notes of jobs and writes them down, in a thread of its own, at most once a second.

An export tells it something and goes on: it never waits for the database, and what goes wrong there is logged and is
no matter of the export. A process that is killed takes the notes of the last second with it.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog

from tallybook.clock import Clock
from tallybook.history import notes
from tallybook.history.job import State
from tallybook.history.notes import Notes, Row
from tallybook.store.asking import asked
from tallybook.store.tables import job_history

ROWS_WAITING_MAX: Final = 10_000  # calls and items; what comes on top while the database is away is counted and lost
UNBEGUN: Final = "it ended at Pleo before it was begun"
_KEYS_PER_STATEMENT: Final = 1000
_CLOSED_WITHIN_S: Final = 5.0
_TIDIED_EVERY_S: Final = 6 * 3600.0
_NEXT_PIECE_AFTER_S: Final = 0.1
# What is wrong with these notes themselves would be wrong again; that the database is away or full passes.
_LASTING: Final = (sa.exc.DataError, sa.exc.IntegrityError)

log = structlog.get_logger()


class Recorder:
    """Writes down what is told of jobs; made by `recording`, one per process. Its thread starts with the first note.

    It writes every `written_every_s` seconds at most, and `again_after_s` after the database did not take something.
    """

    def __init__(
        self,
        connections: sa.Engine,
        clock: Clock,
        *,
        keep_days: int,
        written_every_s: float = 1.0,
        again_after_s: float = 5.0,
    ) -> None:
        self.clock, self._written_every_s, self._again_after_s = clock, written_every_s, again_after_s
        self._connections, self._keep = connections, timedelta(days=keep_days)
        self._changed = threading.Condition()
        self._notes, self._listed = Notes(), dict[str, int]()
        self._urgent = self._closing = False
        self._tidy_at_s = 0.0
        self._thread: threading.Thread | None = None
        self._waiting: dict[str, str] = {}  # jobs that may wait for their first run, and the company of each
        self._waiting_read = False  # those of an earlier process too

    def seen(self, company_id: str, job_id: str, *, items: int) -> None:
        """Take note of a job that waits for its first run.

        Repeat: safe; of a job that is known nothing is changed.
        """
        now = self.clock.now()
        row = {
            "job_id": job_id,
            "company_id": company_id,
            "state": State.WAITING.value,
            "first_seen_at": now,
            "told_at": now,
            "step": 0,
            "items": items,
            "lost": 0,
        }
        with self._changed:
            idle = not self._notes
            self._notes.seen[job_id] = row
            self._waiting[job_id] = company_id
            self._wake(idle)

    async def waiting(self, company_id: str, *, but: Collection[str]) -> list[str]:
        """List this company's jobs that wait for their first run, but for these; asks the database only about some.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        table = job_history
        waits = table.c.state == State.WAITING.value
        if not self._waiting_read:
            earlier = await self._asked(sa.select(table.c.job_id, table.c.company_id).where(waits))
            with self._changed:
                self._waiting, self._waiting_read = dict(earlier) | self._waiting, True
        with self._changed:
            found = [job_id for job_id, of in self._waiting.items() if of == company_id and job_id not in but]
        found = found[:_KEYS_PER_STATEMENT]
        if not found:
            return []
        wanted = sa.select(table.c.job_id, table.c.company_id).where(waits, table.c.job_id.in_(found))
        still = dict(await self._asked(wanted))
        with self._changed:
            for job_id in found:
                if job_id not in still and job_id not in self._notes.seen:
                    self._waiting.pop(job_id, None)
        return [job_id for job_id in found if job_id in still]

    def ended_unbegun(self, job_id: str) -> None:
        """Take note that a job became final without a run of ours.

        Repeat: safe; of a job that does not wait any more nothing is changed.
        """
        now = self.clock.now()
        row = {"state": State.ENDED_ELSEWHERE.value, "ended_at": now, "told_at": now, "note": UNBEGUN}
        with self._changed:
            idle = not self._notes
            self._notes.unbegun[job_id] = row
            self._waiting.pop(job_id, None)
            self._wake(idle)

    async def _asked(self, wanted: sa.Select[Any]) -> list[tuple[str, str]]:
        def rows(connection: sa.Connection) -> list[tuple[str, str]]:
            return [(row.job_id, row.company_id) for row in connection.execute(wanted)]

        return await asked(self._connections, rows)

    def note(
        self, job: Row, steps: Sequence[Row] = (), calls: Sequence[Row] = (), items: Sequence[Row] = (), *, urgent: bool
    ) -> None:
        """Take notes of a job: its newest row, and what is new of its steps, calls and items.

        `urgent` has them written at once.
        """
        with self._changed:
            idle = not self._notes
            if self._notes.size + len(calls) + len(items) > ROWS_WAITING_MAX:
                job = job | {"lost": job["lost"] + len(calls) + len(items)}
                calls = items = ()
            self._notes.add_job(job)
            for step in steps:
                self._notes.add_to_step(step)
            self._notes.calls += calls
            self._notes.items += items
            self._urgent |= urgent
            self._wake(idle or urgent)

    def close(self) -> None:
        """Write down what is left, as far as the database takes it within seconds. Blocks.

        Repeat: safe.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_CLOSED_WITHIN_S)

    def _wake(self, something_new: bool) -> None:
        if self._thread is None and not self._closing:
            thread = threading.Thread(target=self._write_on, name="tallybook-history", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the machine has no thread to give; the next note asks again
                log.warning("history_not_begun")
            else:
                self._thread = thread
        elif something_new:
            self._changed.notify()

    def _write_on(self) -> None:
        pause_s = self._written_every_s
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._notes, self._tidy_at_s - time.monotonic())
                if self._notes:
                    # After a failure also what is urgent waits: the database is asked no oftener than that.
                    hurried = pause_s == self._written_every_s
                    self._changed.wait_for(lambda: self._closing or (self._urgent and hurried), pause_s)  # noqa: B023
                taken, self._notes, self._urgent, closing = self._notes, Notes(), False, self._closing
            pause_s = self._written_every_s if self._written(taken) else self._again_after_s
            if closing:
                return
            if time.monotonic() >= self._tidy_at_s:
                self._tidy()

    def _written(self, taken: Notes) -> bool:
        """Write notes down, or keep them for the next time; False when the database did not take them."""
        try:
            if taken:
                with self._connections.begin() as connection:
                    notes.write(connection, taken, self._listed)
        except sa.exc.SQLAlchemyError as error:
            passing = not isinstance(error, _LASTING)
            log.warning("history_not_written", error=type(error).__name__, rows=taken.size, again=passing)
            self._listed.clear()  # what was counted is not in the table
            if passing:
                with self._changed:
                    self._notes = taken.put_before(self._notes)
            return False
        for row in taken.jobs.values():
            if row["ended_at"] is not None:
                self._listed.pop(row["job_id"], None)
        return True

    def _tidy(self) -> None:
        """Delete a piece of what is too old, and look again soon if there was any."""
        more = False
        try:
            with self._connections.begin() as connection:
                more = notes.collect(connection, self.clock.now() - self._keep)
        except sa.exc.SQLAlchemyError as error:  # next time, then
            log.warning("old_history_not_deleted", error=type(error).__name__)
        self._tidy_at_s = time.monotonic() + (_NEXT_PIECE_AFTER_S if more else _TIDIED_EVERY_S)


@asynccontextmanager
async def recording(connections: sa.Engine, clock: Clock, *, keep_days: int) -> AsyncIterator[Recorder]:
    """Have a recorder while the block lasts; at its end what is left is written down.

    Repeat: another recorder.
    """
    recorder = Recorder(connections, clock, keep_days=keep_days)
    try:
        yield recorder
    finally:
        await asyncio.to_thread(recorder.close)
