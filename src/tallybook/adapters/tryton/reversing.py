"""Reversing: a document is turned around as Tryton holds it, and tied to what it takes back.

An entry of a journal is taken back by another, a bill by a credit note and a credit note by a bill. The reversal names
the document it takes back in its description and its origin or comment; a note at that document names the reversal.
Once both are posted, what is payable of them settles each other, and what had settled the document is open again.
What somebody else settled, cancelled or took back in Tryton is left to them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from tallybook.accounting.entry import Details, Entry, EntryKey, PostingState, Recorded, Reversal
from tallybook.accounting.errors import EntryRefused, EntryRejected
from tallybook.accounting.reversing import reversed_entry
from tallybook.accounting.system import Refused
from tallybook.adapters.tryton import marks
from tallybook.adapters.tryton.checks import check_reversal
from tallybook.adapters.tryton.documents import REVERSAL_OF
from tallybook.adapters.tryton.facts import facts
from tallybook.adapters.tryton.known import Company, Original
from tallybook.adapters.tryton.originals import originals
from tallybook.adapters.tryton.recording import INVOICE, MOVE, Batch, Found, Written, complete, recorded, search
from tallybook.adapters.tryton.rpc import Refused as RefusedByTryton
from tallybook.adapters.tryton.rpc import Session, Warned
from tallybook.adapters.tryton.settlements import ids_of, open_again, settlements
from tallybook.adapters.tryton.texts import clean

_NOTE = "Reversed by "


async def reverse(
    session: Session, company: Company, reversals: Sequence[Reversal], view_url: str | None
) -> list[Recorded | Refused]:
    """Write reversals as drafts, one answer for each in the same order; what they take back stays as it is.

    Repeat: a key already in Tryton is not written again; one of which a document is missing is completed.
    Raises:
        AccountingError: Tryton could not be asked; a part may be there.
    """
    there = await search(session, company, [key for each in reversals for key in (each.key, each.of.key)])
    answers: dict[EntryKey, Recorded | Refused] = {}
    answers |= await recorded(session, {each.key: there.get(each.key, {}) for each in reversals}, view_url)
    fresh = await _lay_out(session, company, [each for each in reversals if each.key not in answers], there)
    if fresh.entries:
        answers |= await Batch(session, company, fresh.entries, fresh.originals).record(view_url)
    await name_reversals(session, await search(session, company, list(answers)))
    answers |= {key: Refused(key, error) for key, error in fresh.refused.items()}
    return [answers[each.key] for each in reversals]


async def rehearse(session: Session, company: Company, reversals: Sequence[Reversal]) -> list[Refused]:
    """Say which reversals would be refused as things are in Tryton now.

    Repeat: safe; reads only.
    Raises:
        AccountingError: Tryton could not be asked.
    """
    there = await search(session, company, [key for each in reversals for key in (each.key, each.of.key)])
    fresh = [each for each in reversals if not complete(there.get(each.key, {}))]
    found = await _lay_out(session, company, fresh, there)
    if found.entries:
        known = await facts(session, company, found.entries)
        for entry in found.entries:
            try:
                check_reversal(entry, known, company)
            except EntryRefused as error:
                found.refused[entry.key] = error
    return [Refused(key, error) for key, error in found.refused.items()]


@dataclass(slots=True)
class _LaidOut:
    """Reversals as entries to record, with the documents that each turns around; or why there are none."""

    entries: list[Entry] = field(default_factory=list)
    originals: dict[EntryKey, list[Original]] = field(default_factory=dict)
    refused: dict[EntryKey, EntryRefused] = field(default_factory=dict)


async def _lay_out(session: Session, company: Company, reversals: Sequence[Reversal], there: Found) -> _LaidOut:
    found = _LaidOut(refused=await _refusals(session, reversals, there))
    fresh = [each for each in reversals if each.key not in found.refused]
    read = await originals(session, company, [one for each in fresh for one in _documents(each.of, there)])
    for each in fresh:
        documents = _documents(each.of, there)
        its = [read[one.reference] for one in documents]
        refusals = [one for one in its if isinstance(one, EntryRefused)]
        if refusals:
            found.refused[each.key] = refusals[0]
            continue
        found.originals[each.key] = [one for one in its if isinstance(one, Original)]
        found.entries.append(_entry(each, documents, found.originals[each.key]))
    return found


def _documents(of: Recorded, there: Found) -> list[Written]:
    return [document for _, document in sorted(there[of.key].items())]


def _entry(reversal: Reversal, documents: Sequence[Written], its: Sequence[Original]) -> Entry:
    first = documents[0]
    on = first.posting_on or reversal.posting_on
    entry = reversed_entry(
        Entry(
            key=reversal.of.key,
            content_hash=first.mark.content_hash,
            documents=tuple(each.document for each in its),
            posting_on=on,
            original_on=on,
            posting=PostingState.DRAFT,
            details=Details(first.mark.text, reference="", sort=""),
        ),
        reversal,
    )
    # The one reference that ties it to what it takes back, and to nothing else.
    turned = (
        replace(document, open_item_refs=(f"{REVERSAL_OF}{each.reference}",))
        for document, each in zip(entry.documents, its, strict=True)
    )
    return replace(entry, documents=tuple(turned))


async def _refusals(session: Session, reversals: Sequence[Reversal], there: Found) -> dict[EntryKey, EntryRefused]:
    """Say which entries cannot be taken back as things are in Tryton now, and why."""
    refused: dict[EntryKey, EntryRefused] = {}
    whole: dict[EntryKey, Reversal] = {}
    for each in reversals:
        documents, number = there.get(each.of.key, {}), each.of.external_id
        if not complete(documents) or 1 not in documents or documents[1].reference != number:
            refused[each.key] = EntryRejected(f"Tryton has no entry {number} any more, or not all of it")
        elif (gone := next((one for one in documents.values() if one.state == "cancelled"), None)) is not None:
            refused[each.key] = EntryRejected(
                f"{gone.reference} was cancelled in Tryton, so nothing is left to reverse"
            )
        else:
            whole[each.key] = each
    references = {one.reference for each in whole.values() for one in there[each.of.key].values()}
    settled = await settlements(session, references)
    taken_back = await _taken_back(session, references)
    for key, each in whole.items():
        for document in _documents(each.of, there):
            by = [who for who, mark in taken_back.get(document.reference, ()) if not _is_of(mark, key)]
            others = settled[document.reference].others if document.reference in settled else ()
            if by:
                refused[key] = EntryRejected(f"{document.reference} is reversed in Tryton already, by {by[0]}")
            elif others:
                refused[key] = EntryRejected(_settled_by_others(document.reference, others))
    return refused


def _settled_by_others(reference: str, others: Collection[str]) -> str:
    names = clean(", ".join(sorted(others)), 200)
    return (
        f"{reference} is settled in Tryton with {names}, which Tallybook did not write; "
        "unreconcile it there, or take it back there by hand"
    )


def _is_of(mark: marks.Mark | None, key: EntryKey) -> bool:
    return mark is not None and (mark.owner, mark.entry_id) == (marks.owner(key.company_id), key.entry_id)


async def _taken_back(session: Session, references: set[str]) -> dict[str, list[tuple[str, marks.Mark | None]]]:
    """Find what names these documents as its origin, as Tryton's own cancelling and crediting do too."""
    found: dict[str, list[tuple[str, marks.Mark | None]]] = {}
    moves = [f"{MOVE},{number}" for number in ids_of(references, MOVE)]
    if moves:
        for row in await session.call(
            f"model.{MOVE}.search_read", [["origin", "in", moves]], 0, None, None, ["origin", "description"]
        ):
            found.setdefault(row["origin"], []).append((f"{MOVE},{row['id']}", marks.read(row["description"])))
    if invoices := ids_of(references, INVOICE):
        lines = {
            f"account.invoice.line,{row['id']}": f"{INVOICE},{row['invoice']}"
            for row in await session.call(
                "model.account.invoice.line.search_read", [["invoice", "in", invoices]], 0, None, None, ["invoice"]
            )
        }
        for row in await session.call(
            "model.account.invoice.line.search_read",
            [["origin", "in", sorted(lines)], ["invoice.state", "!=", "cancelled"]],
            0, None, None, ["origin", "invoice"],
        ):  # fmt: skip
            found.setdefault(lines[row["origin"]], []).append((f"{INVOICE},{row['invoice']}", None))
    return found


