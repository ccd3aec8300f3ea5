"""Handing over: the part of the port for accounting systems that only read import files.

Such an adapter records into a ledger that gives back what it holds and keeps account of what was handed over to whom.
Entries that are complete wait there; when a job ends they are put into sets of import files, and stay in them for ever.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol, runtime_checkable

from tallybook.accounting.entry import Attachment, Entry, EntryKey, Recorded
from tallybook.accounting.system import (
    AccountingSystem,
    ReadableSystem,
    Refused,
    RehearsingReversals,
    RehearsingSystem,
)


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry as the ledger holds it; `files` are where the ledger keeps them, by position."""

    entry: Entry
    recorded: Recorded
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Tags:
    """A dimension of the ledger: its name, and the names of its values by their codes."""

    name: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Names:
    """What the ledger calls the things that entries name by code; `company` None if it was never told."""

    company: str | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)
    vendors: Mapping[str, str] = field(default_factory=dict)
    dimensions: Mapping[str, Tags] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of days whose entries go into one set; `name` is "2026-10" or "2026". Both ends are included."""

    name: str
    from_on: date
    to_on: date


@dataclass(frozen=True, slots=True)
class ImportSet:
    """A numbered set of import files: which entries are in it never changes once it has its number.

    `job_id` is the export job at whose end it was made, `again_of` the set whose entries it repeats, for `reason`.
    `sha256` is that of the set's manifest; None until the files are on disk.
    """

    number: int
    company_id: str
    period: Period
    job_id: str
    made_at: datetime
    entries: int
    again_of: int | None = None
    reason: str = ""
    sha256: str | None = None


class HandOvers(Protocol):
    """A ledger's account of what was handed over to one system, known by its name, such as "datev"."""

    async def booked(self, keys: Sequence[EntryKey]) -> Sequence[Booked]:
        """Give entries back as they were recorded, those of `keys` that are there, by posting date and number.

        Repeat: safe.
        """

    async def names(self) -> Names:
        """Say what things are called.

        Repeat: safe.
        """

    async def handed_over(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, int | None]:
        """Say which entries are in a set, and in which; None are those that wait for one.

        Repeat: safe.
        """

    async def wait(self, keys: Sequence[EntryKey]) -> None:
        """Let complete entries wait for the next set.

        Repeat: safe; an entry that waits, or is in a set, stays so.
        """

    async def assign(self, company_id: str, job_id: str, at: datetime, period_of: Callable[[date], Period]) -> None:
        """Put every waiting entry of a company into a new set, one for each period; `period_of` a posting date.

        An entry and its reversal go together: neither goes while the other is in the ledger and was never let wait.

        Repeat: safe; an entry that is in a set waits no longer.
        """

    async def again(self, number: int, at: datetime, reason: str) -> ImportSet:
        """Make a new set of the entries of an earlier one.

        Repeat: makes one more.
        Raises:
            SettingsError: there is no such set.
        """

    async def sets(self, company_id: str) -> Sequence[ImportSet]:
        """List the sets of a company by number, also those whose files are not written yet.

        Repeat: safe.
        """

    async def keys_of(self, number: int) -> Sequence[EntryKey]:
        """List the entries of a set by posting date and number.

        Repeat: safe.
        """

    async def written(self, number: int, sha256: str) -> None:
        """Note that the files of a set are on disk.

        Repeat: safe; the first sha256 stays.
        """


@runtime_checkable
class Ledger(RehearsingSystem, RehearsingReversals, ReadableSystem, Protocol):
    """Books that can give entries back and keep account of what was handed over; the embedded book is one."""

    def hand_overs(self, system: str) -> HandOvers:
        """Open the account of what was handed over to a system.

        Repeat: safe.
        """


class HandsOver(AccountingSystem, Protocol):
    """Books that pass entries on when a job ends; their capabilities say `hands_over`.

    The workflow calls `settle` with the entries of a page that are complete (recorded, with their files, posted where
    that is wanted), and `finish` before the job's final event.
    """

    async def settle(self, entries: Sequence[Recorded]) -> Sequence[Refused]:
        """Let entries be passed on at the next `finish`; returns those that cannot be.

        Repeat: safe; an entry that was passed on is not passed on again.
        """

    async def handed_over(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, str | None]:
        """Say which entries were passed on, in the words a bookkeeper knows it by; None are those that wait for it.

        Repeat: safe.
        """

    async def finish(self, company_id: str, job_id: str) -> None:
        """Pass on everything that was settled, also what a killed run left.

        Repeat: safe; nothing is passed on twice.
        Raises:
            AccountingError: it could not be passed on; call again.
        """
