"""Recording: each document is created under a mark and behind a fence, so that none is written twice.

The fence is a line of a posted entry of nothing, made by `tallybook tryton init`. Every write of ours changes that
line too, and says when it was last changed; Tryton does all of it or nothing, and refuses where somebody came first.
What was searched for before is then searched for again. So a second writer, or a write of our own that was long
thought lost, cannot bring in what is there by now.

Source: Tryton 8.0, trytond/model/modelsql.py, `_timestamp` of a call's context.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from tallybook.accounting.entry import Entry, EntryKey, PostingState, Recorded
from tallybook.accounting.errors import AccountingUnreachable, EntryChanged, EntryRefused, EntryRejected
from tallybook.accounting.system import Refused
from tallybook.adapters.tryton import marks, receipts, wire
from tallybook.adapters.tryton.checks import check, check_reversal, is_bill
from tallybook.adapters.tryton.documents import Part, parts, read_refs, taken_back, values
from tallybook.adapters.tryton.facts import facts
from tallybook.adapters.tryton.known import Company, Facts, Original
from tallybook.adapters.tryton.rpc import Overtaken, Session, Warned
from tallybook.adapters.tryton.rpc import Refused as RefusedByTryton

MOVE = "account.move"
INVOICE = "account.invoice"
OVERTAKEN_MAX = 20
_POSTED = frozenset({"posted", "paid", "cancelled"})
_MODELS = (INVOICE, MOVE)
_MORE = {INVOICE: ("accounting_date", "comment"), MOVE: ("date", "origin")}  # the day, and what tells of a reversal


@dataclass(frozen=True, slots=True)
class Written:
    """A document in Tryton."""

    model: str
    id: int
    mark: marks.Mark
    state: str
    created_at: datetime
    posting_on: date | None  # none of a draft bill whose dates somebody took away
    takes_back: str | None  # the document that this one turns around

    @property
    def reference(self) -> str:
        """Tryton's own way to name a record, such as account.invoice,5: it stays from draft to paid."""
        return f"{self.model},{self.id}"

    @property
    def posted(self) -> bool:
        """Whether a bookkeeper can no longer change it."""
        return self.state in _POSTED


Found = Mapping[EntryKey, Mapping[int, Written]]


async def search(session: Session, company: Company, keys: Sequence[EntryKey]) -> dict[EntryKey, dict[int, Written]]:
    """Find every document of these entries, by number; of two with one mark the older counts.

    Repeat: safe.
    """
    wanted = {(marks.owner(key.company_id), key.entry_id): key for key in keys if marks.markable(key)}
    found: dict[EntryKey, dict[int, Written]] = {}
    if not wanted:
        return found
    for model in _MODELS if company.bill_journal is not None else [MOVE]:
        rows = await session.call(
            f"model.{model}.search_read",
            [["company", "=", company.company], marks.search(list(wanted.values()))],
            0, None, [["id", "ASC"]], ["description", "state", "create_date", *_MORE[model]],
        )  # fmt: skip
        for row in rows:
            mark = marks.read(row["description"])
            key = wanted.get((mark.owner, mark.entry_id)) if mark else None
            if mark is not None and key is not None:
                on, tells = (row[field] for field in _MORE[model])
                back = taken_back(read_refs(tells)) if model == INVOICE else _move_named(tells)
                written = Written(model, row["id"], mark, row["state"], row["create_date"], on, back)
                found.setdefault(key, {}).setdefault(mark.number, written)
    return found


def _move_named(origin: object) -> str | None:
    return origin if isinstance(origin, str) and origin.startswith(f"{MOVE},") else None


def complete(there: Mapping[int, Written]) -> bool:
    """Whether all documents of an entry are there."""
    return bool(there) and len(there) >= next(iter(there.values())).mark.count


async def recorded(session: Session, found: Found, view_url: str | None) -> dict[EntryKey, Recorded]:
    """Describe the entries that are there with all their documents, and with the files they have.

    Repeat: safe.
    """
    whole = {key: [there[number] for number in sorted(there)] for key, there in found.items() if complete(there)}
    files = await receipts.attached(session, [each[0].reference for each in whole.values()])
    return {
        key: Recorded(
            key=key,
            external_id=each[0].reference,
            recorded_at=each[0].created_at,
            state=PostingState.POSTED if all(one.posted for one in each) else PostingState.DRAFT,
            content_hash=each[0].mark.content_hash,
            external_url=view_url and f"{view_url}/model/{each[0].model}/{each[0].id}",
            attached=frozenset(files.get(each[0].reference, ())),
            posting_on=each[0].posting_on,
        )
        for key, each in whole.items()
    }


