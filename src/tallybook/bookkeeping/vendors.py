"""Vendor matching: which vendor of the books a vendor of Pleo's is."""

from tallybook.accounting.errors import VendorUnknown
from tallybook.accounting.system import Vendor
from tallybook.bookkeeping.books import Books
from tallybook.bookkeeping.mapping import CodeMapping, both, mapped, mend
from tallybook.bookkeeping.wording import is_plain, one_line, shown
from tallybook.pleo.models import ItemVendor


def vendor_of(vendor: ItemVendor, books: Books, mapping: CodeMapping) -> Vendor:
    """Match a vendor by external id, then code, tax registration number, registration number.

    A mapped code or external id is the code in the books, and no other key is looked at. Else the
    first key that matches decides, even for a blocked vendor: going on to a weaker key could pay somebody else.

    Raises:
        VendorUnknown: no vendor matches, several do, or it is blocked.
    Source: docs/decisions.md 24.
    """
    to = mapped(mapping.vendors, vendor.code, vendor.external_id)
    if to is not None:
        vendor = ItemVendor(id=vendor.id, name=vendor.name, code=to)
    called = both(vendor.name, to)
    if not books.tells_vendors:
        return _as_given(vendor)
    found = books.vendors(
        external_id=vendor.external_id,
        code=vendor.code,
        tax_registration_number=vendor.tax_registration_number,
        registration_number=vendor.registration_number,
    )
    if not found:
        how = "add it there with the same code or registration number, or choose another Vendor in Pleo"
        raise VendorUnknown(
            f"The Vendor {called} is not in the accounting system; {mend('vendors', to, how)}.",
            sought=vendor.code or vendor.external_id or vendor.name,
            called=vendor.name,
        )
    if len(found) > 1:
        raise VendorUnknown(
            f"The Vendor {called} matches {len(found)} vendors of the accounting system, among them "
            f"{shown(found[0].code)} and {shown(found[1].code)}; give the Vendor in Pleo the code of the right one."
        )
    if found[0].blocked:
        raise VendorUnknown(
            f"The Vendor {shown(vendor.name)} ({shown(found[0].code)}) is blocked in the accounting system; check its "
            "status there, or choose another Vendor in Pleo."
        )
    return found[0]


def _as_given(vendor: ItemVendor) -> Vendor:
    code = next((key for key in (vendor.code, vendor.external_id) if key is not None and is_plain(key)), None)
    if code is None:
        raise VendorUnknown(
            f"The Vendor {shown(vendor.name)} has no code by which the accounting system knows it; "
            "give the Vendor a code in Pleo."
        )
    return Vendor(code=code.strip(), name=one_line(vendor.name, 200))
