"""Content hash: tells whether an item that comes again still says the same."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from tallybook.pleo.models import (
    Bookkeeping,
    BookkeepingMethod,
    ExportItem,
    InvoiceInformation,
    ItemFile,
    ItemVendor,
    LedgerAccount,
    NamedCode,
    Wire,
)

# What may differ from one reading to the next without a change of the entry: links that expire, how far the payment
# of the invoice has come, the bank account it goes to, which is never booked, and the names under which the same
# account, person, team or vendor goes today.
_VOLATILE: dict[type[Wire], frozenset[str]] = {
    ExportItem: frozenset({"links"}),
    ItemFile: frozenset({"url"}),
    InvoiceInformation: frozenset({"status", "payment_date", "supplier_bank_account"}),
    LedgerAccount: frozenset({"name"}),
    NamedCode: frozenset({"name"}),
    ItemVendor: frozenset({"name"}),
}
_PLAIN_BELOW = 10**40
_ENCODE = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Content:
    """The hashes by which an item is compared with what is in the books; `hash` is stored with what is recorded of it.

    `as_sent` is the hash that earlier versions stored; `without_vendor` is that of a journal entry.
    """

    hash: str
    as_sent: str
    without_vendor: str


def content(item: ExportItem, *, payable: bool | None) -> Content:
    """Hash an item in the ways it is compared; `payable` as in `as_booked`.

    Source: docs/decisions.md 19.
    """
    as_sent = content_hash(item)

    def hashed(other: ExportItem) -> str:
        return as_sent if other is item else content_hash(other)

    without = hashed(as_booked(item, payable=False))
    return Content(without if payable is False else hashed(as_booked(item, payable=payable)), as_sent, without)


def as_booked(item: ExportItem, *, payable: bool | None) -> ExportItem:
    """Give an item as far as it is booked: its vendor counts through accounts payable, else its absence.

    Pleo sends method and vendor with vendor based jobs alone, so that without this the kind of job would look like a
    change of the entry. `payable` is None where the method cannot be told: then everything counts as it was sent.
    """
    if payable is None:
        return item
    asked = Bookkeeping(method=BookkeepingMethod.ACCOUNTS_PAYABLE) if payable else None
    vendor = item.vendor if payable else None
    if (item.bookkeeping, item.vendor) == (asked, vendor):
        return item
    return item.model_copy(update={"bookkeeping": asked, "vendor": vendor})


def content_hash(item: ExportItem) -> str:
    """Hash the known content of an item as Pleo sent it: sha256 in hex, the same on every machine and in every run.

    Fields that are null are left out, so that an item keeps its hash when the model learns a field it does not have.
    Fields the model does not know are left out too.

    Source: docs/decisions.md 19.
    """
    return hashlib.sha256(_ENCODE(_plain(item)).encode("ascii")).hexdigest()


@cache
def _hashed_fields(model: type[Wire]) -> tuple[str, ...]:
    """Name the fields of a model that are hashed, in an order that outlives a reordering of the model."""
    return tuple(sorted(set(model.model_fields) - _VOLATILE.get(model, frozenset())))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, Wire):
        fields = ((name, getattr(value, name)) for name in _hashed_fields(type(value)))
        return {name: _plain(field) for name, field in fields if field is not None}
    if isinstance(value, tuple):
        return [None if part is None else _plain(part) for part in value]
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, date):
        return value.isoformat()
    # A number field may hold anything JSON has; what is no number there is never booked.
    return {"kind": type(value).__name__}


def _number(value: float | Decimal) -> int | dict[str, str]:
    # 100, 100.0 and 1E+2 are one number, and most are whole and small.
    if isinstance(value, int) and -_PLAIN_BELOW < value < _PLAIN_BELOW:
        return int(value)
    exact = Decimal(str(value) if isinstance(value, float) else value)
    if exact.is_finite() and -_PLAIN_BELOW < exact < _PLAIN_BELOW and exact == int(exact):
        return int(exact)
    sign, digits, exponent = exact.as_tuple()
    if isinstance(exponent, str):
        return {"number": exponent}
    # Digits and exponent apart: 1E+999999999 written out would fill the memory.
    text = "".join(map(str, digits))
    significant = text.rstrip("0")
    return {"number": f"{'-' if sign else ''}{significant}e{exponent + len(text) - len(significant)}"}
