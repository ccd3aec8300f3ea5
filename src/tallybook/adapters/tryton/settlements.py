"""What bills and payments in Tryton are settled with, by whom, and opening them again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallybook.adapters.tryton import marks
from tallybook.adapters.tryton.recording import INVOICE, MOVE
from tallybook.adapters.tryton.rpc import Session

_UNRECONCILE = "wizard.account.move.unreconcile_lines"
Row = Mapping[str, Any]


@dataclass(slots=True)
class Settlement:
    """How a document is settled.

    `reconciled` are its payable lines that are reconciled; `in_part` are payments shown at bills, as (bill, line), of
    which one or the other is the document's; `others` names whatever of the other side was not written by us.
    """

    reconciled: list[int] = field(default_factory=list)
    in_part: list[tuple[int, int]] = field(default_factory=list)
    others: set[str] = field(default_factory=set)


async def settlements(session: Session, references: Collection[str]) -> dict[str, Settlement]:
    """Say of documents such as account.invoice,5 how they are settled; only of those that are, wholly or in part.

    Repeat: safe; reads only.
    Raises:
        AccountingError: Tryton could not be asked.
    """
    invoices = await _read(session, INVOICE, ids_of(references, INVOICE), "move", "payment_lines")
    moves = {number: f"{MOVE},{number}" for number in ids_of(references, MOVE)}
    moves |= {row["move"]: f"{INVOICE},{row['id']}" for row in invoices if row["move"]}
    mine = await _lines(session, [["move", "in", sorted(moves)], ["account.type.payable", "=", True]]) if moves else []
    found: dict[str, Settlement] = {}
    for row in invoices:
        if row["payment_lines"]:
            shown = [(row["id"], line) for line in row["payment_lines"]]
            found.setdefault(f"{INVOICE},{row['id']}", Settlement()).in_part += shown
    for row in mine:
        settlement = found.setdefault(moves[row["move"]], Settlement())
        settlement.reconciled += [row["id"]] if row["reconciliation"] else []
        settlement.in_part += [(row["invoice_payment"], row["id"])] if row["invoice_payment"] else []
    reconciliations = {row["id"]: row["reconciliation"] for row in mine}
    await _name_others(session, found, reconciliations)
    return {reference: each for reference, each in found.items() if each.reconciled or each.in_part}


async def _name_others(session: Session, found: Mapping[str, Settlement], reconciliations: Mapping[int, int]) -> None:
    numbers = sorted({number for number in reconciliations.values() if number})
    shown = {line for each in found.values() for _, line in each.in_part}
    if not numbers and not shown:
        return
    there = await _lines(session, ["OR", ["reconciliation", "in", numbers], ["id", "in", sorted(shown)]])
    origins = {row["id"]: ids_of([row["move."]["origin"] or ""], INVOICE) for row in there}
    bills = {bill for each in found.values() for bill, _ in each.in_part} | {
        n for each in origins.values() for n in each
    }
    ours = {
        row["id"]: row["move"]
        for row in await _read(session, INVOICE, sorted(bills), "description", "move")
        if marks.read(row["description"]) is not None
    }
    for each in found.values():
        settled_by = {reconciliations[line] for line in each.reconciled}
        in_part = {line for _, line in each.in_part}
        for row in there:
            of_ours = marks.read(row["move."]["description"]) is not None or any(
                ours.get(bill) == row["move"]
                for bill in origins[row["id"]]  # what pays a bill has it for its origin too
            )
            if not of_ours and (row["reconciliation"] in settled_by or row["id"] in in_part):
                each.others.add(row["move."]["rec_name"])
        each.others |= {f"{INVOICE},{bill}" for bill, _ in each.in_part if bill not in ours}


async def open_again(session: Session, settlement: Settlement) -> None:
    """Undo what settles a document: its lines, and those on the other side, are open again.

    Repeat: safe with the settlement read anew; what is open stays so.
    Raises:
        Refused, Warned: Tryton did not, or not all of it.
        AccountingError: Tryton could not be asked.
    """
    if settlement.reconciled:
        wizard, *_ = await session.call(f"{_UNRECONCILE}.create")  # who may reconcile may undo it by this way alone
        about = {
            "active_model": "account.move.line",
            "active_id": settlement.reconciled[0],
            "active_ids": settlement.reconciled,
        }
        await session.call(f"{_UNRECONCILE}.execute", wizard, {}, "unreconcile", context=about)
        await session.call(f"{_UNRECONCILE}.delete", wizard)
    for bill, line in settlement.in_part:
        await session.call(f"model.{INVOICE}.write", [bill], {"payment_lines": [["remove", [line]]]})


def ids_of(references: Collection[str], model: str) -> list[int]:
    """Give Tryton's ids of those references that are of a model.

    Repeat: safe.
    """
    parts = [reference.partition(",") for reference in references]
    return sorted({int(number) for name, _, number in parts if name == model and number.isdigit()})


async def _read(session: Session, model: str, ids: Sequence[int], *fields: str) -> list[Row]:
    found: list[Row] = await session.call(f"model.{model}.read", list(ids), list(fields)) if ids else []
    return found


async def _lines(session: Session, domain: Sequence[object]) -> list[Row]:
    found: list[Row] = await session.call(
        "model.account.move.line.search_read",
        list(domain), 0, None, [["id", "ASC"]],
        ["move", "reconciliation", "invoice_payment", "move.description", "move.origin", "move.rec_name"],
    )  # fmt: skip
    return found