class Batch:
    """Entries on their way into Tryton, and what became of each.

    `originals` has the documents that reversals among them turn around, in their order.
    """

    def __init__(
        self,
        session: Session,
        company: Company,
        entries: Sequence[Entry],
        originals: Mapping[EntryKey, Sequence[Original]] | None = None,
    ) -> None:
        self._session = session
        self._company = company
        self._originals = originals or {}
        self._entries: dict[EntryKey, Entry] = {}
        for entry in entries:
            self._entries.setdefault(entry.key, entry)
        self._refused: dict[EntryKey, EntryRefused] = {}
        self._overtaken = 0

    async def record(self, view_url: str | None) -> dict[EntryKey, Recorded | Refused]:
        """Write what is not there yet; complete what a killed run left half done.

        Repeat: safe; what is there stays as it is.
        Raises:
            AccountingError: Tryton could not be asked; part of the batch may be there.
        """
        fence = await self._fence()  # before the search, so that what comes after the search is noticed
        there = await search(self._session, self._company, list(self._entries))
        fresh = {key: entry for key, entry in self._entries.items() if not complete(there.get(key, {}))}
        if fresh:
            known = await facts(self._session, self._company, list(fresh.values()))
            todo = [part for entry in fresh.values() for part in self._checked(entry, there.get(entry.key, {}), known)]
            bills = [part for part in todo if is_bill(part.document)]
            # Bills first: a payment alone would be taken for one that settles an older bill.
            await self._create(bills, known, fence)
            await self._create([part for part in todo if part not in bills], known, None if bills else fence)
            await self._take_back()
            there = await search(self._session, self._company, list(self._entries))
        answers = await recorded(self._session, there, view_url)
        return {key: self._answer(key, answers) for key in self._entries}

    def _answer(self, key: EntryKey, answers: Mapping[EntryKey, Recorded]) -> Recorded | Refused:
        if key in self._refused:
            return Refused(key, self._refused[key])
        if key in answers:
            return answers[key]
        raise AccountingUnreachable(f"Tryton took the entry {key.entry_id} and does not show it; look for it there")

    def _checked(self, entry: Entry, there: Mapping[int, Written], known: Facts) -> list[Part]:
        originals = self._originals.get(entry.key, ())
        try:
            (check_reversal if originals else check)(entry, known, self._company)
            for written in there.values():
                if (written.mark.content_hash, written.mark.count) != (entry.content_hash, len(entry.documents)):
                    raise EntryChanged(
                        f"A part of this entry is in Tryton already as {written.reference}, and the entry has changed "
                        f"since; delete {written.reference} there and export again"
                    )
        except EntryRefused as error:
            self._refused[entry.key] = error
            return []
        found = parts(entry)
        if originals:
            found = [
                replace(part, takes_back=original.reference, own_minor=original.turned_minor)
                for part, original in zip(found, originals, strict=True)
            ]
        return [part for part in found if part.number not in there]

    async def _create(self, todo: Sequence[Part], known: Facts, fence: str | None) -> None:
        """Create documents together; where Tryton refuses them, halve until the bad one is alone.

        Its text says little in a batch: it may name a record that is none of the bad one's. `fence` is what the fence
        said before these documents were searched for, None if they have to be searched for again.
        """
        queue = deque([list(todo)])
        while queue:
            group = [part for part in queue.popleft() if part.key not in self._refused]
            if fence is None and group:
                fence = await self._fence()
                there = await search(self._session, self._company, sorted({part.key for part in group}))
                group = [part for part in group if part.number not in there.get(part.key, {})]
            if not group or fence is None:
                continue
            told, fence = fence, None
            try:
                await self._write(group, known, told)
            except Overtaken:
                self._overtaken += 1
                if self._overtaken > OVERTAKEN_MAX:
                    raise AccountingUnreachable("Others write to Tryton all the time; nothing could be added") from None
                queue.appendleft(group)
            except (RefusedByTryton, Warned) as error:
                if len(group) == 1:
                    self._refused[group[0].key] = EntryRejected(f"Tryton refused the entry: {error}")
                else:
                    half = len(group) // 2
                    queue.extendleft([group[half:], group[:half]])

    async def _fence(self) -> str:
        (line,) = await self._session.call("model.account.move.line.read", [self._company.fence], ["_timestamp"])
        return str(line["_timestamp"])

    async def _write(self, group: Sequence[Part], known: Facts, fence: str) -> None:
        bill = is_bill(group[0].document)
        rows = [values(part, known, self._company) for part in group]
        first = rows[0]
        # Whatever the fence's line is told, being told is what changes it.
        touch = ["write", [self._company.fence], {"maturity_date": wire.day(group[0].entry.posting_on)}]
        field = "payment_lines" if bill else "lines"
        first[field] = [*first.get(field, []), touch]
        context: dict[str, Any] = {"_timestamp": {f"account.move.line,{self._company.fence}": fence}}
        await self._session.call(f"model.{INVOICE if bill else MOVE}.create", rows, context=context)

    async def _take_back(self) -> None:
        """Delete the drafts of entries of which another part was refused: an entry is there whole or not at all."""
        if not self._refused:
            return
        there = await search(self._session, self._company, list(self._refused))
        for key, documents in there.items():
            if isinstance(self._refused[key], EntryChanged) or any(
                each.state != "draft" for each in documents.values()
            ):
                continue
            for each in documents.values():
                with suppress(RefusedByTryton, Warned):  # somebody works on it; it is found again by its mark
                    await self._session.call(f"model.{each.model}.delete", [each.id])
