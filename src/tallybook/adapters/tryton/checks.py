"""Whether an entry can be recorded in Tryton: said in words before it is sent, since Tryton's own are of no class."""

from dataclasses import replace
from itertools import pairwise

from tallybook.accounting.balance import require_balance
from tallybook.accounting.entry import Document, DocumentKind, Entry, Line, LineRole
from tallybook.accounting.errors import (
    AccountUnknown,
    DimensionUnknown,
    EntryInvalid,
    EntryRejected,
    EntrySettingInvalid,
    PeriodClosed,
    TaxCodeUnknown,
    VendorUnknown,
)
from tallybook.adapters.tryton import marks
from tallybook.adapters.tryton.known import Company, Facts, KnownAccount

BILLS = frozenset({DocumentKind.BILL, DocumentKind.CREDIT_NOTE})
AMOUNT_MINOR_MAX = 10**15 - 1  # so that sums stay exact in every database of Tryton's


def check(entry: Entry, facts: Facts, company: Company) -> None:
    """Find out whether an entry can be recorded.

    Repeat: safe; reads only.
    Raises:
        EntryRefused: the leaf names what is wrong, with the value, and where to mend it.
    """
    if not marks.markable(entry.key, entry.content_hash):
        raise EntryInvalid(f"The entry's key {entry.key.entry_id[:80]!r} cannot be stored in Tryton")
    if not entry.documents:
        raise EntryInvalid("The entry has no documents, so there is nothing to record")
    for document in entry.documents:
        _check_period(entry, document, facts, company)
        require_balance(document, amount_minor_max=AMOUNT_MINOR_MAX, too_large="Tryton holds exactly")
        _check_currency(entry, document, facts, company)
        _check_vendor(document, facts)
        for line in document.lines:
            _check_line(entry, document, line, facts)
        if document.kind in BILLS:
            _check_bill(document, facts)


def check_reversal(entry: Entry, facts: Facts, company: Company) -> None:
    """Find out whether a reversal can be recorded: a bill by hand with its number is what it may make room for.

    Repeat: safe; reads only.
    Raises:
        As `check`.
    """
    check(entry, replace(facts, by_hand={}), company)


def is_bill(document: Document) -> bool:
    """Whether Tryton keeps a document as an invoice, rather than as a plain entry."""
    return document.kind in BILLS


def _check_period(entry: Entry, document: Document, facts: Facts, company: Company) -> None:
    day = entry.posting_on
    period = facts.period(day)
    if period is None:
        raise PeriodClosed(f"Tryton has no period for {day}; add the fiscal year there, or change the date")
    journal = company.bill_journal if is_bill(document) else company.journal
    if not period.open or journal in period.closed_journals:
        raise PeriodClosed(
            f"The period {period.from_on} to {period.to_on} is closed in Tryton, so nothing can be recorded on {day}; "
            "reopen it there or change the date"
        )


def _check_currency(entry: Entry, document: Document, facts: Facts, company: Company) -> None:
    if document.currency == company.currency:
        return
    if document.currency not in facts.currencies:
        raise EntrySettingInvalid(
            f"Tryton has no currency {document.currency}; add it there, or export from a wallet in {company.currency}"
        )
    for currency in (document.currency, company.currency):
        if facts.rate(currency, entry.posting_on) is None:
            raise EntrySettingInvalid(
                f"Tryton has no rate of {currency} for {entry.posting_on}; enter one under Currencies and export again"
            )


def _check_vendor(document: Document, facts: Facts) -> None:
    if document.vendor is None:
        if document.kind is not DocumentKind.JOURNAL_ENTRY:
            raise VendorUnknown(f"A {document.kind} needs a vendor, and names none; choose the Vendor of the expense")
        return
    party = facts.parties.get(document.vendor)
    if party is None:
        raise VendorUnknown(f"Tryton has no party {document.vendor!r}; add it there or choose another Vendor")
    if party.blocked:
        raise VendorUnknown(f"The party {document.vendor!r} is deactivated in Tryton; choose another Vendor")
    if is_bill(document):
        if party.address is None:
            raise VendorUnknown(f"The party {document.vendor!r} has no address in Tryton, and a bill needs one; add it")
        number = document.invoice_number
        if number and (found := facts.by_hand.get((party.id, number))):
            raise EntryRejected(
                f"The bill {number} of {document.vendor!r} is in Tryton already as {found}, which was not recorded by "
                "Tallybook; delete it there, or correct the invoice number of the expense"
            )


def _check_line(entry: Entry, document: Document, line: Line, facts: Facts) -> None:
    account = _account(line, facts)
    if not account.open:
        raise AccountUnknown(f"The account {line.account!r} is closed in Tryton; correct the account of the Category")
    outside = (account.from_on and entry.posting_on < account.from_on) or (
        account.to_on and entry.posting_on > account.to_on
    )
    if outside:
        raise AccountUnknown(
            f"The account {line.account!r} is not in use in Tryton on {entry.posting_on}; "
            "correct the account of the Category"
        )
    if account.currency not in {None, document.currency}:
        raise EntrySettingInvalid(
            f"The account {line.account!r} takes {account.currency} in Tryton, and the entry has {document.currency}; "
            "choose another account in the Settings or the Category"
        )
    if account.party_required and document.vendor is None:
        raise EntrySettingInvalid(
            f"The account {line.account!r} needs a party in Tryton, and the entry names no vendor; "
            "choose another account in the Settings or the Category"
        )
    if line.tax_code is not None and line.tax_code not in facts.taxes:
        raise TaxCodeUnknown(f"Tryton has no tax named {line.tax_code!r}; add it there or correct the Tax code")
    for dimension in line.dimensions:
        group, code = dimension.group.casefold(), dimension.code.casefold()
        if group not in facts.roots:
            raise DimensionUnknown(f"Tryton has no analytic axis {dimension.group!r}; add it or correct the Tag group")
        if (group, code) not in facts.dimensions:
            raise DimensionUnknown(
                f"Tryton has no analytic account {dimension.code!r} in the axis {dimension.group!r}; "
                "add it or correct the Tag"
            )
    groups = sorted(dimension.group.casefold() for dimension in line.dimensions)
    if any(one == other for one, other in pairwise(groups)):
        raise EntrySettingInvalid(
            f"A line names two tags of one tag group ({', '.join(groups)}), and Tryton takes one; leave one of the Tags"
        )


def _account(line: Line, facts: Facts) -> KnownAccount:
    account = facts.accounts.get(line.account)
    if account is None:
        raise AccountUnknown(
            f"Tryton has no account {line.account!r}, or several; correct it there or the account of the Category"
        )
    return account


def _check_bill(document: Document, facts: Facts) -> None:
    payable = {line.account for line in document.lines if line.role is LineRole.COUNTER}
    if len(payable) != 1 or not facts.accounts[next(iter(payable))].payable:
        raise EntrySettingInvalid(
            f"A {document.kind} is owed on one account whose type is payable in Tryton, and "
            f"{', '.join(sorted(payable)) or 'none'} is not; correct accounts.accounts_payable in the Settings"
        )
    for line in document.lines:
        if line.role is LineRole.COST and not facts.accounts[line.account].on_bills:
            raise EntrySettingInvalid(
                f"Tryton takes the account {line.account!r} on no bill, since its type is not one of expenses; change "
                "the type there, choose another Category, or export without vendors"
            )
        if line.role is not LineRole.COUNTER and line.account in payable:
            raise EntrySettingInvalid(
                f"The account {line.account!r} is the one the {document.kind} is owed on and cannot be its cost too; "
                "correct the account of the Category"
            )
