"""Reading back: what Tryton holds of an entry now, whoever changed it since, and what it would refuse.

A bill is read from the invoice itself, which is there before Tryton makes an entry of it, and is what it is made of.
One that was cancelled counts for nothing: it is held without lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tallybook.accounting.entry import Dimension, Entry, EntryKey, Held, HeldLine
from tallybook.accounting.errors import EntryRefused
from tallybook.accounting.system import Refused
from tallybook.adapters.tryton import receipts
from tallybook.adapters.tryton.checks import check
from tallybook.adapters.tryton.facts import facts, tax_codes
from tallybook.adapters.tryton.known import Company
from tallybook.adapters.tryton.recording import INVOICE, MOVE, Written, complete, search
from tallybook.adapters.tryton.rpc import Session
from tallybook.money import exponent

Row = Mapping[str, Any]


async def rehearse(session: Session, company: Company, entries: Sequence[Entry]) -> list[Refused]:
    """Say which entries would be refused as things are in Tryton now.

    Repeat: safe; reads only.
    """
    if not entries:
        return []
    known, refused = await facts(session, company, entries), []
    for entry in entries:
        try:
            check(entry, known, company)
        except EntryRefused as error:
            refused.append(Refused(entry.key, error))
    return refused


async def read_back(session: Session, company: Company, keys: Sequence[EntryKey]) -> dict[EntryKey, Held]:
    """Read the lines of entries that are there with all their documents, in the currency they were written in.

    Where somebody, or we, wrote a bill's tax by hand, its lines do not show their tax codes. Of moves, only lines on
    accounts that require a party tell a vendor. Receipts are those that still have our note.

    Repeat: safe; reads only.
    """
    there = {key: found for key, found in (await search(session, company, keys)).items() if complete(found)}
    if not there:
        return {}
    documents = [document for found in there.values() for document in found.values()]
    codes = await tax_codes(session, company)
    read = await _moves(session, company, codes, _ids(documents, MOVE))
    read |= await _bills(session, codes, _ids(documents, INVOICE))
    references = {key: [found[number].reference for number in sorted(found)] for key, found in there.items()}
    files = await receipts.attached(session, [first for first, *_ in references.values()])
    return {
        key: _held(key, [read[reference] for reference in its], files.get(its[0], ()))
        for key, its in references.items()
    }


def _ids(documents: Iterable[Written], model: str) -> list[int]:
    return [document.id for document in documents if document.model == model]


@dataclass(slots=True)
class _Read:
    """A document as it is in Tryton; no vendors where it has no line that must tell one."""

    on: date
    lines: list[HeldLine]
    tells_tax_codes: bool = True
    vendors: set[str] = field(default_factory=set)


def _held(key: EntryKey, documents: Sequence[_Read], files: Iterable[tuple[int, str]]) -> Held:
    tells = all(each.tells_tax_codes for each in documents)
    lines = [line for each in documents for line in each.lines]
    return Held(
        key,
        documents[0].on,
        tuple(lines if tells else [replace(line, tax_code=None) for line in lines]),
        tells,
        tells_dimensions=True,
        vendors=frozenset(vendor for each in documents for vendor in each.vendors) or None,
        receipts=len({position for position, _ in files}),
    )


async def _rows(session: Session, model: str, domain: Sequence[object], fields: Sequence[str]) -> list[Row]:
    found: list[Row] = await session.call(
        f"model.{model}.search_read", list(domain), 0, None, [["id", "ASC"]], list(fields)
    )
    return found


async def _moves(session: Session, company: Company, codes: Mapping[int, str], ids: Sequence[int]) -> dict[str, _Read]:
    if not ids:
        return {}
    fields = ["move", "date", "account.code", "debit", "credit", "amount_second_currency", "second_currency.code"]
    fields += ["tax_lines.tax", "account.party_required", "party.code", *_tags("analytic_lines")]
    rows = await _rows(session, "account.move.line", [["move", "in", ids]], fields)
    found: dict[str, _Read] = {}
    for row in rows:
        other = (row["second_currency."] or {}).get("code")
        amount = row["amount_second_currency"] if other else row["debit"] - row["credit"]
        tax = next((codes.get(each["tax"]) for each in row["tax_lines."] or ()), None)
        read = found.setdefault(f"{MOVE},{row['move']}", _Read(row["date"], []))
        read.lines.append(_line(row, amount, other or company.currency, tax, row["analytic_lines."]))
        if row["account."]["party_required"]:
            read.vendors |= _party(row)
    return found


async def _bills(session: Session, codes: Mapping[int, str], ids: Sequence[int]) -> dict[str, _Read]:
    if not ids:
        return {}
    fields = ["account.code", "total_amount", "currency.code", "accounting_date", "invoice_date"]
    fields += ["state", "create_date", "party.code"]
    bills = {row["id"]: row for row in await _rows(session, INVOICE, [["id", "in", ids]], fields)}
    of = [["invoice", "in", ids]]
    costs = await _rows(
        session,
        "account.invoice.line",
        [*of, ["type", "=", "line"]],
        ["invoice", "account.code", "amount", "taxes.name", *_tags("analytic_accounts")],
    )
    taxes = await _rows(session, "account.invoice.tax", of, ["invoice", "account.code", "amount", "tax", "manual"])
    found: dict[str, _Read] = {}
    for number, bill in bills.items():
        currency = bill["currency."]["code"]
        ours = [row for row in taxes if row["invoice"] == number]
        lines = [_line(bill, -bill["total_amount"], currency, None)]
        lines += [
            _line(
                row,
                row["amount"],
                currency,
                next((tax["name"] for tax in row["taxes."] or ()), None),
                row["analytic_accounts."],
            )
            for row in costs
            if row["invoice"] == number
        ]
        lines += [_line(row, row["amount"], currency, codes.get(row["tax"] or 0)) for row in ours]
        tells = not any(row["manual"] for row in ours)
        found[f"{INVOICE},{number}"] = _Read(
            _day(bill), [] if bill["state"] == "cancelled" else lines, tells, _party(bill)
        )
    return found


def _tags(field: str) -> list[str]:
    return [f"{field}.account.code", f"{field}.account.root.code"]


def _party(row: Row) -> set[str]:
    return {row["party."]["code"]} if row["party."] else set()


def _day(bill: Row) -> date:
    """Give the day of a bill; a draft whose dates somebody took away has only the one on which it was made."""
    on: date | None = bill["accounting_date"] or bill["invoice_date"]
    made: datetime = bill["create_date"]
    return on or made.date()


def _line(
    row: Row, amount: Decimal | None, currency: str, tax_code: str | None, tagged: Sequence[Row] | None = None
) -> HeldLine:
    minor = int((amount or Decimal(0)).scaleb(exponent(currency)))
    accounts = [each["account."] for each in tagged or () if each["account."]]
    tags = sorted({((each["root."] or {}).get("code") or "", each["code"] or "") for each in accounts})
    dimensions = tuple(Dimension(group, code) for group, code in tags)
    return HeldLine(row["account."]["code"] or "", currency, minor, tax_code, dimensions)
