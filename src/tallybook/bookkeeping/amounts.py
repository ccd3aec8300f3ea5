"""Amounts: what each line costs, the tax in it and the sum that moves, exact, in the wallet's currency."""

from dataclasses import dataclass

from tallybook.accounting.errors import EntryInvalid
from tallybook.bookkeeping.wording import shown
from tallybook.money import MinorUnits, Money, MoneyError, exponent, from_pleo
from tallybook.pleo.models import ExportItem, ItemLine, PleoMoney, TaxType

# Definition MoneyModel: the literal currency of an amount that has none.
UNDEFINED_CURRENCY = "UNDEFINED"
_TAX_TYPES = frozenset(TaxType)


@dataclass(frozen=True, slots=True)
class LineAmounts:
    """One line, in minor units: `line = cost + tax_in - tax_out` always holds.

    `line_minor` is the money that moved, `cost_minor` what belongs on the category, `tax_in_minor` reclaimable tax,
    `tax_out_minor` tax we owe ourselves under reverse charge.
    """

    line_minor: int
    cost_minor: int
    tax_in_minor: int = 0
    tax_out_minor: int = 0


@dataclass(frozen=True, slots=True)
class Amounts:
    """All amounts of an item: `total_minor` is the sum of its lines, all in `currency` (ISO 4217)."""

    currency: str
    total_minor: int
    lines: tuple[LineAmounts, ...]


def read_amounts(item: ExportItem, units: MinorUnits, *, with_tax: bool) -> Amounts:
    """Read the lines of an item and hold them against its total.

    `with_tax` is false where money only moves between accounts: a payment carries the lines of what it pays, tax
    and all, but the tax was booked with the bill.

    Raises:
        EntryInvalid: an amount that is no whole number, no known currency, several currencies, sums that differ.
    Source: docs/decisions.md 14, 15 and 16; Pleo guide "Data mapping": the amount comes from the lines.
    """
    header = _read(item.amount.in_wallet_currency, units, "The total")
    lines = []
    for number, line in enumerate(item.accounting_entry_lines, start=1):
        label = f"Line {number}" if len(item.accounting_entry_lines) > 1 else "The expense"
        line_money = _read(line.line_amount.in_wallet_currency, units, f"{label}: the amount", header.currency)
        lines.append(
            _taxed(line, line_money, units, label)
            if with_tax
            else LineAmounts(line_money.amount_minor, line_money.amount_minor)
        )
    total = Money(sum(line.line_minor for line in lines), header.currency)
    if total != header:
        raise EntryInvalid(
            f"The lines add up to {total}, but the total of the expense is {header}; "
            "correct the split of the expense in Pleo, or ask Pleo's support."
        )
    return Amounts(header.currency, total.amount_minor, tuple(lines))


def supplier_amount(item: ExportItem, units: MinorUnits) -> tuple[Money | None, str | None]:
    """Read what the supplier was paid in its own currency, if that is another than the wallet's.

    A currency ISO 4217 does not list (an old or a private one) keeps no entry out of the books: then the second
    value says what was left out.

    Raises:
        EntryInvalid: the amount is no whole number.
    Source: docs/decisions.md 18.
    """
    money = item.amount.in_supplier_currency
    if money.currency in {UNDEFINED_CURRENCY, item.amount.in_wallet_currency.currency}:
        return None, None
    try:
        exponent(money.currency)
    except MoneyError:
        return None, f"The supplier's amount in the unknown currency {shown(money.currency)} was left out."
    return _read(money, units, "The supplier's amount"), None


def _read(money: PleoMoney, units: MinorUnits, label: str, currency: str | None = None) -> Money:
    if currency is not None and money.currency != currency:
        raise EntryInvalid(
            f"{label} is in the currency {shown(money.currency)}, but the total of the expense is in {currency}; "
            "book this expense by hand."
        )
    try:
        exponent(money.currency)
    except MoneyError as error:
        raise EntryInvalid(
            f"{label} is in the currency {shown(money.currency)}, which cannot be booked in; book this expense by hand."
        ) from error
    try:
        return from_pleo(money.value, money.currency, units)
    except ValueError as error:  # MoneyError, and what Python says when it is asked to write 5000 digits
        raise EntryInvalid(
            f"{label}, {shown(money.value)} {money.currency}, is no whole number of the smallest unit of the currency "
            "or is too large to be exact; correct the amount in Pleo, or book this expense by hand."
        ) from error


def _taxed(line: ItemLine, line_money: Money, units: MinorUnits, label: str) -> LineAmounts:
    currency = line_money.currency
    amount = line_money.amount_minor
    net = _read(line.net_amount.in_wallet_currency, units, f"{label}: the net amount", currency)
    if line.tax is None:
        tax = Money(0, currency)
    else:
        if line.tax.type not in _TAX_TYPES:
            raise EntryInvalid(
                f"{label}: the tax type {shown(line.tax.type)} is not known here; choose another Tax code in Pleo."
            )
        tax = _read(line.tax.amount.in_wallet_currency, units, f"{label}: the tax", currency)
    contains_tax = amount == net.amount_minor + tax.amount_minor
    if not contains_tax and amount != net.amount_minor:
        raise EntryInvalid(
            f"{label}: the amount {line_money} is neither the net amount {net} nor that and the tax {tax}; "
            "correct the amounts or the Tax code in Pleo."
        )
    if abs(tax.amount_minor) > abs(amount) or tax.amount_minor * amount < 0:
        raise EntryInvalid(
            f"{label}: the tax {tax} does not fit the amount {line_money}; correct the Tax code in Pleo."
        )
    if line.tax is not None and line.tax.type == TaxType.REVERSE and not contains_tax:
        return LineAmounts(amount, amount, tax_in_minor=tax.amount_minor, tax_out_minor=tax.amount_minor)
    # Whether Pleo's net contains the tax or not, the line is what was paid and the tax is a part of it; a
    # reverse-charge line that contains its tax paid it to the supplier, so none is owed.
    return LineAmounts(amount, amount - tax.amount_minor, tax_in_minor=tax.amount_minor)
