"""The table of debits and credits, as an accountant would check it: the amount is 100.00 throughout."""

from typing import TYPE_CHECKING

import pytest

from tallybook.accounting.errors import EntryInvalid
from tallybook.bookkeeping.rules import AccountRoles
from tallybook.pleo.models import ItemSubType, ItemType

if TYPE_CHECKING:
    from tests.unit.bookkeeping.conftest import Desk

# type, subType, debit, credit
JOURNAL = [
    ("card_purchase", None, "Office supplies", "Wallet"),
    ("card_invoice", None, "Office supplies", "Wallet"),
    ("fee", None, "Office supplies", "Wallet"),
    ("fee", "interest", "Office supplies", "Wallet"),
    ("atm_withdrawal", None, "Office supplies", "Wallet"),
    ("personal_spend", None, "Office supplies", "Wallet"),
    ("refund", None, "Wallet", "Office supplies"),
    ("chargeback", None, "Wallet", "Office supplies"),
    ("cashback", None, "Wallet", "Office supplies"),
    ("out_of_pocket", None, "Office supplies", "Out of pocket"),
    ("mileage", None, "Office supplies", "Out of pocket"),
    ("per_diem", None, "Office supplies", "Out of pocket"),
    ("direct_reimbursement", None, "Out of pocket", "Wallet"),
    ("direct_reimbursement", "reimbursement_to_employee", "Out of pocket", "Wallet"),
    ("direct_reimbursement", "reimbursement_to_company", "Wallet", "Out of pocket"),
    ("direct_reimbursement", "reimbursement_to_employee_refund", "Wallet", "Out of pocket"),
    ("external_reimbursement", None, "Out of pocket", "Payroll clearing"),
    ("external_reimbursement", "reimbursement_to_employee", "Out of pocket", "Payroll clearing"),
    ("external_reimbursement", "reimbursement_to_company", "Payroll clearing", "Out of pocket"),
    ("external_reimbursement", "reimbursement_to_employee_refund", "Payroll clearing", "Out of pocket"),
    ("wallet_topup", None, "Wallet", "Bank in transit"),
    ("wallet_unload", None, "Bank in transit", "Wallet"),
    ("invoice", None, "Office supplies", "Payables"),
    ("invoice_payment", None, "Payables", "Wallet"),
    ("invoice_payment", "invoice_payment_sent", "Payables", "Wallet"),
    ("invoice_payment", "invoice_payment_returned", "Wallet", "Payables"),
]

_SPENT = ["bill V1: Dr Office supplies 100.00, Cr Payables 100.00", "payment V1: Dr Payables 100.00, Cr Wallet 100.00"]
_BACK = [
    "credit_note V1: Cr Office supplies 100.00, Dr Payables 100.00",
    "payment V1: Cr Payables 100.00, Dr Wallet 100.00",
]
_OWED = ["bill V1: Dr Office supplies 100.00, Cr Payables 100.00"]
# type, subType, documents
PAYABLE: list[tuple[str, str | None, list[str]]] = [
    ("card_purchase", None, _SPENT),
    ("card_invoice", None, _SPENT),
    ("fee", None, _SPENT),
    ("fee", "interest", _SPENT),
    ("atm_withdrawal", None, _SPENT),
    ("personal_spend", None, _SPENT),
    ("refund", None, _BACK),
    ("chargeback", None, _BACK),
    ("cashback", None, _BACK),
    ("out_of_pocket", None, _OWED),
    ("mileage", None, _OWED),
    ("per_diem", None, _OWED),
    ("invoice", None, _OWED),
    ("invoice_payment", None, ["payment V1: Dr Payables 100.00, Cr Wallet 100.00"]),
    ("invoice_payment", "invoice_payment_sent", ["payment V1: Dr Payables 100.00, Cr Wallet 100.00"]),
    ("invoice_payment", "invoice_payment_returned", ["payment V1: Cr Payables 100.00, Dr Wallet 100.00"]),
    ("direct_reimbursement", None, ["payment V1: Dr Payables 100.00, Cr Wallet 100.00"]),
    ("direct_reimbursement", "reimbursement_to_company", ["payment V1: Cr Payables 100.00, Dr Wallet 100.00"]),
    ("direct_reimbursement", "reimbursement_to_employee_refund", ["payment V1: Cr Payables 100.00, Dr Wallet 100.00"]),
    ("external_reimbursement", None, ["payment V1: Dr Payables 100.00, Cr Payroll clearing 100.00"]),
    (
        "external_reimbursement",
        "reimbursement_to_company",
        ["payment V1: Cr Payables 100.00, Dr Payroll clearing 100.00"],
    ),
    ("wallet_topup", None, ["Dr Wallet 100.00, Cr Bank in transit 100.00"]),
    ("wallet_unload", None, ["Dr Bank in transit 100.00, Cr Wallet 100.00"]),
]


