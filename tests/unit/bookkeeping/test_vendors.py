"""Vendor matching, and what ties bills and payments together."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tallybook.accounting.errors import EntrySettingInvalid, EntrySettingMissing, VendorUnknown
from tallybook.accounting.system import Vendor
from tallybook.bookkeeping.rules import AccountRoles

if TYPE_CHECKING:
    from tests.unit.bookkeeping.conftest import Desk


@pytest.mark.parametrize(
    "keys",
    [
        {"externalId": "x-1"},
        {"code": "V1"},
        {"externalId": "unknown", "code": "V1"},
        {"code": "unknown", "taxRegistrationNumber": "de123"},
        {"registrationNumber": "HRB-9"},
        {"externalId": "x-1", "code": "V2", "taxRegistrationNumber": "other"},
        {"externalId": "", "code": " V1 "},
    ],
)
def test_vendor_is_found(desk: "Desk", keys: dict[str, str]) -> None:
    """The first key that matches names the vendor: external id, code, tax number, registration number."""
    planned = desk.payable("invoice", vendor=desk.vendor("Anybody", **keys))
    assert planned.entry.documents[0].vendor == "V1"


def test_external_id_may_be_the_code(desk: "Desk") -> None:
    """Where the books know a vendor by its code alone, the external id is held against that."""
    planned = desk.payable("invoice", vendor=desk.vendor("ACME", externalId="V2"))
    assert planned.entry.documents[0].vendor == "V2"


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"code": "V9"}, '"Somebody" is not in the accounting system; add it there'),
        ({"code": "V3", "registrationNumber": "HRB 9"}, r'"Somebody" \("V3"\) is blocked'),
        ({"registrationNumber": "TWIN"}, 'matches 2 vendors of the accounting system, among them "V4" and "V5"'),
        ({"taxRegistrationNumber": "-"}, "is not in the accounting system"),
    ],
)
def test_vendor_is_refused(desk: "Desk", keys: dict[str, str], text: str) -> None:
    """A vendor that is not there, blocked or not the only one is refused by name, with what to do."""
    with pytest.raises(VendorUnknown, match=text):
        desk.payable("invoice", vendor=desk.vendor("Somebody", **keys))


def test_books_that_cannot_tell_vendors(desk: "Desk") -> None:
    """Where the accounting system cannot list its vendors, Pleo's code is taken, else its external id."""
    known = replace(desk.known, vendors=None)
    asked = {"bookkeeping": {"method": "accounts_payable"}}
    for keys, code in (({"code": "N7", "externalId": "x"}, "N7"), ({"externalId": "x"}, "x")):
        item = desk.item("invoice", vendor=desk.vendor("New", **keys), **asked)
        assert desk.plan(item, known=known, vendor_based=True).entry.documents[0].vendor == code
    item = desk.item("invoice", vendor=desk.vendor("New", code="\n"), **asked)
    with pytest.raises(VendorUnknown, match='"New" has no code'):
        desk.plan(item, known=known, vendor_based=True)


def test_vendor_account_of_its_own(desk: "Desk") -> None:
    """A vendor's own payable account comes before the fallback."""
    planned = desk.payable("invoice", vendor=desk.vendor("ACME", code="V2"))
    assert desk.told(planned) == ["bill V2: Dr Office supplies 100.00, Cr Payables ACME 100.00"]


def test_payable_account_is_missing(desk: "Desk") -> None:
    """Without a vendor's own account and without the fallback the setting is named."""
    item = desk.item("invoice", vendor=desk.vendor(), bookkeeping={"method": "accounts_payable"})
    with pytest.raises(EntrySettingMissing, match=r"accounts\.accounts_payable"):
        desk.plan(item, vendor_based=True, accounts=AccountRoles(wallet="1930"))


def test_vendor_account_that_is_not_there(desk: "Desk") -> None:
    """A payable account of the vendor that the books lack is named with the vendor."""
    known = replace(desk.known, vendors=[Vendor("V1", "Paper Ltd", account="7777")])
    item = desk.item("invoice", vendor=desk.vendor(), bookkeeping={"method": "accounts_payable"})
    with pytest.raises(EntrySettingInvalid, match='"7777" of the vendor "V1"'):
        desk.plan(item, known=known, vendor_based=True)


INVOICE = {"invoiceDate": "2026-03-01", "invoiceNumber": " R-7 ", "status": "paid", "dueDate": "2026-03-31T00:00:00Z"}


def test_bill_and_payment_of_different_jobs_share_a_reference(desk: "Desk") -> None:
    """A bill offers its invoice number and its entry; its payment names the same number."""
    bill = desk.payable(
        "invoice", additionalInformation={"reconciliationId": "B-1", "invoiceInformation": INVOICE}
    ).entry.documents[0]
    payment = desk.payable(
        "invoice_payment",
        additionalInformation={"reconciliationId": "B-2", "invoiceInformation": INVOICE | {"status": "scheduled"}},
    ).entry.documents[0]
    assert bill.open_item_refs == ("entry:B-1", "invoice:R-7")
    assert payment.open_item_refs == ("entry:B-2", "invoice:R-7")
    assert (bill.invoice_number, str(bill.invoice_on), str(bill.due_on)) == ("R-7", "2026-03-01", "2026-03-31")


def test_reimbursement_settles_the_entries_it_names(desk: "Desk") -> None:
    """A reimbursement names the entries it settles, each once, and skips nulls."""
    planned = desk.payable(
        "direct_reimbursement",
        additionalInformation={"reconciliationId": "B-9", "reconciledEntries": ["B-1", None, "B-2", "B-1"]},
    )
    assert planned.entry.documents[0].open_item_refs == ("entry:B-9", "entry:B-1", "entry:B-2")
    assert planned.entry.details.reconciled_references == ("B-1", "B-2")


def test_card_payment_settles_its_own_bill_alone(desk: "Desk") -> None:
    """The payment by card offers its entry and not the invoice number, which another bill may bear."""
    bill, payment = desk.payable(
        "card_invoice", additionalInformation={"reconciliationId": "B-1", "invoiceInformation": INVOICE}
    ).entry.documents
    assert bill.open_item_refs == ("entry:B-1", "invoice:R-7")
    assert payment.open_item_refs == ("entry:B-1",)


def test_long_invoice_numbers_stay_apart(desk: "Desk") -> None:
    """Two long invoice numbers that differ at their ends remain two references."""
    refs = {
        desk.payable(
            "invoice",
            additionalInformation={
                "reconciliationId": "B-1",
                "invoiceInformation": INVOICE | {"invoiceNumber": "9" * 1000 + end},
            },
        )
        .entry.documents[0]
        .open_item_refs[1]
        for end in "ab"
    }
    assert len(refs) == 2
    assert max(map(len, refs)) < 300
