"""What is told of one job while it runs: by the workflow, and by whoever calls Pleo or the books for it.

Callers do not know which job they work for; the context variable does, in every task that the job's run starts.
Nothing here waits, and nothing here may fail: an export goes on whatever becomes of its history.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import datetime, timedelta
from enum import Enum
from types import TracebackType
from typing import Any, Final, Protocol, Self

from tallybook.accounting.entry import Entry
from tallybook.bookkeeping.details import source_url
from tallybook.errors import TallybookError
from tallybook.history.job import OPEN, PAGED, State
from tallybook.history.notes import Row
from tallybook.history.recorder import Recorder
from tallybook.pleo.client import CallRecord
from tallybook.pleo.errors import PleoNotFound
from tallybook.pleo.models import ExportItem

_LENGTH_MAX: Final = 2000  # of a note, a number or a link; longer ones are no use to anybody
_STEP_OF_CALL: Final = {"list_job_items": 3, "list_export_items": 4, "update_items": 6, "job": 6}  # within the pages
_BOOKS_STEP: Final = 5


Json = Mapping[str, Any]
Checkpoint = Callable[[str, Callable[[], Awaitable[Json]]], Awaitable[Json]]


class FinalEvent(Protocol):
    """The event that ends a job, as `outcome` has it."""

    @property
    def event(self) -> Enum: ...  # noqa: D102
    @property
    def reason(self) -> Enum | None: ...  # noqa: D102


class ItemResult(Protocol):
    """What became of one item, as `outcome` has it."""

    @property
    def entry_id(self) -> str: ...  # noqa: D102
    @property
    def external_id(self) -> str | None: ...  # noqa: D102
    @property
    def external_url(self) -> str | None: ...  # noqa: D102
    @property
    def reason(self) -> object: ...  # noqa: D102
    @property
    def receipts(self) -> int: ...  # noqa: D102


_at_hand: ContextVar["JobRecording | None"] = ContextVar("job_recording", default=None)


class JobRecording:
    """The recording of one run of a job; as a context manager it is the one at hand. Without a recorder, of nothing."""

    def __init__(self, recorder: Recorder | None, company_id: str, job_id: str) -> None:
        self._recorder = recorder
        self._left_s: Callable[[], float] = lambda: 0.0
        self._links: Mapping[str, Mapping[str, Any]] = {}
        self._planned: Mapping[str, Entry] = {}
        self._calls = 0
        self._books_failures: dict[str, int] = {}
        self._at_step = 0  # by its checkpoint; the row has the step of the last call
        self._token: Token[JobRecording | None] | None = None
        self._job: Row = {"job_id": job_id, "company_id": company_id, "state": State.RUNNING.value, "lost": 0}
        empty = ("started_at", "ended_at", "expires_at", "done_before", "page", "items", "successful", "failed")
        self._job |= dict.fromkeys((*empty, "event", "reason", "note")) | {"step": 0}

    def __enter__(self) -> Self:
        self._token = _at_hand.set(self)
        if self._recorder is not None:
            now = self._recorder.clock.now()
            self._job |= {"first_seen_at": now, "run_at": now}
            self._note()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            _at_hand.reset(self._token)
        # A run that is cut off, by the end of the process, goes on in the next one: for the console it still runs.
        if isinstance(error, Exception):
            cause = error.__cause__ if isinstance(error, TallybookError) and error.__cause__ else error
            if isinstance(cause, PleoNotFound):  # a mistyped id, say: no next run goes on with it
                self._end(State.ENDED_ELSEWHERE, note="Pleo knows no such job")
            else:
                self._end(State.INTERRUPTED, note=type(cause).__name__.lstrip("_"))

    async def noted(self, checkpoint: Checkpoint, name: str, step: Callable[[], Awaitable[Json]]) -> Json:
        """Run a step under a checkpoint, and take note when it really runs: one whose result was kept does not.

        `name` begins with the step's number, and a page's ends with the page's.
        """

        async def running() -> Json:
            self._at(name)
            return await step()

        return await checkpoint(name, running)

    def _at(self, name: str) -> None:
        self._at_step = self._job["step"] = int(name[0])
        if "page" in name:
            self._job["page"] = int(name.rpartition(" ")[2])
        self._note()

    def started(self, *, items: int, left_s: Callable[[], float]) -> None:
        """Say that the job is ours: with so many items, and so many seconds left, asked anew whenever it is told of."""
        self._job["items"], self._left_s = items, left_s
        if self._recorder is not None:
            self._job["started_at"] = self._recorder.clock.now()
        self._note()

    def planned(self, items: Sequence[ExportItem], entries: Mapping[str, Entry]) -> None:
        """Say which items a page has, and what is about to be recorded of them, by the entry's id at Pleo."""
        self._links, self._planned = {item.accounting_entry_id: item.links for item in items}, entries

    def reported(self, results: Sequence[ItemResult], *, items: int, successful: int, failed: int) -> None:
        """Say which results Pleo took, and how far the job is with them."""
        if self._job["done_before"] is None:
            self._job["done_before"] = max(successful + failed - len(results), 0)
        self._job |= {"items": items, "successful": successful, "failed": failed}
        if self._recorder is None:
            return
        at = self._recorder.clock.now()
        rows: list[Row] = [
            {
                "job_id": self._job["job_id"],
                "entry_id": each.entry_id,
                "at": at,
                "reason": None if each.reason is None else str(each.reason),
                "external_id": _short(each.external_id),
                "external_url": _link(each.external_url),
                "pleo_url": source_url(self._links.get(each.entry_id, {})),
                "planned": (planned := self._planned.get(each.entry_id)),
                "receipts": None if planned is None else each.receipts,
            }
            for each in results
        ]
        self._note(items=rows)

    def called(
        self, system: str, operation: str, *, status: int | None, attempt: int, took_s: float, error: str | None
    ) -> None:
        """Say that Pleo, its files or the books were called, and how it ended."""
        if self._recorder is None:
            return
        step = self._at_step
        if step in PAGED:
            step = self._job["step"] = _STEP_OF_CALL.get(operation, step) if system == "pleo" else _BOOKS_STEP
        self._calls += 1
        ended_at, duration_ms = self._recorder.clock.now(), round(took_s * 1000)
        key = {"job_id": self._job["job_id"], "step": step}
        call = {
            **key,
            "run_at": self._job["run_at"],
            "number": self._calls,
            "at": ended_at - timedelta(milliseconds=duration_ms),
            "system": system,
            "operation": operation,
            "status": status,
            "attempt": attempt,
            "duration_ms": duration_ms,
            "error": error,
        }
        counts = {"calls": 1, "failed_calls": int(error is not None), "calls_ms": duration_ms}
        self._note(steps=[{**key, "began_at": call["at"], "ended_at": ended_at, **counts}], calls=[call])

    def books_called(self, operation: str, *, took_s: float, error: str | None) -> None:
        """Say that the books were called; a call after one that failed is the next attempt at it."""
        attempt = self._books_failures.pop(operation, 0) + 1
        if error is not None:
            self._books_failures[operation] = attempt
        self.called("books", operation, status=None, attempt=attempt, took_s=took_s, error=error)

    def ended(self, final: FinalEvent | None, *, note: str | None, goes_on: bool, waits: bool = False) -> None:
        """Say that the run ended: with the job's final event, or why without it, and whether a next run goes on.

        A job that still `waits` was not begun: the run ended before it did anything.
        """
        if waits:
            self._job["step"] = 0
            self._end(State.WAITING, note=None)
        elif final is not None:
            self._job |= {"event": final.event.value, "reason": final.reason and final.reason.value}
            self._end(State(final.event.value), note=None)
        else:
            self._end(State.INTERRUPTED if goes_on else State.ENDED_ELSEWHERE, note=note)

    def _end(self, state: State, *, note: str | None) -> None:
        self._job |= {"state": state.value, "note": _short(note)}
        if self._recorder is not None and state not in OPEN:
            self._job["ended_at"] = self._recorder.clock.now()
        self._note(urgent=True)

    def _note(
        self, *, steps: Sequence[Row] = (), calls: Sequence[Row] = (), items: Sequence[Row] = (), urgent: bool = False
    ) -> None:
        if self._recorder is None:
            return
        now = self._recorder.clock.now()
        row = self._job | {"told_at": now, "expires_at": self._expires_at(now)}
        self._recorder.note(row, steps, calls, items, urgent=urgent)

    def _expires_at(self, now: datetime) -> datetime | None:
        left_s = self._left_s()
        return now + timedelta(seconds=left_s) if left_s > 0 else None


