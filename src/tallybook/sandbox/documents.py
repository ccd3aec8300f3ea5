"""Export items as text: how a document is kept, how a partial one is filled in, how a mend changes it."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tallybook.sandbox import exact_json, world
from tallybook.sandbox.errors import bad_request
from tallybook.sandbox.links import Links

Json = dict[str, Any]
RECEIPT_SIZE_BYTES = 6_000  # of a receipt that names no size; the world renders it to exactly this
_VENDOR_MEMBERS = ("bookkeeping", "vendor")  # definition: present only when the job is vendor based


@dataclass(frozen=True, slots=True)
class KeptDocument:
    """A document as the store keeps it.

    `text` is served as it is, links aside; `vendor_part` (`"vendor":...,"bookkeeping":...` or empty) is joined on for
    a vendor based job; `type` and `dated` are there to sort by.
    """

    text: str
    vendor_part: str = ""
    type: str | None = None
    dated: str | None = None

    def served(self, *, vendor_based: bool) -> str:
        """Write the document for a job; links are still marks."""
        if not (vendor_based and self.vendor_part):
            return self.text
        return f"{self.text[:-1]},{self.vendor_part}}}"


def keep(document: Json, entry_id: str, links: Links, dump: Callable[[Any], str] = exact_json.compact) -> KeptDocument:
    """Take a document apart for the store.

    `dump` writes JSON: the fast one, or `exact_json.write` where numbers may be Decimals.
    """
    plain = {name: value for name, value in document.items() if name not in _VENDOR_MEMBERS}
    if isinstance(files := plain.get("files"), list):
        plain["files"] = [_marked(file, entry_id, links) for file in files]
    vendor = {name: document[name] for name in _VENDOR_MEMBERS if name in document}
    return KeptDocument(
        text=dump(plain),
        vendor_part=dump(vendor)[1:-1],
        type=_text_or_none(document.get("type")),
        dated=_text_or_none(document.get("date")),
    )


def keep_raw(text: str, document: Any) -> KeptDocument:
    """Keep a document exactly as it was written, whatever it is."""
    members = document if isinstance(document, dict) else {}
    return KeptDocument(text, "", _text_or_none(members.get("type")), _text_or_none(members.get("date")))


def whole(kept: KeptDocument, links: Links) -> Any:
    """Put a kept document together again: all members, receipts named by their position."""
    document = exact_json.read(kept.served(vendor_based=True))
    if isinstance(document, dict) and isinstance(files := document.get("files"), list):
        document["files"] = [_unmarked(file, links) for file in files]
    return document


def _marked(file: Any, entry_id: str, links: Links) -> Any:
    if not isinstance(file, dict) or "receipt" not in file:
        return file
    receipt = file["receipt"]
    if isinstance(receipt, bool) or not isinstance(receipt, int) or receipt < 0:
        raise bad_request(f"A receipt is named by its position, a whole number, not {receipt!r}.")
    given = {name: value for name, value in file.items() if name != "receipt"}
    return {"url": links.mark(entry_id, receipt)} | given


def _unmarked(file: Any, links: Links) -> Any:
    if not isinstance(file, dict) or not isinstance(url := file.get("url"), str):
        return file
    receipt = links.receipt_of(url)
    if receipt is None:
        return file
    return {"receipt": receipt} | {name: value for name, value in file.items() if name != "url"}


def _text_or_none(value: Any) -> str | None:
    # A lone surrogate is legal in JSON but cannot be stored as text.
    return value if isinstance(value, str) and value.isprintable() else None


def fill_in(partial: Json, entry_id: str, company: world.Company, books: Json, links: Links) -> Json:
    """Complete a partial export item to a card purchase of 100.00; every member given stays as given.

    The lines follow the header amount and the header follows the lines, whichever was given.
    """
    lines = partial.get("accountingEntryLines")
    amount = partial.get("amount")
    if amount is None:
        amount = _sum_of(lines, company.currency)
    if lines is None:
        lines = [{}]
    if isinstance(lines, list):
        lines = [_line(line, number, amount, entry_id, books) for number, line in enumerate(lines)]
    defaults: Json = {
        "_links": links.to_page(entry_id),
        "accountingEntryId": entry_id,
        "additionalInformation": {"reconciliationId": str(uuid.UUID(entry_id).int % 10_000_000)},
        "companyId": company.id,
        "contraAccount": _account(books, "wallet", entry_id),
        "date": "2026-11-19T12:00:00Z",
        "files": [],
        "note": None,
        "type": "card_purchase",
    }
    filled = defaults | partial | {"amount": amount, "accountingEntryLines": lines}
    if isinstance(files := filled.get("files"), list):
        filled["files"] = [_file(file) for file in files]
    return filled


def _line(given: Any, number: int, amount: Any, entry_id: str, books: Json) -> Any:
    if not isinstance(given, dict):
        return given
    total = given.get("lineAmount", amount)
    account = next(account for account in books["accounts"] if account["name"] == "Office supplies")
    return {
        "account": {"id": _derived_id(entry_id, account["code"]), **_as_sent(account)},
        "accountingEntryLineId": _derived_id(entry_id, f"line {number}"),
        "lineAmount": total,
        "netAmount": total,
        "tags": [],
        "tax": None,
    } | given


def _account(books: Json, role: str, entry_id: str) -> Json:
    code = books["roles"][role]
    account: Json = next(account for account in books["accounts"] if account["code"] == code)
    return {"id": _derived_id(entry_id, code), **_as_sent(account)}


def _as_sent(account: Json) -> Json:
    """An account as an export item has it; its kind is the books' own knowledge."""
    return {name: account[name] for name in ("code", "identifier", "name")}


def _derived_id(entry_id: str, name: str) -> str:
    return str(uuid.uuid5(uuid.UUID(entry_id), name))


def _sum_of(lines: Any, currency: str) -> Any:
    """Add up the lines' amounts; what cannot be added up counts as 100.00 in the company's currency."""
    otherwise = {"currency": currency, "value": 10000}
    try:
        amounts = [line["lineAmount"] for line in lines]
        return {
            side: {
                "currency": amounts[0][side]["currency"],
                "value": sum(amount[side]["value"] for amount in amounts),
            }
            for side in ("inSupplierCurrency", "inWalletCurrency")
        }
    except (KeyError, TypeError, IndexError):
        return {"inSupplierCurrency": otherwise, "inWalletCurrency": otherwise}


def _file(given: Any) -> Any:
    if not isinstance(given, dict) or "receipt" not in given:
        return given
    return {"type": "application/pdf", "size": RECEIPT_SIZE_BYTES} | given