async def make_room(session: Session, there: Found) -> dict[EntryKey, EntryRefused]:
    """Open again what the drafts among these entries are to take back, so that posted they can settle it.

    Says which cannot be posted, since somebody else settled what they take back.

    Repeat: safe; what is open stays so.
    Raises:
        AccountingError: Tryton could not be asked.
    """
    drafts = [
        (key, each.reference, each.takes_back)
        for key, documents in there.items()
        for each in documents.values()
        if each.takes_back is not None and not each.posted
    ]
    settled = await settlements(session, {original for _, _, original in drafts}) if drafts else {}
    refused: dict[EntryKey, EntryRefused] = {}
    for key, reference, original in drafts:
        if original in settled and settled[original].others:
            why = _settled_by_others(original, settled[original].others)
            refused[key] = EntryRejected(f"{reference} is recorded in Tryton and not posted: {why}")
    for key, reference, original in drafts:
        if key in refused or original not in settled:
            continue
        try:
            await open_again(session, settled[original])
        except (RefusedByTryton, Warned) as error:
            why = f"what settles {original} could not be undone: {error}"
            refused[key] = EntryRejected(f"{reference} is recorded in Tryton and not posted: {why}")
    return refused


async def name_reversals(session: Session, there: Found) -> None:
    """See that what these entries take back, if they do, has a note that names them.

    Repeat: safe; a note is written once.
    Raises:
        AccountingError: Tryton could not be asked.
    """
    told = {
        (each.takes_back, f"{_NOTE}{each.reference}")
        for documents in there.values()
        for each in documents.values()
        if each.takes_back is not None
    }
    if not told:
        return
    rows = await session.call(
        "model.ir.note.search_read",
        [["resource", "in", sorted({reference for reference, _ in told})], ["message", "like", f"{_NOTE}%"]],
        0, None, None, ["resource", "message"],
    )  # fmt: skip
    missing = sorted(told - {(row["resource"], row["message"]) for row in rows})
    if missing:
        await session.call(
            "model.ir.note.create", [{"resource": reference, "message": text} for reference, text in missing]
        )
