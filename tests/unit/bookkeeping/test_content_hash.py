"""Content hash: the same item has the same hash, a changed one another."""

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tallybook.bookkeeping.content_hash import content_hash
from tallybook.bookkeeping.plan import content_of
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


@pytest.mark.parametrize("item_type", ["card_purchase", "invoice", "wallet_topup"])
def test_the_kind_of_job_is_no_change_of_a_journal_entry(desk: "Desk", item_type: str) -> None:
    """What a vendor based job adds to an item is no content of it where it is a journal entry all the same."""
    plain = desk.item(item_type)
    tagged = desk.item(item_type, vendor=desk.vendor(), bookkeeping={"method": "journal"})
    assert content_of(tagged, replace(desk.rules, vendor_based=True)).hash == content_of(plain, desk.rules).hash


def test_a_bill_is_the_same_with_and_without_pleos_word_for_its_method(desk: "Desk") -> None:
    """The method that comes of it counts, not the field."""
    rules = replace(desk.rules, vendor_based=True)
    named = desk.item("invoice", vendor=desk.vendor(), bookkeeping={"method": "accounts_payable"})
    assert content_of(named, rules).hash == content_of(desk.item("invoice", vendor=desk.vendor()), rules).hash


def test_another_vendor_is_a_change_of_a_bill_alone(desk: "Desk") -> None:
    """A journal entry is booked without one."""
    rules = replace(desk.rules, vendor_based=True)
    for method, changed in (("accounts_payable", True), ("journal", False)):
        one, other = (
            content_of(desk.item("invoice", vendor=vendor, bookkeeping={"method": method}), rules).hash
            for vendor in (desk.vendor(), desk.vendor("ACME", code="V2"))
        )
        assert (one != other) is changed


def test_a_bill_is_told_from_the_journal_entry_it_was(desk: "Desk") -> None:
    """Booked without a vendor and exported with one, it is booked otherwise, and that is what is said of it."""
    item = desk.item("invoice", vendor=desk.vendor(), bookkeeping={"method": "accounts_payable"})
    content = content_of(item, replace(desk.rules, vendor_based=True))
    assert content.without_vendor == content_of(desk.item("invoice"), desk.rules).hash != content.hash


@pytest.mark.parametrize(
    ("fields", "vendor_based", "stored"),
    [
        ({}, False, "f283865439bbc6bb64c5293012ab98e360472bd5bed1f02fd976642ae217bc9a"),
        (
            {"vendor": True, "bookkeeping": {"method": "accounts_payable"}},
            True,
            "8e5b027bad4b438e77f92c85bfe225e4706f7d7524337870ca3bfaf5de55c4b1",
        ),
    ],
    ids=["journal entry", "bill"],
)
def test_entries_of_earlier_versions_keep_their_hash(
    desk: "Desk", fields: dict[str, Any], vendor_based: bool, stored: str
) -> None:
    """An upgrade changes no entry: these are the hashes that were stored before the method was looked at."""
    fields |= {"vendor": desk.vendor()} if "vendor" in fields else {}
    assert content_of(desk.item("invoice", **fields), replace(desk.rules, vendor_based=vendor_based)).hash == stored


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({"bookkeeping": {"method": "journal"}}, "ca25514c1f042e0ef337e00d11caf4dc8730685bd82825ce9aac882221bdbc97"),
        ({"bookkeeping": None}, "5e5e8caadc57737f44bd706cf5dbc1a5f2776f0c43fd315f8384b590ba0e280e"),
        ({"bookkeeping": {"method": "brand_new"}}, "4db8c037355ce78d0e1180d33d6fb67ae5c94fe962fa422cfdab7d1d585349f6"),
    ],
    ids=["journal entry with a vendor", "bill without a method", "unknown method"],
)
def test_entries_of_vendor_based_jobs_are_known_by_the_hash_they_had(
    desk: "Desk", fields: dict[str, Any], stored: str
) -> None:
    """Where the hash is another one now, the earlier one is known too."""
    item = desk.item("invoice", vendor=desk.vendor(), **fields)
    assert content_of(item, replace(desk.rules, vendor_based=True)).as_sent == stored