def pleo_called(call: CallRecord) -> None:
    """Tell the recording at hand, if any, of an attempt at a call to Pleo."""
    _called("pleo", call)


def receipt_called(call: CallRecord) -> None:
    """Tell the recording at hand, if any, of an attempt at a download of a receipt."""
    _called("receipts", call)


def _called(system: str, call: CallRecord) -> None:
    if (at_hand := _at_hand.get()) is not None:
        at_hand.called(
            system,
            call.operation,
            status=call.status,
            attempt=call.attempt,
            took_s=call.duration_s,
            error=call.error,
        )


@contextmanager
def books_call(operation: str, monotonic_s: Callable[[], float]) -> Iterator[None]:
    """Tell the recording at hand, if any, of the call to the books that is made inside."""
    at_hand, began_s, error = _at_hand.get(), monotonic_s(), "cut off"
    try:
        yield
        error = ""
    except TallybookError as raised:
        error = type(raised).__name__
        raise
    finally:
        if at_hand is not None:
            at_hand.books_called(operation, took_s=monotonic_s() - began_s, error=error or None)


def _short(text: str | None) -> str | None:
    return text and text[:_LENGTH_MAX]


def _link(url: str | None) -> str | None:
    """Keep a link as it is, or not at all: the half of one leads nowhere."""
    return url if url and len(url) <= _LENGTH_MAX else None
