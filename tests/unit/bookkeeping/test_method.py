"""Bookkeeping method: journal or accounts payable."""

from typing import TYPE_CHECKING

import pytest

from tallybook.accounting.entry import DocumentKind
from tallybook.accounting.errors import EntryInvalid, EntrySettingInvalid, VendorUnknown

if TYPE_CHECKING:
    from tests.unit.bookkeeping.conftest import Desk

J, P = DocumentKind.JOURNAL_ENTRY, DocumentKind.BILL


@pytest.mark.parametrize(
    ("method", "has_vendor", "vendor_based", "kind"),
    [
        ("journal", True, True, J),
        ("none", True, True, J),
        ("accounts_payable", True, True, P),
        ("accounts_payable", True, False, J),
        ("accounts_payable", False, False, J),
        (None, True, True, P),
        (None, False, True, J),
        (None, True, False, J),
    ],
)
def test_method(desk: "Desk", method: str | None, has_vendor: bool, vendor_based: bool, kind: DocumentKind) -> None:
    """Pleo's method decides in a vendor based job, the vendor where it is null; other jobs are journal."""
    item = desk.item("invoice", bookkeeping=method and {"method": method}, vendor=desk.vendor() if has_vendor else None)
    assert desk.plan(item, vendor_based=vendor_based).entry.documents[0].kind is kind


@pytest.mark.parametrize("item_type", ["wallet_topup", "wallet_unload"])
@pytest.mark.parametrize("method", ["accounts_payable", "brand_new", None])
def test_wallet_movements_are_journal(desk: "Desk", item_type: str, method: str | None) -> None:
    """Money between bank and wallet is a journal entry whatever the method says."""
    planned = desk.payable(item_type, bookkeeping=method and {"method": method})
    assert [document.kind for document in planned.entry.documents] == [J]


def test_unknown_method_is_refused(desk: "Desk") -> None:
    """A new method is refused by name."""
    with pytest.raises(EntryInvalid, match='"brand_new"'):
        desk.payable("invoice", bookkeeping={"method": "brand_new"})


def test_payable_without_vendor_is_refused(desk: "Desk") -> None:
    """Accounts payable without a vendor asks for a Vendor; the fallback account never replaces it."""
    with pytest.raises(VendorUnknown, match="choose a Vendor in Pleo"):
        desk.payable("invoice", vendor=None)


def test_books_without_payables(desk: "Desk") -> None:
    """Accounts payable in books that keep none is refused."""
    item = desk.item("invoice", vendor=desk.vendor(), bookkeeping={"method": "accounts_payable"})
    with pytest.raises(EntrySettingInvalid, match="accounts payable"):
        desk.plan(item, vendor_based=True, accounts_payable_supported=False)
