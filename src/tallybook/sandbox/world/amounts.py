"""Amounts as Pleo sends them: whole hundredths of any currency, shared out so that every sum is exact."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from tallybook.money import exponent

# Danish kroner for one unit, in millionths: about what a bank charged in the autumn of the world.
KRONER_MILLIONTHS: Mapping[str, int] = MappingProxyType(
    {
        "DKK": 1_000_000,
        "EUR": 7_462_000,
        "SEK": 683_000,
        "NOK": 641_000,
        "GBP": 8_571_000,
        "USD": 6_437_000,
        "CHF": 7_994_000,
        "JPY": 42_300,
    }
)


@lru_cache(maxsize=64)
def step(currency: str) -> int:
    """Hundredths in the smallest amount of a currency: 1 for EUR, 100 for JPY, which has no cents.

    Source: definition MoneyModel.value, hundredths whatever the currency; ISO 4217.
    """
    unit: int = 10 ** max(0, 2 - exponent(currency))
    return unit


def rounded(numerator: int, denominator: int, to: int = 1) -> int:
    """Divide to the nearest multiple of `to`, halves away from zero; `denominator` is positive."""
    whole = (2 * abs(numerator) + denominator * to) // (2 * denominator * to) * to
    return whole if numerator >= 0 else -whole


def converted(value: int, currency: str, wallet_currency: str, drift_thousandths: int) -> int:
    """Turn hundredths of one currency into hundredths of another, the rate moved by `drift_thousandths`."""
    if currency == wallet_currency:
        return value
    return rounded(
        value * KRONER_MILLIONTHS[currency] * (1000 + drift_thousandths),
        KRONER_MILLIONTHS[wallet_currency] * 1000,
        step(wallet_currency),
    )


def net_and_tax(value: int, currency: str, percent: int, kind: str) -> tuple[int, int]:
    """Share a line's amount out into Pleo's net amount and tax, for a tax type.

    inclusive: the net amount contains the tax, so it is the line's. exclusive: line = net + tax. reverse: the net
    amount is the line's, and the tax comes on top, self-assessed.

    Source: definition TaxV3.type.
    """
    if kind == "reverse":
        return value, rounded(value * percent, 100, step(currency))
    tax = rounded(value * percent, 100 + percent, step(currency))
    return (value - tax, tax) if kind == "exclusive" else (value, tax)
