"""Content hash: tells whether an item that comes again still says the same."""

import hashlib
import json
from decimal import Decimal
from typing import Any

from tallybook.pleo.models import ExportItem, InvoiceInformation, ItemFile, Wire

# What may differ from one reading to the next without a change of the entry: links that expire, how far the payment
# of the invoice has come, and the bank account it goes to, which is never booked.
_VOLATILE: dict[type[Wire], frozenset[str]] = {
    ExportItem: frozenset({"links"}),
    ItemFile: frozenset({"url"}),
    InvoiceInformation: frozenset({"status", "payment_date", "supplier_bank_account"}),
}


def content_hash(item: ExportItem) -> str:
    """Hash the known content of an item: sha256 in hex, the same on every machine and in every run.

    Fields that are null are left out, so that an item keeps its hash when the model learns a field it does not have.
    Fields the model does not know are left out too.

    Source: docs/decisions.md 19.
    """
    text = json.dumps(_plain(item), ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Wire):
        left_out = _VOLATILE.get(type(value), frozenset())
        fields = ((name, getattr(value, name)) for name in type(value).model_fields if name not in left_out)
        return {name: _plain(field) for name, field in fields if field is not None}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    # A number field may hold anything JSON has; what is no number there is never booked.
    return {"kind": type(value).__name__}


def _number(value: float | Decimal) -> dict[str, str]:
    # 100, 100.0 and 1E+2 are one number. Digits and exponent apart: 1E+999999999 written out would fill the memory.
    sign, digits, exponent = Decimal(str(value) if isinstance(value, float) else value).as_tuple()
    if isinstance(exponent, str):
        return {"number": exponent}
    text = "".join(map(str, digits))
    significant = text.lstrip("0").rstrip("0")
    if not significant:
        return {"number": "0"}
    return {"number": f"{'-' if sign else ''}{significant}e{exponent + len(text) - len(text.rstrip('0'))}"}
