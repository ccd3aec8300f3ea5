"""A job as the console shows it: where it stands, its steps, calls and items. Ids, codes, counts and classes only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

STEPS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "Detect and start",
        2: "Validate",
        3: "Retrieve the items",
        4: "Fetch their data",
        5: "Record in the books",
        6: "Report the items",
        7: "Complete the job",
    }
)
PAGED: Final = range(3, 7)  # these run together, page by page
# A running job says something to Pleo every five minutes at least; one that has been silent for longer has no run.
SILENT_AFTER: Final = timedelta(minutes=10)


class State(StrEnum):
    """Where a job stands; the three final events are states by Pleo's own names."""

    WAITING = "waiting"
    RUNNING = "running"
    INTERRUPTED = "interrupted"  # its run ended before it did; the next run goes on
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    ENDED_ELSEWHERE = "ended_elsewhere"  # it became final without us: cancelled, expired


OPEN: Final = (State.WAITING, State.RUNNING, State.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Job:
    """One job; counts are None until they are known, instants are aware and in UTC.

    `told_at` is when something was last heard of it. `done_before` of its items had a result when the last run began,
    at `run_at`. `lost` calls and items could not be written down. `note` is a sentence of ours or an error's class.
    """

    job_id: str
    company_id: str
    state: State
    first_seen_at: datetime
    told_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    run_at: datetime | None = None
    done_before: int | None = None
    step: int = 0
    page: int | None = None
    items: int | None = None
    successful: int | None = None
    failed: int | None = None
    event: str | None = None
    reason: str | None = None
    note: str | None = None
    lost: int = 0

    @property
    def done(self) -> int:
        """Items that have a result."""
        return (self.successful or 0) + (self.failed or 0)

    @property
    def is_open(self) -> bool:
        """Whether its end is not known yet."""
        return self.state in OPEN

    @property
    def items_per_s(self) -> float | None:
        """How quickly the last run gave items a result; None while there is nothing to say."""
        if self.run_at is None or self.done_before is None:
            return None
        took_s = (self.told_at - self.run_at).total_seconds()
        return (self.done - self.done_before) / took_s if took_s > 0 else None

    @property
    def took(self) -> timedelta | None:
        """From its first start to its end."""
        return self.ended_at - self.started_at if self.started_at and self.ended_at else None

    def is_silent(self, now: datetime) -> bool:
        """Whether it is shown running, and nothing was heard of it for so long that nobody is at work on it."""
        return self.state is State.RUNNING and now - self.told_at > SILENT_AFTER


@dataclass(frozen=True, slots=True)
class Step:
    """What a job did in one of the seven steps, in all its runs; `calls` counts also those that are not listed."""

    step: int
    began_at: datetime
    ended_at: datetime
    calls: int
    failed_calls: int
    calls_ms: int


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at a call to Pleo or at a download of a receipt, or one call to the books.

    `status` is HTTP's, `error` a class.
    """

    number: int
    run_at: datetime
    at: datetime
    step: int
    system: str
    operation: str
    status: int | None
    attempt: int
    duration_ms: int
    error: str | None


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """A debit (positive) or credit (negative) in minor units; dimensions are pairs of codes, group and value."""

    account: str
    amount_minor: int
    role: str
    tax_code: str | None
    dimensions: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PlannedDocument:
    """One balanced document of an entry, as it was to be recorded.

    `vendor` is the vendor's code in the books, empty without one; None: an older release did not keep it.
    """

    kind: str
    currency: str
    posting_on: str
    lines: Sequence[PlannedLine]
    vendor: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """What Pleo acknowledged of one item. `reason` None: it is in the books, under `external_id`.

    `documents` are empty where nothing was planned: it failed before, or was in the books already. `receipts` counts
    those that were with it in the books then; None where nothing was planned, or an older release did not keep it.
    """

    entry_id: str
    at: datetime
    reason: str | None
    external_id: str | None
    external_url: str | None
    pleo_url: str | None
    documents: Sequence[PlannedDocument]
    receipts: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """The jobs that ended on one day, UTC, by their final states; and how long they took, in seconds."""

    on: date
    ended: Mapping[State, int]
    median_s: float | None
    longest_s: float | None
