"""Documents as Tryton holds them now, read in Tallybook's own form so that they can be turned around.

Of a bill the invoice is read, of everything else the entry of the journal. What somebody altered in a draft is read as
it is now; what a reversal could not say again is refused.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tallybook.accounting.entry import Dimension, Document, DocumentKind, Line, LineRole
from tallybook.accounting.errors import EntryRefused, EntryRejected
from tallybook.adapters.tryton.documents import REFS_PREFIX
from tallybook.adapters.tryton.facts import taxes_by_id
from tallybook.adapters.tryton.known import Company, KnownTax, Original
from tallybook.adapters.tryton.recording import INVOICE, MOVE, Written
from tallybook.adapters.tryton.rpc import Session
from tallybook.errors import TallybookError
from tallybook.money import exponent

Row = Mapping[str, Any]
_Taxes = Mapping[int, KnownTax]
_TAGS = ("account.code", "account.root.code")
_MOVE_LINE = (
    "account.code", "debit", "credit", "amount_second_currency",
    "second_currency.code", "party.code", "description", "maturity_date", "tax_lines.tax", "tax_lines.type",
    "analytic_lines.debit", "analytic_lines.credit", *(f"analytic_lines.{field}" for field in _TAGS),
)  # fmt: skip
_BILL = (
    "account.code", "total_amount", "currency.code", "party.code", "reference", "invoice_date", "payment_term_date",
)  # fmt: skip
_COST = ("account.code", "amount", "description", "taxes", *(f"analytic_accounts.{field}" for field in _TAGS))
_TAX = ("account.code", "amount", "base", "tax")


class _Unsayable(TallybookError):
    """A document holds something that its reversal could not say again."""


async def originals(
    session: Session, company: Company, written: Sequence[Written]
) -> dict[str, Original | EntryRefused]:
    """Read documents, by their references; one that cannot be turned around is its refusal.

    Repeat: safe; reads only.
    Raises:
        AccountingError: Tryton could not be asked.
    """
    taxes = await taxes_by_id(session, company)
    moves = [each.id for each in written if each.model == MOVE]
    invoices = [each.id for each in written if each.model == INVOICE]
    lines = await _by_document(session, "account.move.line", "move", moves, _MOVE_LINE)
    bills = await _by_document(session, INVOICE, "id", invoices, _BILL)
    costs = await _by_document(session, "account.invoice.line", "invoice", invoices, _COST, ["type", "=", "line"])
    taxed = await _by_document(session, "account.invoice.tax", "invoice", invoices, _TAX)
    found: dict[str, Original | EntryRefused] = {}
    for each in written:
        try:
            if each.model == MOVE:
                found[each.reference] = _move(each.reference, lines.get(each.id, []), taxes, company)
            else:
                (bill,) = bills[each.id]
                document = _bill(bill, costs.get(each.id, []), taxed.get(each.id, []), taxes)
                found[each.reference] = Original(each.reference, document)
        except _Unsayable as why:
            found[each.reference] = EntryRejected(
                f"{each.reference} was altered in Tryton so that it cannot be turned around from here: {why}; "
                "reverse it there by hand"
            )
    return found


async def _by_document(
    session: Session, model: str, of: str, ids: Sequence[int], fields: Sequence[str], *more: object
) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    if ids:
        for row in await session.call(
            f"model.{model}.search_read", [[of, "in", ids], *more], 0, None, [["id", "ASC"]], [of, *fields]
        ):
            found.setdefault(row[of], []).append(row)
    return found


def _move(reference: str, rows: Sequence[Row], taxes: _Taxes, company: Company) -> Original:
    currency = _only({(row["second_currency."] or {}).get("code") or company.currency for row in rows}, "currencies")
    vendor = _only({row["party."]["code"] for row in rows if row["party."]}, "parties", or_none=True)
    own = [row["debit"] - row["credit"] for row in rows]
    amounts = own if currency == company.currency else [row["amount_second_currency"] for row in rows]
    document = Document(
        kind=DocumentKind.JOURNAL_ENTRY if vendor is None else DocumentKind.PAYMENT,
        currency=_named(currency, "currency"),
        lines=tuple(_move_line(row, amount, currency or "", taxes) for row, amount in zip(rows, amounts, strict=True)),
        vendor=vendor,
        due_on=next((row["maturity_date"] for row in rows if row["maturity_date"]), None),
    )
    return Original(reference, document, tuple(_minor(amount, company.currency) for amount in own))


def _move_line(row: Row, amount: Decimal, currency: str, taxes: _Taxes) -> Line:
    shown = row["tax_lines."] or []
    tax = _known({each["tax"] for each in shown}, taxes)
    role = LineRole.COST
    if tax is not None and {each["type"] for each in shown} == {"tax"}:
        role = _tax_role(_only({each["tax"] for each in shown}, "taxes on one line"), tax)
    elif tax is not None and {(each["type"], each["tax"]) for each in shown} != {
        ("base", leaf.id) for leaf in tax.leaves
    }:
        raise _Unsayable("a line bears a part of a tax")
    own = row["debit"] - row["credit"]
    if any(each["debit"] - each["credit"] != own for each in row["analytic_lines."] or ()):
        raise _Unsayable("a line is spread over analytic accounts")
    text = row["description"] or ""
    return Line(
        account=_named(row["account."]["code"], "account"),
        amount_minor=_minor(amount, currency),
        role=role,
        tax_code=None if tax is None else tax.name,
        dimensions=_dimensions(row["analytic_lines."]),
        text="" if text.startswith(REFS_PREFIX) else text,
    )


def _bill(bill: Row, costs: Sequence[Row], taxed: Sequence[Row], taxes: _Taxes) -> Document:
    currency = bill["currency."]["code"]
    lines = [_cost(row, currency, taxes) for row in costs]
    lines += [_tax(row, currency, taxes) for row in taxed if row["amount"]]  # one of nothing comes by itself
    payable = _named(bill["account."]["code"], "account")
    total = _minor(bill["total_amount"], currency)
    return Document(
        kind=DocumentKind.BILL if total >= 0 else DocumentKind.CREDIT_NOTE,
        currency=currency,
        lines=(*lines, Line(payable, -total, LineRole.COUNTER)),
        vendor=_named(bill["party."]["code"], "party"),
        invoice_number=bill["reference"] or None,
        invoice_on=bill["invoice_date"],  # Tryton converts by the rate of this day, as it did then
        due_on=bill["payment_term_date"],
    )


def _cost(row: Row, currency: str, taxes: _Taxes) -> Line:
    tax = _known(row["taxes"] or (), taxes)
    return Line(
        account=_named((row["account."] or {}).get("code"), "account"),
        amount_minor=_minor(row["amount"], currency),
        role=LineRole.COST,
        tax_code=None if tax is None else tax.name,
        dimensions=_dimensions(row["analytic_accounts."]),
        text=row["description"] or "",
    )


def _tax(row: Row, currency: str, taxes: _Taxes) -> Line:
    tax = _known([row["tax"]] if row["tax"] else (), taxes)
    return Line(
        account=_named(row["account."]["code"], "account"),
        amount_minor=_minor(row["amount"], currency),
        role=_tax_role(row["tax"], tax) if tax is not None else LineRole.TAX_IN,
        tax_code=None if tax is None else tax.name,
        tax_base_minor=_minor(row["base"], currency),
    )


def _known(shown: Collection[int], taxes: _Taxes) -> KnownTax | None:
    """Find the one tax that all of these are, or are parts of."""
    try:
        tops = {taxes[number].id: taxes[number] for number in shown}
    except KeyError:
        raise _Unsayable("a line bears a tax that has not a name of its own") from None
    top = _only(tops, "taxes on one line", or_none=True)
    return None if top is None else tops[top]


def _tax_role(leaf: object, tax: KnownTax) -> LineRole:
    if leaf == tax.ingoing:
        return LineRole.TAX_IN
    if leaf == tax.outgoing:
        return LineRole.TAX_OUT
    raise _Unsayable(f"a line bears a part of the tax {tax.name!r} that is neither reclaimed nor owed")


def _dimensions(tagged: Sequence[Row] | None) -> tuple[Dimension, ...]:
    accounts = [each["account."] for each in tagged or () if each["account."]]
    return tuple(
        Dimension(_named((each["root."] or {}).get("code"), "analytic axis"), _named(each["code"], "analytic account"))
        for each in accounts
    )


def _only(found: Collection[Any], what: str, *, or_none: bool = False) -> Any:
    if len(found) > 1 or not (found or or_none):
        raise _Unsayable(f"it has {len(found)} {what}")
    return next(iter(found), None)


def _named(code: str | None, what: str) -> str:
    if not code:
        raise _Unsayable(f"an {what} in it has no code")
    return code


def _minor(amount: Decimal | None, currency: str) -> int:
    """An amount in minor units; Tryton keeps no finer ones than its currency has."""
    return int((amount or Decimal(0)).scaleb(exponent(currency)))
