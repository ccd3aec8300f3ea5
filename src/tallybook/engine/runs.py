"""Runs and their names: all about a run follows from its export job alone, so whoever reports a job means one run.

A run is named `export-<createdAt in ms, zero-padded>-<job id>~<turn>`: names sort by the age of the job, and a job
reported by webhook, poll and button at once has one. A job whose run ended before it did gets the next turn.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_NAME = re.compile(r"export-(\d{15})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})~(\d+)\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_OF_AGES = datetime(2020, 1, 1, tzinfo=UTC)
_AGE_MINUTES_MAX = 2**31 - 1  # dbos: priorities are 1 to 2^31 - 1


@dataclass(frozen=True, slots=True)
class Job:
    """An export job as the engine needs it; ids in lower case, `created_at` aware, as Pleo has it."""

    id: str
    company_id: str
    created_at: datetime

    @property
    def created_at_ms(self) -> int:
        """Milliseconds from 1970 to the job's creation, exact; 0 for what claims to be older."""
        return max(0, (self.created_at - _EPOCH) // timedelta(milliseconds=1))

    @property
    def prefix(self) -> str:
        """What the names of all runs of this job begin with."""
        return f"export-{self.created_at_ms:015d}-{self.id}~"

    def run_name(self, turn: int) -> str:
        """Name of the run of a turn, 0 for the first."""
        return f"{self.prefix}{turn}"

    @property
    def age_rank(self) -> int:
        """Minutes from 2020 to the job's creation: within a company the smallest runs first."""
        return _rank(self.created_at)


def turn_of(run_name: str) -> int:
    """Which turn of its job a run is.

    Raises:
        ValueError: not the name of a run.
    """
    return int(_parts(run_name)[3])


def created_at_of(run_name: str) -> datetime:
    """When the job a run belongs to was created.

    Raises:
        ValueError: not the name of a run.
    """
    return _EPOCH + timedelta(milliseconds=int(_parts(run_name)[1]))


def rank_of(run_name: str) -> int:
    """The age rank of the job a run belongs to.

    Raises:
        ValueError: not the name of a run.
    """
    return _rank(created_at_of(run_name))


def _parts(run_name: str) -> re.Match[str]:
    if (found := _NAME.match(run_name)) is None:
        raise ValueError(f"{run_name!r} is no run of an export job")
    return found


def _rank(created_at: datetime) -> int:
    minutes = int((created_at - _EPOCH_OF_AGES).total_seconds() // 60)
    return min(max(minutes, 1), _AGE_MINUTES_MAX)
