"""Open items: what bills, credit notes and payments of a vendor settle of each other, once they are posted.

Counterparts are posted lines of one party on one payable account with a reference in common, whichever came first and
in whatever job; before all others, a reversal and what it takes back. What is even is reconciled, and Tryton calls the
bill paid; what is not is shown at the bill as paid in part. Lines without references of ours are touched only by their
reversal.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import structlog

from tallybook.adapters.tryton import wire
from tallybook.adapters.tryton.documents import read_refs, taken_back
from tallybook.adapters.tryton.known import Company
from tallybook.adapters.tryton.recording import INVOICE, MOVE
from tallybook.adapters.tryton.rpc import Refused, Session, Warned
from tallybook.adapters.tryton.settlements import ids_of
from tallybook.telemetry.logs import told

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Line:
    """A posted line on a payable account that is not reconciled; `owed` is what we owe by it, in Tryton's Decimal."""

    id: int
    owed: Decimal
    on: date
    refs: frozenset[str]
    document: str  # the move or invoice it belongs to, such as account.move,5
    invoice: int | None  # the bill or credit note it belongs to
    pays: int | None  # the bill it is shown at as a payment in part


async def settle(session: Session, company: Company, references: Collection[str]) -> None:
    """Reconcile what is even among the parties of these documents, such as account.move,5.

    Repeat: safe; what is reconciled is no longer open.
    Raises:
        AccountingError: Tryton could not be asked.
    """
    if not references:
        return
    mine = await session.call(
        "model.account.move.line.search_read",
        [
            ["move.company", "=", company.company],
            ["account.type.payable", "=", True],
            ["party", "!=", None],
            [
                "OR",
                ["move", "in", ids_of(references, MOVE)],
                ["move.origin", "in", [reference for reference in references if reference.startswith(INVOICE)]],
            ],
        ],
        0, None, None, ["party", "account"],
    )  # fmt: skip
    for party, account in sorted({(row["party"], row["account"]) for row in mine}):
        lines = await _open_lines(session, company, party, account)
        for group in even_groups(lines):
            await _reconcile(session, company, group)
        settled = {line.id for group in even_groups(lines) for line in group}
        for payment, bill in payments_in_part([line for line in lines if line.id not in settled]):
            await _show_in_part(session, payment, bill)


async def _open_lines(session: Session, company: Company, party: int, account: int) -> list[Line]:
    rows = await session.call(
        "model.account.move.line.search_read",
        [
            ["move.company", "=", company.company], ["party", "=", party], ["account", "=", account],
            ["reconciliation", "=", None], ["move.state", "=", "posted"],
        ],
        0, None, [["id", "ASC"]],
        ["debit", "credit", "description", "move", "move.origin", "move.date", "invoice_payment"],
    )  # fmt: skip
    invoices = {row["id"]: _invoice(row["move."]["origin"]) for row in rows}
    numbers = sorted({number for number in invoices.values() if number is not None})
    comments: dict[int, Any] = {}
    if numbers:
        found = await session.call(f"model.{INVOICE}.read", numbers, ["comment"])
        comments = {row["id"]: row["comment"] for row in found}
    return [
        Line(
            row["id"],
            row["credit"] - row["debit"],
            row["move."]["date"],
            read_refs(row["description"] if (number := invoices[row["id"]]) is None else comments.get(number)),
            f"{MOVE},{row['move']}" if number is None else f"{INVOICE},{number}",
            number,
            row["invoice_payment"],
        )
        for row in rows
    ]


def _invoice(origin: object) -> int | None:
    model, _, number = str(origin).partition(",")
    return int(number) if model == INVOICE and number.isdigit() else None


def even_groups(lines: Sequence[Line]) -> list[list[Line]]:
    """Find lines that settle each other, the oldest first.

    First reversals with what they take back, then bill and payment of one amount, then whole groups that come to
    nothing.
    """
    found = [group for group in _taken_back(lines) if sum(line.owed for line in group) == 0]
    left = [line for line in lines if line.refs and line.owed and not any(line in group for group in found)]
    for line in list(left):
        if line.invoice is None or line not in left:
            continue
        match = next(
            (each for each in left if each.invoice is None and each.owed == -line.owed and each.refs & line.refs), None
        )
        if match is not None:
            found.append([line, match])
            left = [each for each in left if each not in {line, match}]
    return found + [group for group in _connected(left) if len(group) > 1 and sum(line.owed for line in group) == 0]


def _taken_back(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Put what is open of each reversal with what is open of the document that it takes back."""
    for document in dict.fromkeys(line.document for line in lines if taken_back(line.refs)):
        its = [line for line in lines if line.document == document]
        original = taken_back(ref for line in its for ref in line.refs)
        back = [line for line in lines if line.document == original]
        if back:
            yield [*back, *its]


def payments_in_part(lines: Sequence[Line]) -> list[tuple[Line, Line]]:
    """Pair each payment with the oldest bill it shares a reference with and does not exceed."""
    left = {line.id: line.owed for line in lines}
    for line in lines:
        if line.pays is not None:
            for bill in (each for each in lines if each.invoice == line.pays):
                left[bill.id] += line.owed
    found = []
    for payment in lines:
        if payment.invoice is not None or payment.pays is not None or not payment.refs:
            continue
        for bill in lines:
            fits = bill.owed * payment.owed < 0 and abs(payment.owed) <= abs(left[bill.id])
            if bill.invoice is not None and bill.refs & payment.refs and fits:
                left[bill.id] += payment.owed
                found.append((payment, bill))
                break
    return found


def _connected(lines: Sequence[Line]) -> list[list[Line]]:
    groups: list[list[Line]] = []
    for line in lines:
        near = [group for group in groups if any(each.refs & line.refs for each in group)]
        groups = [group for group in groups if group not in near]
        groups.append([*(each for group in near for each in group), line])
    return groups


async def _reconcile(session: Session, company: Company, group: Sequence[Line]) -> None:
    values = {
        "company": company.company,
        "date": wire.day(max(line.on for line in group)),
        "lines": [["add", [line.id for line in group]]],
    }
    try:
        await session.call("model.account.move.reconciliation.create", [values])
    except (Refused, Warned) as error:  # what is booked stays right; a bookkeeper may tie it by hand
        log.warning("left_open", lines=[line.id for line in group], why=told(error))


async def _show_in_part(session: Session, payment: Line, bill: Line) -> None:
    try:
        await session.call(f"model.{INVOICE}.write", [bill.invoice], {"payment_lines": [["add", [payment.id]]]})
    except (Refused, Warned) as error:
        log.warning("left_open", lines=[payment.id, bill.id], why=told(error))
