"""Money: integers in minor units of the currency's ISO 4217 exponent, never floats."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from iso4217 import Currency

# A JSON number beyond this may have been rounded on its way here. Source: RFC 8259 section 6.
EXACT_JSON_INTEGER_MAX = 2**53 - 1


class MinorUnits(StrEnum):
    """What one unit of an amount from Pleo stands for."""

    HUNDREDTHS = "hundredths"  # Pleo's text: "amount in hundredths", whatever the currency
    ISO = "iso"  # the currency's own minor unit


class MoneyError(ValueError):
    """An amount or currency that cannot be carried exactly; the text is a sentence for a bookkeeper."""


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount: `amount_minor` counts minor units (cents, öre, yen) of `currency` (ISO 4217)."""

    amount_minor: int
    currency: str

    def __str__(self) -> str:
        return f"{decimal_text(self.amount_minor, self.currency)} {self.currency}"


@lru_cache(maxsize=512)
def exponent(currency: str) -> int:
    """Digits behind the decimal point of a currency: 2 for EUR, 0 for JPY, 3 for BHD.

    Raises:
        MoneyError: ISO 4217 does not know the currency, or it has no minor unit (gold, test codes).
    """
    try:
        found: int | None = Currency(currency).exponent
    except ValueError:
        found = None
    if found is None:
        raise MoneyError(f"{currency!r} is no currency of ISO 4217 that amounts can be booked in")
    return found


def from_pleo(value: object, currency: str, units: MinorUnits) -> Money:
    """Read Pleo's `{value, currency}` exactly.

    `value` is the JSON number as parsed: int, or Decimal/float where the text had a point.

    Raises:
        MoneyError: unknown currency; a fraction of a minor unit; a number too large to have come exactly.
    """
    digits = exponent(currency)
    whole = _whole(value)
    if units is MinorUnits.ISO:
        return Money(whole, currency)
    scaled, rest = divmod(whole * 10**digits, 100)
    if rest:
        raise MoneyError(
            f"the amount {value} (hundredths of {currency}) is no whole number of the smallest {currency} unit"
        )
    return Money(scaled, currency)


def _whole(value: object) -> int:
    try:
        # Compared before it is made an int: 1E+999999999 written out would fill the memory.
        too_large = not abs(value) <= EXACT_JSON_INTEGER_MAX  # type: ignore[arg-type]
        whole: int = 0 if too_large else int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError, ArithmeticError):
        raise MoneyError("the amount is no number") from None
    if too_large:
        raise MoneyError("the amount is larger than a JSON number carries exactly")
    if isinstance(value, bool) or whole != value:
        raise MoneyError(f"the amount {value} has a fraction; Pleo's amounts are whole numbers")
    return whole


def decimal_text(amount_minor: int, currency: str) -> str:
    """Write minor units as a plain decimal: (123456, EUR) -> '1234.56', (-5, JPY) -> '-5'."""
    digits = exponent(currency)
    sign = "-" if amount_minor < 0 else ""
    text = str(abs(amount_minor)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"
