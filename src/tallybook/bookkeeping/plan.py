"""The plan of one entry: the only place that knows which decision comes after which.

The order is Pleo's: bookkeeping method, accounts and data, attachments, accounting period, posting.

Source: Pleo guide "Accounting system processing workflow".
"""

from dataclasses import dataclass
from datetime import date

from tallybook.accounting.entry import Entry, EntryKey, Line, LineRole
from tallybook.accounting.errors import EntryRefused
from tallybook.bookkeeping.accounts import AccountFinder
from tallybook.bookkeeping.amounts import LineAmounts, read_amounts, supplier_amount
from tallybook.bookkeeping.attachments import FileToFetch, files_to_fetch
from tallybook.bookkeeping.books import Books
from tallybook.bookkeeping.content_hash import Content, as_booked, content, content_hash
from tallybook.bookkeeping.details import details_of
from tallybook.bookkeeping.dimensions import dimensions_of
from tallybook.bookkeeping.documents import Settled, journal_entry, payable_documents
from tallybook.bookkeeping.mapping import CodeMapping
from tallybook.bookkeeping.method import Method, method_of
from tallybook.bookkeeping.period import posting_day
from tallybook.bookkeeping.posting import posting_state
from tallybook.bookkeeping.rules import Rules
from tallybook.bookkeeping.sides import Side, Sides, sides_of
from tallybook.bookkeeping.taxes import tax_code_of
from tallybook.bookkeeping.vendors import vendor_of
from tallybook.pleo.models import ExportItem, ItemLine

__all__ = ["Books", "FileToFetch", "Plan", "content_of", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to record for one item, the files to fetch first, and sentences on what was left out, for the log."""

    entry: Entry
    files: tuple[FileToFetch, ...]
    notes: tuple[str, ...] = ()


def plan(item: ExportItem, rules: Rules, books: Books, *, today: date) -> Plan:
    """Decide everything about one item; every document of the entry balances.

    Repeat: safe; the same arguments give the same plan.
    Raises:
        EntryRefused: and nothing else, however odd the item; the leaf says why, its text what to mend and where.
    """
    sides = sides_of(item.type, item.sub_type)
    method = method_of(item, rules)
    vendor = None
    if method is Method.ACCOUNTS_PAYABLE and item.vendor is not None:
        vendor = vendor_of(item.vendor, books, rules.mapping)
    amounts = read_amounts(item, rules.minor_units, with_tax=sides.is_spend)
    paid_to_supplier, note = supplier_amount(item, rules.minor_units)

    finder = AccountFinder(rules.accounts, rules.mapping, books, amounts.currency)
    spend = _spend_lines(item, amounts.lines, sides, finder, books, rules.mapping) if sides.is_spend else ()
    own_sides = [side for side in (sides.debit, sides.credit) if side is not Side.CATEGORY]
    accounts: dict[Side, str] = {}
    if vendor is not None:
        accounts[Side.PAYABLE] = finder.of_vendor(vendor)
        own_sides = [side for side in own_sides if side not in {Side.PAYABLE, Side.OUT_OF_POCKET}]
    accounts |= {side: finder.of_side(side, item.contra_account) for side in own_sides}
    settled = Settled(sides, amounts.currency, amounts.total_minor, spend, accounts, item.additional_information)
    documents = journal_entry(settled) if vendor is None else payable_documents(settled, vendor.code)

    files, left_out = files_to_fetch(item.files, rules)
    original_on = item.date.date()  # the model reads every instant as UTC
    entry = Entry(
        key=EntryKey(item.company_id, item.accounting_entry_id),
        content_hash=content_hash(as_booked(item, payable=vendor is not None)),
        documents=documents,
        posting_on=posting_day(original_on, rules.closed_period, books, today=today),
        original_on=original_on,
        posting=posting_state(rules),
        details=details_of(item, paid_to_supplier, rules.mapping),
    )
    return Plan(entry, files, left_out if note is None else (note, *left_out))


def content_of(item: ExportItem, rules: Rules) -> Content:
    """Give the hashes that tell whether an item still says what is in the books; any item has them.

    Repeat: safe.
    """
    try:
        payable = method_of(item, rules) is Method.ACCOUNTS_PAYABLE
    except EntryRefused:  # nothing new can be booked of it, but it may be in the books
        return content(item, payable=None)
    return content(item, payable=payable)


def _spend_lines(
    item: ExportItem,
    amounts: tuple[LineAmounts, ...],
    sides: Sides,
    finder: AccountFinder,
    books: Books,
    mapping: CodeMapping,
) -> tuple[Line, ...]:
    sign = 1 if sides.debit is Side.CATEGORY else -1
    lines: list[Line] = []
    for number, (line, amount) in enumerate(zip(item.accounting_entry_lines, amounts, strict=True), start=1):
        label = f"Line {number}" if len(amounts) > 1 else "The expense"
        lines += _lines_of(line, amount, sign, finder.of_line(line, sides, label), finder, books, mapping)
    return tuple(lines)


def _lines_of(
    line: ItemLine,
    amount: LineAmounts,
    sign: int,
    account: str,
    finder: AccountFinder,
    books: Books,
    mapping: CodeMapping,
) -> list[Line]:
    """Lay out cost and tax of one line; tax lines are there only where there is tax."""
    tax_code = tax_code_of(line.tax, books, mapping)
    code = tax_code.code if tax_code else None
    base = sign * amount.cost_minor
    lines = [Line(account, base, LineRole.COST, tax_code=code, dimensions=dimensions_of(line, books, mapping))]
    if line.tax is not None and amount.tax_in_minor:
        tax_in = finder.of_tax_in(line.tax, tax_code)
        lines.append(Line(tax_in, sign * amount.tax_in_minor, LineRole.TAX_IN, tax_code=code, tax_base_minor=base))
    if line.tax is not None and amount.tax_out_minor:
        tax_out = finder.of_tax_out(line.tax, tax_code)
        lines.append(Line(tax_out, -sign * amount.tax_out_minor, LineRole.TAX_OUT, tax_code=code, tax_base_minor=base))
    return lines
