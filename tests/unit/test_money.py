from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.money import MinorUnits, Money, MoneyError, decimal_text, exponent, from_pleo


@pytest.mark.parametrize(("currency", "digits"), [("EUR", 2), ("JPY", 0), ("BHD", 3), ("ISK", 0), ("DKK", 2)])
def test_a_currency_has_the_exponent_of_iso_4217(currency: str, digits: int) -> None:
    """ISO 4217 tells how many digits stand behind the point."""
    assert exponent(currency) == digits


@pytest.mark.parametrize("currency", ["UNDEFINED", "XXX", "XAU", "ZZZ", "", "eu"])
def test_a_currency_nobody_can_book_in_is_refused(currency: str) -> None:
    """Unknown codes, gold and 'no currency' have no minor unit."""
    with pytest.raises(MoneyError, match="ISO 4217"):
        exponent(currency)


def test_hundredths_become_the_minor_unit_of_the_currency() -> None:
    """Pleo's text says hundredths, whatever the currency."""
    assert from_pleo(89696, "EUR", MinorUnits.HUNDREDTHS) == Money(89696, "EUR")
    assert from_pleo(89600, "JPY", MinorUnits.HUNDREDTHS) == Money(896, "JPY")
    assert from_pleo(123, "BHD", MinorUnits.HUNDREDTHS) == Money(1230, "BHD")


def test_iso_units_are_taken_as_they_are() -> None:
    """`pleo.minor_units = "iso"` reads the currency's own unit."""
    assert from_pleo(896, "JPY", MinorUnits.ISO) == Money(896, "JPY")


@pytest.mark.parametrize(
    ("value", "currency"),
    [
        (89650, "JPY"),  # half a yen
        (Decimal("1.5"), "EUR"),
        (2**53, "EUR"),
        (-(2**53), "EUR"),
        (Decimal("NaN"), "EUR"),
        (Decimal("Infinity"), "EUR"),
        ("12a", "EUR"),
        (None, "EUR"),
        (True, "EUR"),
        ([1], "EUR"),
    ],
)
def test_an_amount_that_is_not_exact_is_refused(value: object, currency: str) -> None:
    """A fraction, a number beyond 2^53, or no number at all."""
    with pytest.raises(MoneyError):
        from_pleo(value, currency, MinorUnits.HUNDREDTHS)


def test_a_whole_number_with_a_point_is_whole() -> None:
    """89696.0 is how some programs write 89696."""
    assert from_pleo(Decimal("89696.0"), "EUR", MinorUnits.HUNDREDTHS).amount_minor == 89696


@given(st.integers(min_value=-(10**15), max_value=10**15), st.sampled_from(["EUR", "JPY", "BHD"]))
def test_decimal_text_is_exact(amount_minor: int, currency: str) -> None:
    """The text, read as a decimal, is the amount again."""
    assert Decimal(decimal_text(amount_minor, currency)) * 10 ** exponent(currency) == amount_minor
