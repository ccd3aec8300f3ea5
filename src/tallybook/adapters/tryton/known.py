"""What is known of Tryton's things, by Tryton's ids: rows of its tables as far as recording needs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from tallybook.accounting.entry import Document


@dataclass(frozen=True, slots=True)
class Company:
    """The company in Tryton, by Tryton's ids. `fence` is the line that every write of ours touches."""

    company: int
    currency: str
    currency_id: int
    journal: int
    bill_journal: int | None
    fence: int


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account. `on_bills`: Tryton takes it on the lines of supplier bills."""

    id: int
    code: str
    name: str
    open: bool
    party_required: bool
    payable: bool
    on_bills: bool
    currency: str | None
    from_on: date | None
    to_on: date | None


@dataclass(frozen=True, slots=True)
class KnownLeaf:
    """A tax that is made of no others. `plain`: a share of what is taxed, and no part of it."""

    id: int
    account: int | None
    credit_note_account: int | None
    plain: bool


@dataclass(frozen=True, slots=True)
class KnownTax:
    """A tax with the taxes it is made of. `ingoing` is reclaimed, `outgoing` owed under reverse charge."""

    id: int
    name: str
    description: str
    leaves: tuple[KnownLeaf, ...]
    ingoing: int
    outgoing: int
    ingoing_account: str | None
    outgoing_account: str | None


@dataclass(frozen=True, slots=True)
class KnownParty:
    """A party as a vendor; without an address it can have no bills."""

    id: int
    code: str
    name: str
    blocked: bool
    address: int | None
    account: str | None
    external_id: str
    tax_number: str | None
    other_number: str | None


@dataclass(frozen=True, slots=True)
class KnownPeriod:
    """A standard period. `closed_journals` has the journals closed in it."""

    id: int
    from_on: date
    to_on: date
    open: bool
    closed_journals: frozenset[int]


@dataclass(frozen=True, slots=True)
class Original:
    """A document as Tryton holds it now, to be turned around; `reference` is such as account.invoice,5.

    `own_minor` is what its lines come to in the company's currency, None where Tryton itself converts.
    """

    reference: str
    document: Document
    own_minor: tuple[int, ...] | None = None

    @property
    def turned_minor(self) -> tuple[int, ...] | None:
        """The lines of its reversal in the company's currency."""
        return None if self.own_minor is None else tuple(-amount for amount in self.own_minor)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the things a batch names; dimensions by folded codes, as (root, analytic account)."""

    accounts: Mapping[str, KnownAccount]
    taxes: Mapping[str, KnownTax]
    roots: frozenset[str]
    dimensions: Mapping[tuple[str, str], tuple[int, int]]
    parties: Mapping[str, KnownParty]
    periods: Sequence[KnownPeriod]
    currencies: Mapping[str, int]
    rates: Mapping[str, Sequence[tuple[date, Decimal]]] = field(default_factory=dict)  # newest first
    by_hand: Mapping[tuple[int, str], str] = field(default_factory=dict)  # (party, number) -> a bill that is not ours

    def period(self, day: date) -> KnownPeriod | None:
        """Find the period of a day."""
        return next((period for period in self.periods if period.from_on <= day <= period.to_on), None)

    def rate(self, currency: str, day: date) -> Decimal | None:
        """Find what one unit of Tryton's base was in a currency on a day."""
        return next((rate for on, rate in self.rates.get(currency, ()) if on <= day), None)
