"""Content hash: the same item has the same hash, a changed one another."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tallybook.bookkeeping.content_hash import content_hash
from tallybook.pleo.models import PleoMoney

if TYPE_CHECKING:
    from tests.unit.bookkeeping.conftest import Desk

INVOICE = {"invoiceDate": "2026-03-01", "invoiceNumber": "R-7", "status": "scheduled"}
BASE: dict[str, Any] = {
    "files": [{"url": "https://files.example/1?expires=1", "type": "application/pdf", "size": 7}],
    "additionalInformation": {"reconciliationId": "B-1", "invoiceInformation": INVOICE},
    "supplier": {"name": "Café"},
}


def test_hash_stays_the_same_over_versions(desk: "Desk") -> None:
    """The hash of a known item never changes: another version would take every entry for changed."""
    assert content_hash(desk.item(**BASE)) == "0ecc8275e06605e021439ad4b213aeb49bd932c915c3c466b4c65f58ad893d13"


@pytest.mark.parametrize(
    "fields",
    [
        {"_links": {"web": {"exportItem": "https://app.pleo.io/e/1"}}},
        {"files": [{"url": "https://files.example/1?expires=2", "type": "application/pdf", "size": 7}]},
        {
            "additionalInformation": {
                "reconciliationId": "B-1",
                "invoiceInformation": INVOICE | {"status": "paid", "paymentDate": "2026-03-09"},
            }
        },
        {"aFieldPleoAddsNextYear": {"x": 1}},
        {"supplier": {"name": "Café", "mood": "good"}},
        {"note": None, "subType": None},
        {"accountingEntryId": "8A1B2C3D-1111-4222-8333-944455556666"},
        {"date": "2026-03-10T10:30:00+01:00"},
    ],
)
def test_unchanged(desk: "Desk", fields: dict[str, Any]) -> None:
    """Links, the state of the invoice, unknown fields, nulls and other spellings of the same change nothing."""
    assert content_hash(desk.item(**BASE | fields)) == content_hash(desk.item(**BASE))


@pytest.mark.parametrize(
    "fields",
    [
        {"note": "x"},
        {"type": "refund"},
        {"date": "2026-03-11T09:30:00Z"},
        {"files": []},
        {"supplier": {"name": "Cafe"}},
        {"contraAccount": {"id": "1", "name": "EUR", "code": "1931"}},
    ],
)
def test_changed(desk: "Desk", fields: dict[str, Any]) -> None:
    """Any other field changes the hash."""
    assert content_hash(desk.item(**BASE | fields)) != content_hash(desk.item(**BASE))


def test_line_order_counts(desk: "Desk") -> None:
    """Lines in another order are another content."""
    lines = (desk.line(1), desk.line(2))
    assert content_hash(desk.item("fee", *lines)) != content_hash(desk.item("fee", *reversed(lines)))


@pytest.mark.parametrize("value", [10000, Decimal(10000), Decimal("10000.00"), Decimal("1E+4"), 10000.0])
def test_spellings_of_a_number(desk: "Desk", value: float | Decimal) -> None:
    """One number has one hash, however it is written."""
    assert content_hash(desk.item("fee", desk.line(value))) == content_hash(desk.item("fee", desk.line(10000)))


@pytest.mark.parametrize(
    "value",
    [Decimal("1E+999999999"), Decimal("NaN"), Decimal("-Infinity"), 10**5000, [[]], "1"],
    ids=["huge exponent", "NaN", "infinity", "5000 digits", "list", "text"],
)
def test_numbers_that_are_none(desk: "Desk", value: Any) -> None:
    """What is no number is hashed too, at once."""
    odd = PleoMoney.model_construct(currency="EUR", value=value)
    item = desk.item()
    changed = item.model_copy(update={"amount": item.amount.model_copy(update={"in_supplier_currency": odd})})
    assert len(content_hash(changed)) == 64
    assert content_hash(changed) != content_hash(item)
