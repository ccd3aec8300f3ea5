"""The protocol an adapter fulfils, and the reference data it offers for planning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from tallybook.accounting.entry import Attachment, Entry, EntryKey, Held, Recorded, Reversal
from tallybook.accounting.errors import EntryRefused


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an accounting system can do; the workflow adapts to it."""

    batch_size: int = 100  # entries per `record`, `post` and `find`
    can_find: bool = True  # False: a doubtful write becomes `uncertain` instead of being searched for
    drafts: bool = True
    attachments: bool = True
    attachment_size_bytes_max: int | None = None
    attachments_per_entry_max: int | None = None  # more files than this are merged into one PDF
    attachment_types: frozenset[str] | None = None  # media types taken; None takes pdf, jpg, png, txt, doc(x), xls(x)
    accounts_payable: bool = True
    reversals: bool = False  # True: it is a `ReversingSystem`
    hands_over: bool = False  # True: it is a `HandsOver` (handover.py)
    rehearses: bool = False  # True: it is a `RehearsingSystem`
    rehearses_reversals: bool = False  # True: it is a `RehearsingReversals`
    reads_back: bool = False  # True: it is a `ReadableSystem`
    identity: str = ""  # which books these are, of all the adapter could write to: the same after a restart, no secret


@dataclass(frozen=True, slots=True)
class Need:
    """What a job asks of the books, for `check_ready`."""

    company_id: str
    accounts_payable: bool
    attachments: bool
    posted: bool  # entries are to be finalised, not left as drafts


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the books. `identifier` is the system's stable id; `currency` None takes any currency."""

    code: str
    name: str
    identifier: str | None = None
    open: bool = True
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class TaxCode:
    """A tax code and the accounts its tax goes to."""

    code: str
    name: str = ""
    ingoing_account: str | None = None
    outgoing_account: str | None = None


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor of the books; `account` is its own payable account, if it has one."""

    code: str
    name: str
    external_id: str | None = None
    tax_registration_number: str | None = None
    registration_number: str | None = None
    account: str | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """A closed stretch of days, both ends included."""

    from_on: date
    to_on: date


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """What the books know. None means the system cannot tell, and then nothing is checked against it.

    `dimensions` maps a group's code to the codes of its values; compare both without regard to case.
    """

    accounts: Sequence[Account] | None = None
    tax_codes: Sequence[TaxCode] | None = None
    dimensions: Mapping[str, frozenset[str]] | None = None
    vendors: Sequence[Vendor] | None = None
    closed_periods: Sequence[ClosedPeriod] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Refused:
    """One entry the books did not take, or one file; the others of the batch are untouched by it."""

    key: EntryKey
    error: EntryRefused


class AccountingSystem(Protocol):
    """The books, whatever program keeps them. Every method may raise an AccountingError for the whole system."""

    capabilities: Capabilities

    async def check_ready(self, need: Need) -> None:
        """Find out whether a job could be recorded now; reads only.

        Repeat: safe.
        Raises:
            AccountingError: the leaf says what is wrong and where to mend it.
        """

    async def reference_data(self) -> ReferenceData:
        """Read accounts, tax codes, dimensions, vendors and closed periods, once per job.

        Repeat: safe.
        """

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        """Say which of these entries are in the books, also those a killed run wrote.

        Repeat: safe.
        """

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        """Record entries as drafts, one answer for each in the same order; one bad entry spoils no other.

        Repeat: a key already in the books is not written again; its `Recorded` is returned as it stands.
        """

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        """Store files with their entries; returns those not taken.

        Repeat: safe; a file is known by entry, position and sha256.
        """

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        """Finalise entries, one answer for each in the same order.

        Repeat: safe; a posted entry stays as it is.
        """

    async def aclose(self) -> None:
        """Give back files and connections.

        Repeat: safe.
        """


class ReversingSystem(AccountingSystem, Protocol):
    """Books that can take a recorded entry back, and so correct one that changed at its source.

    Their `find` finds reversals and corrected entries by their own keys, and says when each was posted.
    """

    async def reverse(self, reversals: Sequence[Reversal]) -> Sequence[Recorded | Refused]:
        """Record reversals as drafts, one answer for each in the same order; the entries they reverse stay.

        Repeat: a key already in the books is not written again; its `Recorded` is returned as it stands.
        """


class RehearsingSystem(AccountingSystem, Protocol):
    """Books that say beforehand what they would refuse, for a plan of an export that is not begun yet."""

    async def rehearse(self, entries: Sequence[Entry]) -> Sequence[Refused]:
        """Say which of these entries `record` would refuse as things are now, and why; writes nothing.

        Repeat: safe.
        """


class RehearsingReversals(ReversingSystem, Protocol):
    """Books that say beforehand which reversals they would refuse: no entry is taken back by a correction in vain."""

    async def rehearse_reversals(self, reversals: Sequence[Reversal]) -> Sequence[Refused]:
        """Say which of these reversals `reverse` would refuse as things are now, and why; writes nothing.

        Repeat: safe.
        """


class ReadableSystem(AccountingSystem, Protocol):
    """Books that say what they hold of an entry, whoever changed it since, so that it can be compared."""

    async def read_back(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Held]:
        """Read what is in the books of these entries now, by their own keys, corrections and reversals included.

        Repeat: safe.
        """


@dataclass(frozen=True, slots=True)
class Adapter:
    """What the entry point group `tallybook.adapters` names: how to open books, and commands for them.

    `open` takes the section `[books.NAME]` as plain TOML values and raises SettingsError for a bad one.
    `commands` is "module:attribute" of a typer app, or None.
    """

    name: str
    summary: str
    open: Callable[[Mapping[str, Any]], AccountingSystem]
    commands: str | None = None