@pytest.mark.parametrize(("item_type", "sub_type", "debit", "credit"), JOURNAL)
def test_journal(desk: "Desk", item_type: str, sub_type: str | None, debit: str, credit: str) -> None:
    """In the journal each type debits and credits what the table says, whichever of the two is written first."""
    told = desk.told(desk.plan(desk.item(item_type, subType=sub_type)))
    assert len(told) == 1
    assert sorted(told[0].split(", ")) == sorted([f"Dr {debit} 100.00", f"Cr {credit} 100.00"])


@pytest.mark.parametrize(("item_type", "sub_type", "documents"), PAYABLE)
def test_accounts_payable(desk: "Desk", item_type: str, sub_type: str | None, documents: list[str]) -> None:
    """Under accounts payable each type becomes the bills, credit notes and payments the table says."""
    assert desk.told(desk.payable(item_type, subType=sub_type)) == documents


def test_tables_are_complete() -> None:
    """Every type and subType of Pleo's stands in both tables."""
    for table in (JOURNAL, PAYABLE):
        assert {row[0] for row in table} == set(ItemType)
    assert {row[1] for row in JOURNAL} - {None} == set(ItemSubType)


@pytest.mark.parametrize(("item_type", "sub_type", "debit", "credit"), JOURNAL)
def test_negative_value_reverses(desk: "Desk", item_type: str, sub_type: str | None, debit: str, credit: str) -> None:
    """A negative value debits what a positive one credits."""
    told = desk.told(desk.plan(desk.item(item_type, desk.line(-10000), subType=sub_type)))
    assert sorted(told[0].split(", ")) == sorted([f"Cr {debit} 100.00", f"Dr {credit} 100.00"])


@pytest.mark.parametrize(
    ("item_type", "documents"),
    [
        ("invoice", ["credit_note V1: Cr Office supplies 100.00, Dr Payables 100.00"]),
        ("card_purchase", _BACK),
        ("refund", _SPENT),
    ],
)
def test_negative_bill_is_a_credit_note(desk: "Desk", item_type: str, documents: list[str]) -> None:
    """A negative bill is a credit note, and a negative credit note a bill."""
    assert desk.told(desk.payable(item_type, desk.line(-10000))) == documents


@pytest.mark.parametrize(("item_type", "kind"), [("invoice", "bill"), ("refund", "credit_note")])
def test_bill_over_nothing(desk: "Desk", item_type: str, kind: str) -> None:
    """Over a total of zero a purchase is still a bill and a refund still a credit note."""
    assert desk.payable(item_type, desk.line(0)).entry.documents[0].kind == kind


@pytest.mark.parametrize("item_type", ["invoice", "out_of_pocket", "direct_reimbursement"])
def test_vendor_account_replaces_two_settings(desk: "Desk", item_type: str) -> None:
    """Under accounts payable a vendor's own account needs neither the payable nor the out-of-pocket setting."""
    item = desk.item(item_type, vendor=desk.vendor(code="V2"), bookkeeping={"method": "accounts_payable"})
    planned = desk.plan(item, vendor_based=True, accounts=AccountRoles(wallet="1930"))
    assert "Payables ACME 100.00" in desk.told(planned)[0]


@pytest.mark.parametrize(
    ("item_type", "sub_type", "word"),
    [
        ("teleport", None, '"teleport"'),
        ("card_purchase", "split_by_moon", '"split_by_moon"'),
        ("card_purchase", "invoice_payment_returned", '"invoice_payment_returned"'),
    ],
)
def test_unknown_direction_is_refused(desk: "Desk", item_type: str, sub_type: str | None, word: str) -> None:
    """A new type, a new subType or one of another type is refused by name: the direction would be a guess."""
    with pytest.raises(EntryInvalid, match=word):
        desk.plan(desk.item(item_type, subType=sub_type))
