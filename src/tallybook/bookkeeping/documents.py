"""Documents: lines and accounts put together as a journal entry, or as bill, credit note and payment."""

import hashlib
from dataclasses import dataclass

from tallybook.accounting.entry import Document, DocumentKind, Line, LineRole
from tallybook.bookkeeping.sides import Side, Sides
from tallybook.bookkeeping.wording import one_line
from tallybook.pleo.models import AdditionalInformation

_INVOICE_NUMBER_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Settled:
    """An item with every account found. `spend` is empty where money only moves; there `total_minor` is what moves.

    `accounts` has the account of each side but the category's.
    """

    sides: Sides
    currency: str
    total_minor: int
    spend: tuple[Line, ...]
    accounts: dict[Side, str]
    information: AdditionalInformation


def journal_entry(settled: Settled) -> tuple[Document, ...]:
    """Book everything in one journal entry.

    A spend has its lines and one counter line over their sum; a movement has its debit line and its credit line.
    """
    sides = settled.sides
    if sides.is_spend:
        lines = (*settled.spend, _counter(settled.accounts[sides.counter], -_sum(settled.spend)))
    else:
        lines = (
            _counter(settled.accounts[sides.debit], settled.total_minor),
            _counter(settled.accounts[sides.credit], -settled.total_minor),
        )
    return (_document(settled, DocumentKind.JOURNAL_ENTRY, lines, vendor=None, refs=()),)


def payable_documents(settled: Settled, vendor: str) -> tuple[Document, ...]:
    """Book through the vendor's account, which is the account of the side PAYABLE.

    - what was bought and paid from the wallet: a bill (or credit note) and the payment that settles it;
    - what was bought and is still owed, to a supplier or to an employee: a bill that stays open;
    - what only moves money: a payment, its payable line first, that settles earlier bills.

    Source: Pleo guide "Bookkeeping method: accounts payable".
    """
    sides = settled.sides
    payable = settled.accounts[Side.PAYABLE]
    own = _entry_refs(settled.information)
    bill_refs = own + _invoice_refs(settled.information)
    if not sides.is_spend:
        return (_payment_alone(settled, vendor, bill_refs),)
    owed = -_sum(settled.spend)
    kind = DocumentKind.BILL if owed < 0 or (owed == 0 and sides.debit is Side.CATEGORY) else DocumentKind.CREDIT_NOTE
    bill = _document(settled, kind, (*settled.spend, _counter(payable, owed)), vendor, bill_refs)
    if sides.counter is not Side.WALLET:
        return (bill,)
    # This payment settles its own bill and no other that happens to bear the same invoice number.
    lines = (_counter(payable, -owed), _counter(settled.accounts[Side.WALLET], owed))
    return (bill, _document(settled, DocumentKind.PAYMENT, lines, vendor, own))


def _payment_alone(settled: Settled, vendor: str, refs: tuple[str, ...]) -> Document:
    sides = settled.sides
    owed_sides = {Side.PAYABLE, Side.OUT_OF_POCKET}
    # Under accounts payable an employee is a vendor: what out-of-pocket would be, is owed on the vendor's account.
    money_side, sign = (sides.credit, 1) if sides.debit in owed_sides else (sides.debit, -1)
    amount = sign * settled.total_minor
    lines = (
        _counter(settled.accounts[Side.PAYABLE], amount),
        _counter(settled.accounts[money_side], -amount),
    )
    settles = tuple(f"entry:{_ref(text)}" for text in settled.information.reconciled_entries or () if text)
    return _document(settled, DocumentKind.PAYMENT, lines, vendor, tuple(dict.fromkeys(refs + settles)))


def _document(
    settled: Settled, kind: DocumentKind, lines: tuple[Line, ...], vendor: str | None, refs: tuple[str, ...]
) -> Document:
    invoice = settled.information.invoice_information
    return Document(
        kind=kind,
        currency=settled.currency,
        lines=lines,
        vendor=vendor,
        open_item_refs=refs,
        invoice_number=(one_line(invoice.invoice_number, _INVOICE_NUMBER_LENGTH_MAX) or None) if invoice else None,
        invoice_on=invoice.invoice_date if invoice else None,
        due_on=invoice.due_date if invoice else None,
    )


def _entry_refs(information: AdditionalInformation) -> tuple[str, ...]:
    own = _ref(information.reconciliation_id)
    return (f"entry:{own}",) if own else ()


def _invoice_refs(information: AdditionalInformation) -> tuple[str, ...]:
    invoice = information.invoice_information
    number = _ref(invoice.invoice_number) if invoice else ""
    return (f"invoice:{number}",) if number else ()


def _ref(text: str) -> str:
    # Bill and payment carry the same text, so cleaning both alike keeps them together; two long texts that differ
    # only where they are cut must not become one.
    short = one_line(text, _INVOICE_NUMBER_LENGTH_MAX)
    if len(text) <= _INVOICE_NUMBER_LENGTH_MAX:
        return short
    return f"{short}{hashlib.sha256(text.encode(errors='backslashreplace')).hexdigest()[:16]}"


def _counter(account: str, amount_minor: int) -> Line:
    return Line(account, amount_minor, LineRole.COUNTER)


def _sum(lines: tuple[Line, ...]) -> int:
    return sum(line.amount_minor for line in lines)
