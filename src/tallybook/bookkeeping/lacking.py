"""What the books lack for the items that wait: everything at once, where the plan of an item stops at the first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from functools import partial
from itertools import islice
from typing import TypeVar

from tallybook.accounting.entry import Entry
from tallybook.accounting.errors import (
    AccountUnknown,
    DimensionUnknown,
    EntryInvalid,
    EntryRefused,
    EntrySettingInvalid,
    TaxCodeUnknown,
    VendorUnknown,
)
from tallybook.accounting.system import ReferenceData
from tallybook.bookkeeping.accounts import AccountFinder
from tallybook.bookkeeping.amounts import LineAmounts, read_amounts
from tallybook.bookkeeping.books import Books
from tallybook.bookkeeping.dimensions import dimension_of
from tallybook.bookkeeping.mapping import CodeMapping, mapped
from tallybook.bookkeeping.method import Method, method_of
from tallybook.bookkeeping.period import posting_day
from tallybook.bookkeeping.plan import plan
from tallybook.bookkeeping.rules import Rules
from tallybook.bookkeeping.sides import Side, sides_of
from tallybook.bookkeeping.taxes import tax_code_of
from tallybook.bookkeeping.vendors import vendor_of
from tallybook.bookkeeping.wording import shown
from tallybook.pleo.models import ExportItem

FINDINGS_MAX = 500  # ours: more than a person mends at a sitting, and a bound on what hostile items make us hold
NEAR = 0.6  # difflib's own cutoff for what is worth showing
_T = TypeVar("_T")


@dataclass(slots=True)
class _Finding:
    error: EntryRefused
    entries: int = 0


class Lacking:
    """Counts, item by item, what the books lack; memory grows with what is lacking and not with the items."""

    def __init__(self, known: ReferenceData, *, today: date) -> None:
        self._known, self._books, self._today = known, Books(known), today
        self._found: dict[tuple[str, str | None, str], _Finding] = {}
        self._beyond = 0

    def add(self, item: ExportItem, rules: Rules) -> Entry | None:
        """Look at one item, with the decisions that plan it; gives the entry it would become, if nothing is lacking.

        Repeat: counts it again.
        """
        refusals = {_key(error): error for error in _refusals(item, rules, self._books, self._today)}
        for error in refusals.values():
            self.add_refusal(error)
        with suppress(EntryRefused):  # what is wrong with the item itself is not asked here
            return None if refusals else plan(item, rules, self._books, today=self._today).entry
        return None

    def add_refusal(self, error: EntryRefused) -> None:
        """Count one thing that keeps one entry out of the books.

        Repeat: counts it again.
        """
        key = _key(error)
        if key not in self._found:
            if len(self._found) >= FINDINGS_MAX:
                self._beyond += 1
                return
            self._found[key] = _Finding(error)
        self._found[key].entries += 1

    def sentences(self) -> list[str]:
        """Say what is lacking, what most entries wait for first, each with the nearest thing the books have."""
        findings = sorted(self._found.values(), key=lambda finding: (-finding.entries, str(finding.error)))
        told = [
            f"{finding.entries} {'entry' if finding.entries == 1 else 'entries'}: {finding.error}"
            + nearest(finding.error, self._known)
            for finding in findings
        ]
        return told + ([f"and more than {FINDINGS_MAX} things in all; mend these first"] if self._beyond else [])


def unknown_targets(mapping: CodeMapping, known: ReferenceData) -> list[str]:
    """Say which codes of the books a mapping names and the books do not have, whether an item asks for them or not."""
    return [
        f"mapping.{table} maps {shown(code)} to {shown(error.sought)}, which is {error}.{nearest(error, known)}"
        for table, code, error in islice(_unknown_targets(mapping, Books(known)), FINDINGS_MAX)
    ]


def _unknown_targets(mapping: CodeMapping, books: Books) -> Iterator[tuple[str, str, EntryRefused]]:
    for code, to in mapping.accounts.items():
        account = books.account(to)
        if account is None or not account.open:
            yield "accounts", code, AccountUnknown("no open account of the books", sought=to)
    for code, to in mapping.tax_codes.items():
        if books.tax_code(to) is None:
            yield "tax_codes", code, TaxCodeUnknown("no tax code of the books", sought=to)
    for group, table in mapping.tags.items():
        of_books = mapped(mapping.tag_groups, group) or group
        for code, to in table.items():
            if books.dimension(of_books, to) is None:
                said = f"no value of the dimension {shown(of_books)} of the books"
                yield f"tags.{group}", code, DimensionUnknown(said, sought=to, group=of_books)
    for code, to in mapping.vendors.items() if books.tells_vendors else ():
        if not books.vendors(external_id=None, code=to, tax_registration_number=None, registration_number=None):
            yield "vendors", code, VendorUnknown("no vendor of the books", sought=to)


def nearest(error: EntryRefused, known: ReferenceData) -> str:
    """Give the end of a sentence: the nearest code the books have, by code and by name; empty if none is near."""
    best = max(
        ((_likeness(error, code, name), code, name) for code, name in _candidates(error, known)),
        default=(0.0, "", ""),
    )
    ratio, code, name = best
    if ratio < NEAR:
        return ""
    return f" Nearest in the books: {shown(code)}{f', {shown(name)}' if name else ''}."


def _candidates(error: EntryRefused, known: ReferenceData) -> Iterable[tuple[str, str]]:
    if error.sought is None:
        return ()
    if isinstance(error, TaxCodeUnknown):
        return ((each.code, each.name) for each in known.tax_codes or ())
    if isinstance(error, VendorUnknown):
        return ((each.code, each.name) for each in known.vendors or () if not each.blocked)
    if isinstance(error, DimensionUnknown):
        wanted = (error.group or "").strip().casefold()
        return (
            (code, "")
            for group, codes in (known.dimensions or {}).items()
            if group.casefold() == wanted
            for code in sorted(codes)
        )
    if isinstance(error, AccountUnknown | EntrySettingInvalid):
        return ((each.code, each.name) for each in known.accounts or () if each.open and each.code != error.sought)
    return ()


def _likeness(error: EntryRefused, code: str, name: str) -> float:
    """How much a code or its name is like what was sought, from 0 to 1."""
    pairs = [(error.sought, code), (error.called, name)]
    return max(_ratio(ours[:100], theirs[:100]) for ours, theirs in pairs if ours is not None)


def _ratio(ours: str, theirs: str) -> float:
    match = SequenceMatcher(None, ours.strip().casefold(), theirs.strip().casefold(), autojunk=False)
    return match.ratio() if match.real_quick_ratio() >= NEAR and match.quick_ratio() >= NEAR else 0.0


def _key(error: EntryRefused) -> tuple[str, str | None, str]:
    # A code is one thing to mend whoever names it, a closed stretch whatever day of it is meant.
    return type(error).__name__, error.sought, error.group or "" if error.sought is not None else str(error)


class _Refusals(list[EntryRefused]):
    """Why the books could not take an item; what is wrong with the item itself is not asked here."""

    def tried(self, decision: Callable[[], _T]) -> _T | None:
        try:
            return decision()
        except EntryInvalid:
            return None
        except EntryRefused as error:
            self.append(error)
            return None


def _refusals(item: ExportItem, rules: Rules, books: Books, today: date) -> list[EntryRefused]:
    found = _Refusals()
    found.tried(lambda: posting_day(item.date.date(), rules.closed_period, books, today=today))
    sides = found.tried(partial(sides_of, item.type, item.sub_type))
    method = found.tried(partial(method_of, item, rules))
    if sides is None or method is None:
        return found
    finder = AccountFinder(rules.accounts, rules.mapping, books, item.amount.in_wallet_currency.currency)
    own_sides = [side for side in (sides.debit, sides.credit) if side is not Side.CATEGORY]
    if method is Method.ACCOUNTS_PAYABLE and item.vendor is not None:
        vendor = found.tried(partial(vendor_of, item.vendor, books, rules.mapping))
        if vendor is not None:
            found.tried(partial(finder.of_vendor, vendor))
        own_sides = [side for side in own_sides if side not in {Side.PAYABLE, Side.OUT_OF_POCKET}]
    for side in own_sides:
        found.tried(partial(finder.of_side, side, item.contra_account))
    if sides.is_spend:
        for line in item.accounting_entry_lines:
            found.tried(partial(finder.of_line, line, sides, "The expense, or a line of it,"))
            for tag in filter(None, line.tags or ()):
                found.tried(partial(dimension_of, tag, books, rules.mapping))
        _try_taxes(found, item, rules, finder, books)
    return found


def _try_taxes(found: _Refusals, item: ExportItem, rules: Rules, finder: AccountFinder, books: Books) -> None:
    amounts: Sequence[LineAmounts | None] = [None] * len(item.accounting_entry_lines)
    with suppress(EntryRefused):  # without readable amounts it is not known whether there is tax to book
        amounts = read_amounts(item, rules.minor_units, with_tax=True).lines
    for line, amount in zip(item.accounting_entry_lines, amounts, strict=True):
        tax_code = found.tried(partial(tax_code_of, line.tax, books, rules.mapping))
        if line.tax is None or amount is None or (tax_code is None and line.tax.code):
            continue
        if amount.tax_in_minor:
            found.tried(partial(finder.of_tax_in, line.tax, tax_code))
        if amount.tax_out_minor:
            found.tried(partial(finder.of_tax_out, line.tax, tax_code))
