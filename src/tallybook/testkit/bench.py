"""The bench: what an adapter's author tells the kit of a test company in a real accounting system."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tallybook.accounting.entry import Dimension
from tallybook.accounting.errors import AccountingError
from tallybook.accounting.system import Adapter
from tallybook.testkit.content import Facet, Held
from tallybook.testkit.proxy import FaultProxy


@dataclass(frozen=True, slots=True)
class TrialCompany:
    """The test company: codes that are in its books, and days of which one is open and one may be closed.

    None, or an empty tuple, says that these books have no such thing; what is asked of it is then not applicable.
    """

    company_id: str  # a lower-case UUID
    currency: str
    cost_accounts: tuple[str, str]
    wallet_account: str
    payable_account: str
    open_on: date
    closed_on: date | None = None
    tax_code: str | None = None
    tax_in_account: str | None = None
    tax_out_account: str | None = None  # reverse charge
    tax_percent: int = 25  # of `tax_code`, for systems that compute tax themselves
    dimensions: tuple[Dimension, ...] = ()  # values of different groups
    vendor: str | None = None
    blocked_vendor: str | None = None
    closed_account: str | None = None
    other_currency: str | None = None  # a second currency that entries may be in


@dataclass(frozen=True, slots=True)
class Unready:
    """A way in which the books cannot be used: the settings that lead there, and the leaf that says so."""

    what: str
    settings: Mapping[str, Any]
    error: type[AccountingError]


@dataclass(kw_only=True)
class Bench(ABC):
    """One test company in a real accounting system, for one test or for many: the kit looks at differences only.

    `settings` is the section `[books.NAME]` that opens it; time limits in it should be a second or two. `proxy` is the
    kit's own, when the adapter speaks HTTP: the settings then name `proxy.url`. `secrets` are texts that no error may
    contain. `not_kept` names the parts of an entry that the system has no place for. `one_writer` says that two
    processes must not write to one company at once, because the system cannot keep a key from being used twice.
    `own_code` are folders or files whose lines the kit stops at to kill the adapter; by default the folder of the
    module that `adapter.open` stands in. `page` is the file that holds the table of adapters. Every `request_step`th
    request of a call is disturbed; the proof is 1, all of them, and a slow system's everyday tests may take fewer.
    """

    adapter: Adapter
    settings: Mapping[str, Any]
    company: TrialCompany
    proxy: FaultProxy | None = None
    unready: Sequence[Unready] = ()
    secrets: Sequence[str] = ()
    not_kept: frozenset[Facet] = field(default_factory=frozenset)
    one_writer: bool = False
    own_code: Sequence[str] = ()
    page: Path | None = None
    request_step: int = 1

    def requests(self, requests_max: int, offset: int) -> range:
        """Number the requests of a call to disturb, each in a call of its own; the offset varies which are left out."""
        return range(1 + offset % self.request_step, requests_max, self.request_step)

    @abstractmethod
    async def contents(self) -> Sequence[Held]:
        """Read everything the system holds for the company, from the system itself and never through the adapter.

        Repeat: safe; reads only.
        """

    async def close_period(self, on: date) -> bool:
        """Close the period of a day behind the adapter's back; False if this cannot be done here.

        Repeat: safe.
        """
        del on
        return False

    async def reopen_period(self, on: date) -> None:
        """Undo `close_period`.

        Repeat: safe.
        """
        del on

    async def end_sessions(self) -> bool:
        """Make the system forget who is logged in; False if it knows no sessions.

        Repeat: safe.
        """
        return False
