"""Amounts as importers want them: a cost with its tax in one gross line, and a line with the account against it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from tallybook.accounting.entry import Dimension, Document, Line, LineRole
from tallybook.accounting.errors import EntryRejected
from tallybook.money import decimal_text, exponent

_HUNDREDTHS = 2
_ROUNDING_MINOR = 1  # what two ways of rounding may differ by


@dataclass(frozen=True, slots=True)
class GrossLine:
    """A line with the tax that belongs to it, in minor units: `amount_minor` is what is moved, its tax included.

    Under reverse charge (`tax_out_minor` is set) tax comes in and goes out again, so it moves nothing. Without a
    `tax_code` the line stands for itself alone.
    """

    account: str
    amount_minor: int
    role: LineRole
    tax_code: str | None = None
    tax_in_minor: int = 0
    tax_out_minor: int = 0
    dimensions: tuple[Dimension, ...] = ()
    text: str = ""

    @property
    def net_minor(self) -> int:
        """What it costs without its tax."""
        return self.amount_minor - self.tax_in_minor - self.tax_out_minor


@dataclass(frozen=True, slots=True)
class Pair:
    """A gross line against an account: `amount_minor` is debited to the line's account and credited to `against`."""

    line: GrossLine
    against: str


def gross_lines(document: Document, folds: Callable[[str], bool]) -> list[GrossLine]:
    """Fold the tax of every cost line into it, where `folds` says so of its tax code; the rest stays as it is."""
    taxes = [line for line in document.lines if line.role in {LineRole.TAX_IN, LineRole.TAX_OUT}]
    folded: list[GrossLine] = []
    for line in document.lines:
        if line.role is LineRole.COST:
            code = line.tax_code if line.tax_code is not None and folds(line.tax_code) else None
            tax_in = _take(taxes, line, LineRole.TAX_IN) if code else 0
            tax_out = _take(taxes, line, LineRole.TAX_OUT) if code else 0
            gross = line.amount_minor + tax_in + tax_out
            folded.append(GrossLine(line.account, gross, line.role, code, tax_in, tax_out, line.dimensions, line.text))
    rest = [line for line in document.lines if line.role is LineRole.COUNTER or any(line is tax for tax in taxes)]
    return folded + [GrossLine(line.account, line.amount_minor, line.role, text=line.text) for line in rest]


def _take(taxes: list[Line], cost: Line, role: LineRole) -> int:
    """Take the tax line that was computed on a cost line out of those that are left."""
    for place, tax in enumerate(taxes):
        if tax.role is role and tax.tax_code == cost.tax_code and tax.tax_base_minor == cost.amount_minor:
            return taxes.pop(place).amount_minor
    return 0


def pairs(lines: Sequence[GrossLine]) -> Iterator[Pair]:
    """Pair every line with one other, the pivot, whose amount is that of all the others; lines of zero vanish.

    The pivot is the counter line with the largest amount, else the largest line without a tax code.

    Raises:
        EntryRejected: every line has a tax code, so none can stand against the others; or tax and cost cancel out.
    """
    plain = [line for line in lines if line.tax_code is None]
    if lines and not plain:
        raise EntryRejected(
            "Every line of the entry bears tax, so there is no account to book them against; book this entry by hand"
        )
    pivot = max(plain, key=lambda line: (line.role is LineRole.COUNTER, abs(line.amount_minor)), default=None)
    for line in lines:
        if line.amount_minor == 0 and line.net_minor != 0:
            raise EntryRejected("A line's tax cancels its cost, so no amount is left to write; book this entry by hand")
        if pivot is not None and line is not pivot and line.amount_minor:
            yield Pair(line, pivot.account)


def check_tax(line: GrossLine, currency: str, percent: Decimal, *, reverse: bool, setting: str) -> None:
    """See that a system that computes the tax itself will come to the tax the book has, but for rounding.

    `reverse` says that it owes and reclaims the tax; `setting` names the table that says so.

    Raises:
        EntryRejected: it will not; both figures are named.
    """
    if (line.tax_in_minor or line.tax_out_minor) and reverse is not (line.tax_out_minor != 0):
        raise EntryRejected(
            f"The tax code {line.tax_code!r} is {'' if reverse else 'not '}reverse charge in {setting}, and in this "
            f"entry it is {'not' if reverse else 'so'}; correct the Tax Code of the expense, or the setting"
        )
    base, divisor = (line.net_minor, Decimal(100)) if reverse else (line.amount_minor, 100 + percent)
    expected = int((base * percent / divisor).quantize(Decimal(1), ROUND_HALF_UP))
    if abs(expected - line.tax_in_minor) > _ROUNDING_MINOR:
        raise EntryRejected(
            f"The tax of {decimal_text(line.tax_in_minor, currency)} {currency} will be computed anew as "
            f"{decimal_text(expected, currency)}, {percent} % for the tax code {line.tax_code!r}; correct the tax "
            f"of the expense, or give the code own_rows in {setting}"
        )


def two_decimals(amount_minor: int, currency: str) -> str:
    """Write an amount with two decimals and a point: (100, JPY) -> '100.00'.

    Raises:
        EntryRejected: the amount has thousandths.
    """
    digits = exponent(currency)
    hundredths, rest = divmod(abs(amount_minor) * 100, 10**digits)
    if rest:
        raise EntryRejected(
            f"{decimal_text(amount_minor, currency)} {currency} has more than two decimals, and the import file has no "
            "place for them; book this entry by hand"
        )
    text = str(hundredths).rjust(_HUNDREDTHS + 1, "0")
    return f"{'-' if amount_minor < 0 else ''}{text[:-_HUNDREDTHS]}.{text[-_HUNDREDTHS:]}"
