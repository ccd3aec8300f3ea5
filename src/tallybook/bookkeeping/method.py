"""Bookkeeping method: is an item booked as a journal entry, or through the account of a vendor."""

from enum import StrEnum

from tallybook.accounting.errors import EntryInvalid, EntrySettingInvalid, VendorUnknown
from tallybook.bookkeeping.rules import Rules
from tallybook.bookkeeping.wording import shown
from tallybook.pleo.models import BookkeepingMethod, ExportItem, ItemType

# Pleo guide "Bookkeeping method resolution": balance movements have no vendor, whatever the method says.
_ALWAYS_JOURNAL = frozenset({ItemType.WALLET_TOPUP, ItemType.WALLET_UNLOAD})
_KNOWN_METHODS = frozenset(BookkeepingMethod)


class Method(StrEnum):
    """The two ways to book an item."""

    JOURNAL = "journal"
    ACCOUNTS_PAYABLE = "accounts_payable"


def method_of(item: ExportItem, rules: Rules) -> Method:
    """Decide between journal and accounts payable.

    Raises:
        EntryInvalid: a method of Pleo's that is new.
        VendorUnknown: accounts payable is asked for, but the item has no vendor.
        EntrySettingInvalid: accounts payable is asked for, but the accounting system has none.
    Source: docs/decisions.md 25; Pleo guide "How to determine the bookkeeping method"; definition BookkeepingMethodV3.
    """
    if item.type in _ALWAYS_JOURNAL:
        return Method.JOURNAL
    asked = item.bookkeeping.method if item.bookkeeping is not None else None
    if asked is not None and asked not in _KNOWN_METHODS:
        raise EntryInvalid(f"The bookkeeping method {shown(asked)} is not known here; book this expense by hand.")
    if not rules.vendor_based or asked in {BookkeepingMethod.JOURNAL, BookkeepingMethod.NONE}:
        return Method.JOURNAL
    if item.vendor is None:
        if asked is None:
            return Method.JOURNAL
        raise VendorUnknown(
            "This expense is to be booked to a Vendor, but it has none; choose a Vendor in Pleo and export it again."
        )
    if not rules.accounts_payable_supported:
        raise EntrySettingInvalid(
            "This expense is to be booked to a Vendor, but the accounting system keeps no accounts payable; "
            "turn off vendor bookkeeping in the Settings of Pleo."
        )
    return Method.ACCOUNTS_PAYABLE
