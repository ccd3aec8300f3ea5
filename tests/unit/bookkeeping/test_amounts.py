"""Amounts: sums, readings of tax, currencies, odd numbers."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tallybook.accounting.errors import EntryInvalid, EntryRefused
from tallybook.bookkeeping.amounts import read_amounts
from tallybook.money import MinorUnits, Money
from tallybook.pleo.models import Amount, ItemLine, PleoMoney

if TYPE_CHECKING:
    from tests.unit.bookkeeping.conftest import Desk

# reading, line, net, tax, tax type, what is booked; the supplier is paid the line in every row
READINGS = [
    (
        "net without tax",
        (12500, 10000, 2500, "exclusive"),
        "Dr Office supplies 100.00, Dr Tax in 25.00 (VAT25 on 10000), Cr Wallet 125.00",
    ),
    (
        "net with tax",
        (12500, 12500, 2500, "inclusive"),
        "Dr Office supplies 100.00, Dr Tax in 25.00 (VAT25 on 10000), Cr Wallet 125.00",
    ),
    (
        "inclusive, yet net without tax",
        (12500, 10000, 2500, "inclusive"),
        "Dr Office supplies 100.00, Dr Tax in 25.00 (VAT25 on 10000), Cr Wallet 125.00",
    ),
    (
        "exclusive, yet net with tax",
        (12500, 12500, 2500, "exclusive"),
        "Dr Office supplies 100.00, Dr Tax in 25.00 (VAT25 on 10000), Cr Wallet 125.00",
    ),
    (
        "reverse charge, the supplier is paid net",
        (10000, 10000, 2500, "reverse"),
        (
            "Dr Office supplies 100.00, Dr Tax in 25.00 (VAT25 on 10000), Cr Tax out 25.00 (VAT25 on 10000), "
            "Cr Wallet 100.00"
        ),
    ),
    (
        "reverse charge, the supplier was paid the tax",
        (12500, 10000, 2500, "reverse"),
        "Dr Office supplies 100.00, Dr Tax in 25.00 (VAT25 on 10000), Cr Wallet 125.00",
    ),
    ("no tax to pay", (10000, 10000, 0, "exclusive"), "Dr Office supplies 100.00, Cr Wallet 100.00"),
    (
        "nothing but tax",
        (2500, 0, 2500, "exclusive"),
        "Dr Office supplies 0.00, Dr Tax in 25.00 (VAT25 on 0), Cr Wallet 25.00",
    ),
    (
        "a discount line",
        (-12500, -10000, -2500, "exclusive"),
        "Cr Office supplies 100.00, Cr Tax in 25.00 (VAT25 on -10000), Dr Wallet 125.00",
    ),
]


@pytest.mark.parametrize(("figures", "booked"), [row[1:] for row in READINGS], ids=[row[0] for row in READINGS])
def test_tax_readings(desk: "Desk", figures: tuple[int, int, int, str], booked: str) -> None:
    """The reading of net, tax and line that adds up is booked; the counter line is always what was paid."""
    amount, net, tax, kind = figures
    item = desk.item("card_purchase", desk.line(amount, net, tax=desk.tax(tax, kind)))
    assert desk.told(desk.plan(item)) == [booked]


def test_refund_gives_back_tax(desk: "Desk") -> None:
    """A refund credits cost and tax."""
    item = desk.item("refund", desk.line(12500, 10000, tax=desk.tax(2500)))
    assert desk.told(desk.plan(item)) == [
        "Cr Office supplies 100.00, Cr Tax in 25.00 (VAT25 on -10000), Dr Wallet 125.00"
    ]


def test_reverse_charge_under_accounts_payable(desk: "Desk") -> None:
    """Under reverse charge the bill is over what the supplier gets; the two tax lines cancel out."""
    planned = desk.payable("invoice", desk.line(10000, tax=desk.tax(2500, "reverse", "RC25")))
    assert desk.told(planned) == [
        (
            "bill V1: Dr Office supplies 100.00, Dr Tax in RC 25.00 (RC25 on 10000), "
            "Cr Tax out RC 25.00 (RC25 on 10000), Cr Payables 100.00"
        )
    ]


def test_split(desk: "Desk") -> None:
    """A split has a cost line for each part and one counter line over the sum."""
    item = desk.item(
        "card_purchase",
        desk.line(12500, 10000, tax=desk.tax(2500)),
        desk.line(5000, account="6071"),
        desk.line(-1000, account="6071"),
    )
    assert desk.told(desk.plan(item)) == [
        "Dr Office supplies 100.00, Dr Tax in 25.00 (VAT25 on 10000), Dr Meals 50.00, Cr Meals 10.00, Cr Wallet 165.00"
    ]


def test_payment_takes_no_tax(desk: "Desk") -> None:
    """A payment that repeats the lines of its invoice books no tax again, whatever they hold."""
    lines = (desk.line(12500, 1, account=None, tax=desk.tax(2500, "moon tax", "NO-SUCH-CODE")),)
    assert desk.told(desk.plan(desk.item("invoice_payment", *lines))) == ["Dr Payables 125.00, Cr Wallet 125.00"]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("lines and total differ", {"amount": 9999}, r"add up to 100\.00 EUR, but the total of the expense is 99\.99 EUR"),
    ("lines add up to less", {"amount": 10001}, r"add up to 100\.00 EUR, but the total of the expense is 100\.01 EUR"),
    ("a fraction", {"lines": [Decimal("10000.5")], "amount": 10000}, r'"10000\.5" EUR, is no whole number'),
    ("beyond what JSON carries", {"lines": [2**53], "amount": 2**53}, '"9007199254740992" EUR.*too large'),
    ("an endless number", {"lines": [10**5000], "amount": 10**5000}, "a number of more than 40 digits"),
    ("no currency", {"currency": "UNDEFINED"}, '"UNDEFINED", which cannot be booked in'),
    ("a currency nobody knows", {"currency": "ZZQ"}, '"ZZQ", which cannot be booked in'),
    ("another currency in a line", {"line_currency": "SEK"}, '"SEK", but the total of the expense is in EUR'),
    ("no whole yen", {"lines": [150], "amount": 150, "currency": "JPY"}, '"150" JPY, is no whole number'),
    ("neither reading adds up", {"net": 9000, "tax": 2500}, r"100\.00 EUR is neither the net amount 90\.00 EUR nor"),
    ("net differs without tax", {"net": 9000}, r"neither the net amount 90\.00 EUR"),
    ("more tax than amount", {"net": 10000, "tax": 10001}, r"the tax 100\.01 EUR does not fit"),
    ("tax against the amount", {"net": 12500, "tax": -2500}, r"the tax -25\.00 EUR does not fit"),
    ("a new tax type", {"tax": 0, "kind": "sideways"}, '"sideways"'),
]


@pytest.mark.parametrize(("odd", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_odd_amounts_are_refused(desk: "Desk", odd: dict[str, Any], text: str) -> None:
    """Amounts that contradict each other or are no money are refused, with the figures."""
    currency = odd.get("currency", "EUR")
    taxed: dict[str, Any] = {"tax": desk.tax(odd["tax"], odd.get("kind", "exclusive"))} if "tax" in odd else {}
    lines = [
        desk.line(value, odd.get("net"), currency=odd.get("line_currency", currency), **taxed)
        for value in odd.get("lines", [10000])
    ]
    item = desk.item("card_purchase", *lines, amount=desk.money(odd.get("amount", 10000), currency))
    with pytest.raises(EntryInvalid, match=text) as caught:
        desk.plan(item)
    assert str(caught.value).isprintable()


def test_not_a_number_is_refused(desk: "Desk") -> None:
    """What is no number at all is refused also where it slipped past the model."""
    nothing = PleoMoney.model_construct(currency="EUR", value=Decimal("NaN"))
    amount = Amount.model_construct(in_wallet_currency=nothing, in_supplier_currency=nothing)
    item = desk.item()
    odd = item.model_copy(
        update={
            "amount": amount,
            "accounting_entry_lines": (
                ItemLine.model_construct(accounting_entry_line_id="1", line_amount=amount, net_amount=amount),
            ),
        }
    )
    with pytest.raises(EntryRefused, match="NaN"):
        desk.plan(odd)


@pytest.mark.parametrize(
    ("value", "currency", "units", "minor"),
    [
        (Decimal("1E+2"), "EUR", MinorUnits.HUNDREDTHS, 100),
        (Decimal("100.0"), "EUR", MinorUnits.HUNDREDTHS, 100),
        (15000, "JPY", MinorUnits.HUNDREDTHS, 150),
        (150, "JPY", MinorUnits.ISO, 150),
        (150, "BHD", MinorUnits.HUNDREDTHS, 1500),
    ],
)
def test_minor_units(desk: "Desk", value: int | Decimal, currency: str, units: MinorUnits, minor: int) -> None:
    """Amounts are hundredths unless the setting says ISO exponents; a whole number may be written in any form."""
    item = desk.item("card_purchase", desk.line(value, currency=currency))
    assert read_amounts(item, units, with_tax=True).total_minor == minor


@pytest.mark.parametrize(
    ("supplier", "told"),
    [
        ((12345, "USD"), Money(12345, "USD")),
        ((10000, "EUR"), None),
        ((10000, "UNDEFINED"), None),
    ],
)
def test_foreign_currency(desk: "Desk", supplier: tuple[int, str], told: Money | None) -> None:
    """The entry is booked in the wallet's currency and carries what the supplier was paid, if that is another."""
    planned = desk.plan(desk.item(amount=desk.money(10000, "EUR", supplier=supplier)))
    assert planned.entry.documents[0].currency == "EUR"
    assert planned.entry.details.supplier_amount == told
    assert planned.notes == ()


def test_supplier_currency_of_old(desk: "Desk") -> None:
    """A supplier's currency that ISO 4217 no longer lists keeps no entry out of the books, and is noted."""
    planned = desk.plan(desk.item(amount=desk.money(10000, "EUR", supplier=(7500, "HRK"))))
    assert planned.entry.details.supplier_amount is None
    assert '"HRK"' in planned.notes[0]
