"""What the books know, indexed once per job, so that planning an entry costs a few look-ups however large they are."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TypeVar

from tallybook.accounting.entry import Dimension
from tallybook.accounting.system import Account, ClosedPeriod, ReferenceData, TaxCode, Vendor
from tallybook.bookkeeping.wording import is_plain

_Row = TypeVar("_Row")


class Books:
    """An index over `ReferenceData`.

    Where the accounting system cannot tell (None), a code is taken as Pleo gives it, if it is printable and of a
    sane length; the accounting system has the last word.
    """

    def __init__(self, known: ReferenceData) -> None:
        self._accounts_by_code: dict[str, Account] | None = None
        self._accounts_by_identifier: dict[str, Account] = {}
        if known.accounts is not None:
            self._accounts_by_code = _first_by((account.code, account) for account in known.accounts)
            self._accounts_by_identifier = _first_by((account.identifier, account) for account in known.accounts)
        self._tax_codes: dict[str, TaxCode] | None = None
        if known.tax_codes is not None:
            self._tax_codes = _first_by((tax_code.code, tax_code) for tax_code in known.tax_codes)
        self._dimensions: dict[tuple[str, str], Dimension] | None = None
        if known.dimensions is not None:
            self._dimensions = {
                (group.casefold(), code.casefold()): Dimension(group, code)
                for group, codes in known.dimensions.items()
                # Two codes that differ by case alone: the sorted first one, not whichever a set gives first.
                for code in sorted(codes, reverse=True)
            }
        self.tells_vendors = known.vendors is not None
        vendors = known.vendors or ()
        # A system without an id apart from the code: the definition lets externalId equal the code.
        self._vendors_by_external_id = _all_by((vendor.external_id or vendor.code, vendor) for vendor in vendors)
        self._vendors_by_code = _all_by((vendor.code, vendor) for vendor in vendors)
        self._vendors_by_tax_number = _all_by((_number(vendor.tax_registration_number), vendor) for vendor in vendors)
        self._vendors_by_number = _all_by((_number(vendor.registration_number), vendor) for vendor in vendors)
        self._closed = _merged(known.closed_periods)
        self._closed_from = [period.from_on for period in self._closed]

    def account(self, code: str | None, identifier: str | None = None) -> Account | None:
        """Find an account by its identifier if the books know it, else by its code; None: there is no such account."""
        by_code = self._accounts_by_code
        if by_code is None:
            number = next((text for text in (code, identifier) if text is not None and is_plain(text)), None)
            return None if number is None else Account(code=number.strip(), name="")
        if identifier is not None and (known := self._accounts_by_identifier.get(identifier.strip())) is not None:
            return known
        return None if code is None else by_code.get(code.strip())

    def tax_code(self, code: str) -> TaxCode | None:
        """Find a tax code; None: there is none of that name."""
        if self._tax_codes is None:
            return TaxCode(code.strip()) if is_plain(code) else None
        return self._tax_codes.get(code.strip())

    def dimension(self, group: str, code: str) -> Dimension | None:
        """Find a value of a dimension without regard to case, in the books' own spelling; None: there is none."""
        if self._dimensions is None:
            return Dimension(group.strip(), code.strip()) if is_plain(group) and is_plain(code) else None
        return self._dimensions.get((group.strip().casefold(), code.strip().casefold()))

    def vendors(
        self,
        *,
        external_id: str | None,
        code: str | None,
        tax_registration_number: str | None,
        registration_number: str | None,
    ) -> Sequence[Vendor]:
        """Find the vendors that the first matching key names: more than one means the key is not unique there.

        The two registration numbers are compared by letters and digits alone, since everyone spaces them otherwise.

        Source: docs/decisions.md 24 for the order of the keys.
        """
        for index, key in (
            (self._vendors_by_external_id, external_id),
            (self._vendors_by_code, code),
            (self._vendors_by_tax_number, _number(tax_registration_number)),
            (self._vendors_by_number, _number(registration_number)),
        ):
            if key is not None and key.strip() and (found := index.get(key.strip())):
                return found
        return ()

    def closed_stretch(self, day: date) -> ClosedPeriod | None:
        """Find the stretch of closed days around a day, adjoining closed periods taken as one; None: it is open."""
        at = bisect_right(self._closed_from, day) - 1
        return self._closed[at] if at >= 0 and day <= self._closed[at].to_on else None


def _number(text: str | None) -> str | None:
    return None if text is None else "".join(filter(str.isalnum, text)).casefold()


def _first_by(rows: Iterable[tuple[str | None, _Row]]) -> dict[str, _Row]:
    return {key: found[0] for key, found in _all_by(rows).items()}


def _all_by(rows: Iterable[tuple[str | None, _Row]]) -> dict[str, list[_Row]]:
    index: dict[str, list[_Row]] = {}
    for key, row in rows:
        if key is not None and (plain := key.strip()):
            index.setdefault(plain, []).append(row)
    return index


def _merged(periods: Iterable[ClosedPeriod]) -> list[ClosedPeriod]:
    merged: list[ClosedPeriod] = []
    for period in sorted((p for p in periods if p.from_on <= p.to_on), key=lambda period: period.from_on):
        # Adjoining is compared by subtraction: the day after date.max does not exist.
        if merged and period.from_on - merged[-1].to_on <= timedelta(days=1):
            merged[-1] = replace(merged[-1], to_on=max(merged[-1].to_on, period.to_on))
        else:
            merged.append(period)
    return merged
