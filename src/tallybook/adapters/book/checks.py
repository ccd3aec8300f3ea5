"""Whether an entry can be recorded: what a bookkeeper has to mend is said here in words, before the file refuses it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tallybook.accounting.balance import require_balance
from tallybook.accounting.entry import Document, DocumentKind, Entry, Line
from tallybook.accounting.errors import (
    AccountUnknown,
    DimensionUnknown,
    EntryInvalid,
    EntrySettingInvalid,
    PeriodClosed,
    TaxCodeUnknown,
    VendorUnknown,
)
from tallybook.adapters.book.database import BookFile
from tallybook.adapters.book.schema import FIRST_DAY, LAST_DAY
from tallybook.adapters.book.texts import storable

INTEGER_MAX = 2**63 - 1  # SQLite's integers have 64 bits. Source: sqlite.org/datatype3.html


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """What a check needs of an account."""

    open: bool
    currency: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the book knows of the things a batch names, read inside the transaction that writes it."""

    accounts: dict[str, KnownAccount]
    tax_codes: set[str]
    dimensions: set[str]  # folded
    dimension_values: set[tuple[str, str]]  # folded
    vendors: dict[str, bool]  # code -> blocked
    closed_periods: list[tuple[str, str]]


def known(file: BookFile, entries: Sequence[Entry]) -> Known:
    """Look up everything the entries name, with one statement per kind of thing."""
    documents = [document for entry in entries for document in entry.documents]
    lines = [line for document in documents for line in document.lines]
    groups = {dimension.group.casefold() for line in lines for dimension in line.dimensions}
    return Known(
        accounts={
            code: KnownAccount(bool(is_open), currency)
            for code, is_open, currency in file.execute(
                "SELECT code, open, currency FROM accounts WHERE code IN (SELECT value FROM json_each(?))",
                (_json(line.account for line in lines),),
            )
        },
        tax_codes=_codes(file, "SELECT code FROM tax_codes WHERE code", (line.tax_code for line in lines)),
        dimensions=_codes(file, "SELECT folded FROM dimensions WHERE folded", groups),
        dimension_values={
            (group, code)
            for group, code in file.execute(
                """
                SELECT v.dimension, v.folded FROM json_each(?) AS wanted
                JOIN dimension_values v ON v.dimension = wanted.value ->> 0 AND v.folded = wanted.value ->> 1
                """,
                (
                    json.dumps(
                        sorted({(d.group.casefold(), d.code.casefold()) for line in lines for d in line.dimensions})
                    ),
                ),
            )
        }
        if groups
        else set(),
        vendors={
            code: bool(blocked)
            for code, blocked in file.execute(
                "SELECT code, blocked FROM vendors WHERE code IN (SELECT value FROM json_each(?))",
                (_json(document.vendor for document in documents),),
            )
        },
        closed_periods=file.execute("SELECT from_on, to_on FROM closed_periods").fetchall(),
    )


def _json(codes: Iterable[str | None]) -> str:
    return json.dumps(sorted({code for code in codes if code is not None}))


def _codes(file: BookFile, sql: str, codes: Iterable[str | None]) -> set[str]:
    wanted = _json(codes)
    if wanted == "[]":
        return set()
    return {code for (code,) in file.execute(f"{sql} IN (SELECT value FROM json_each(?))", (wanted,))}


def check(entry: Entry, facts: Known) -> None:
    """Find out whether an entry can be recorded.

    Repeat: safe; reads only.
    Raises:
        EntryRefused: the leaf names what is wrong, with the value, and where to mend it.
    """
    for text in (entry.key.company_id, entry.key.entry_id):
        if not text or storable(text) != text:
            raise EntryInvalid(f"The entry's key {text!r} cannot be stored")
    _check_period(entry, facts)
    if not entry.documents:
        raise EntryInvalid("The entry has no documents, so there is nothing to record")
    for document in entry.documents:
        require_balance(document, amount_minor_max=INTEGER_MAX, too_large="the book can hold (64 bits)")
        _check_vendor(document, facts)
        for line in document.lines:
            _check_line(line, document.currency, facts)


def _check_period(entry: Entry, facts: Known) -> None:
    day = entry.posting_on.isoformat()
    if not FIRST_DAY <= day <= LAST_DAY:
        raise PeriodClosed(f"The book has no period for {day}; it holds the years 1900 to 2099")
    for from_on, to_on in facts.closed_periods:
        if from_on <= day <= to_on:
            raise PeriodClosed(
                f"The period {from_on} to {to_on} is closed, so nothing can be recorded on {day}; "
                "reopen it in the book or change the date"
            )


def _check_vendor(document: Document, facts: Known) -> None:
    if document.vendor is None:
        if document.kind is not DocumentKind.JOURNAL_ENTRY:
            raise VendorUnknown(f"A {document.kind} needs a vendor, and names none; choose the Vendor of the expense")
        return
    blocked = facts.vendors.get(document.vendor)
    if blocked is None:
        raise VendorUnknown(f"The book has no vendor {document.vendor!r}; add it there or choose another Vendor")
    if blocked:
        raise VendorUnknown(f"The vendor {document.vendor!r} is blocked in the book; choose another Vendor")


def _check_line(line: Line, currency: str, facts: Known) -> None:
    account = facts.accounts.get(line.account)
    if account is None:
        raise AccountUnknown(
            f"The book has no account {line.account!r}; add it there or correct the account of the Category"
        )
    if not account.open:
        raise AccountUnknown(f"The account {line.account!r} is closed in the book; correct the account of the Category")
    if account.currency not in {None, currency}:
        raise EntrySettingInvalid(
            f"The account {line.account!r} takes {account.currency} alone, and the entry is in {currency}; "
            "choose another account in the Settings or the Category"
        )
    if line.tax_code is not None and line.tax_code not in facts.tax_codes:
        raise TaxCodeUnknown(f"The book has no tax code {line.tax_code!r}; add it there or correct the Tax Code")
    for dimension in line.dimensions:
        group, code = dimension.group.casefold(), dimension.code.casefold()
        if group not in facts.dimensions:
            raise DimensionUnknown(f"The book has no dimension {dimension.group!r}; add it or correct the Tag group")
        if (group, code) not in facts.dimension_values:
            raise DimensionUnknown(
                f"The book has no value {dimension.code!r} in the dimension {dimension.group!r}; "
                "add it or correct the Tag"
            )
