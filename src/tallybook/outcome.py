"""What came of an item and of a job: the results that steps 5, 6 and 7 hand on to each other."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from tallybook.accounting.entry import Recorded
from tallybook.errors import TallybookError
from tallybook.failure_reasons import item_reason
from tallybook.pleo.models import ExportJobItem, ItemFailureReason, ItemStatus, JobEvent, JobFailureReason

# Pleo publishes no limit for texts; a reason is read by a person, in a list.
REASON_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One item's end: recorded (`external_id`, `exported_at`) or failed (`reason`, `text`)."""

    entry_id: str
    external_id: str | None = None
    external_url: str | None = None
    exported_at: datetime | None = None
    reason: ItemFailureReason | None = None
    text: str | None = None
    receipts: int = 0  # that are in the books with it

    @property
    def successful(self) -> bool:
        """Whether the entry is in the books."""
        return self.reason is None


def successful(recorded: Recorded, *, receipts: int = 0) -> ItemResult:
    """Result of an entry that is in the books, recorded now or by an earlier run."""
    return ItemResult(
        entry_id=recorded.key.entry_id,
        external_id=recorded.external_id,
        external_url=recorded.external_url,
        exported_at=recorded.recorded_at,
        receipts=receipts,
    )


def failed(entry_id: str, error: TallybookError) -> ItemResult:
    """Result of an entry that is not, with the error's own sentence."""
    return ItemResult(entry_id=entry_id, reason=item_reason(error), text=one_line(error))


def one_line(error: TallybookError) -> str:
    """Give an error's sentence on one line and short enough for a list."""
    return short(str(error)) or f"No reason was given ({type(error).__name__})"  # Pleo takes no empty one


def short(text: str) -> str:
    """Put a text on one line and cut it to what a list can show."""
    text = " ".join(text[: REASON_LENGTH_MAX * 8].split())
    return text if len(text) <= REASON_LENGTH_MAX else text[: REASON_LENGTH_MAX - 1] + "…"


@dataclass(slots=True)
class Tally:
    """The count of a job's items that are final at Pleo, and why those that failed did."""

    successful: int = 0
    failed: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    first_text: str | None = None

    def add_result(self, result: ItemResult) -> None:
        """Count an acknowledged result."""
        self._add(result.successful, result.reason, result.text)

    def add_item(self, item: ExportJobItem) -> None:
        """Count an item that was final before this run."""
        self._add(item.status == ItemStatus.SUCCESSFUL, item.failure_reason_type, item.failure_reason)

    def _add(self, succeeded: bool, reason: str | None, text: str | None) -> None:
        if succeeded:
            self.successful += 1
        else:
            self.failed += 1
            self.causes[str(reason or ItemFailureReason.UNEXPECTED_FAILURE)] += 1
            self.first_text = self.first_text or text

    @property
    def items(self) -> int:
        """All items counted."""
        return self.successful + self.failed


@dataclass(frozen=True, slots=True)
class FinalEvent:
    """The one event that ends a job; reason and text belong to `failed` alone."""

    event: JobEvent
    reason: JobFailureReason | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a run did with one job.

    `event` is None when the run ended before the job did; `note` then says why, and what happens next.
    `was_completed` says that the job was completed before this run came to it.
    """

    job_id: str
    event: FinalEvent | None
    items: int
    successful: int
    failed: int
    seconds: float
    note: str | None = None
    was_completed: bool = False

    @property
    def completed(self) -> bool:
        """Whether the job ended `completed`, by this run or before it."""
        return self.was_completed or (self.event is not None and self.event.event is JobEvent.COMPLETED)
