"""Wrong adapters, each wrong in one way; the kit must see it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from tallybook.accounting.entry import Attachment, Document, Entry, EntryKey, Held, PostingState, Recorded, Reversal
from tallybook.accounting.errors import (
    AccountingError,
    AccountingRateLimited,
    AccountingUnreachable,
    EntryRejected,
)
from tallybook.accounting.system import AccountingSystem, Need, ReferenceData, Refused
from tallybook.adapters.book.settings import read_settings
from tallybook.adapters.book.system import Book
from tallybook.clock import SystemClock
from tests.adapters.kit.counting_house_adapter import HouseBooks, open_house

Answers = Sequence[Recorded | Refused]


class BrokenBook(Book):
    """Opens itself as an adapter does."""

    @classmethod
    def open(cls, section: Mapping[str, Any]) -> AccountingSystem:
        return cls(read_settings(section), SystemClock())


class ChangesEntries(BrokenBook):
    """Records something else than it was given."""

    async def record(self, entries: Sequence[Entry]) -> Answers:
        return await super().record([self.changed(entry) for entry in entries])

    def changed(self, entry: Entry) -> Entry:
        return replace(entry, documents=tuple(map(self.changed_document, entry.documents)))

    def changed_document(self, document: Document) -> Document:
        raise NotImplementedError


class LosesAnEntry(BrokenBook):
    """Answers for the last entry of a batch without writing it."""

    async def record(self, entries: Sequence[Entry]) -> Answers:
        if len(entries) < 2:
            return await super().record(entries)
        answers = list(await super().record(entries[:-1]))
        return [*answers, replace(answers[0], key=entries[-1].key)]


class AltersACent(ChangesEntries):
    def changed_document(self, document: Document) -> Document:
        first, *between, last = document.lines
        more = replace(first, amount_minor=first.amount_minor + 1)
        less = replace(last, amount_minor=last.amount_minor - 1)
        return replace(document, lines=(more, *between, less))


class SwapsAccounts(ChangesEntries):
    def changed_document(self, document: Document) -> Document:
        swap = {"6071": "5410", "5410": "6071"}
        lines = tuple(replace(line, account=swap.get(line.account, line.account)) for line in document.lines)
        return replace(document, lines=lines)


class DropsTaxCodes(ChangesEntries):
    def changed_document(self, document: Document) -> Document:
        return replace(document, lines=tuple(replace(line, tax_code=None) for line in document.lines))


class DropsDimensions(ChangesEntries):
    def changed_document(self, document: Document) -> Document:
        return replace(document, lines=tuple(replace(line, dimensions=()) for line in document.lines))


class DropsCurrencies(ChangesEntries):
    def changed_document(self, document: Document) -> Document:
        return replace(document, currency="EUR")


class PostsOnTheWrongDay(ChangesEntries):
    def changed(self, entry: Entry) -> Entry:
        return replace(entry, posting_on=entry.posting_on + timedelta(days=1))


class DropsAnAttachment(BrokenBook):
    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        return await super().attach([pair for pair in files if pair[1].position == 1])


class ChangesTheLeaf(BrokenBook):
    """Refuses everything by the same leaf."""

    async def record(self, entries: Sequence[Entry]) -> Answers:
        return [
            Refused(answer.key, EntryRejected(str(answer.error))) if isinstance(answer, Refused) else answer
            for answer in await super().record(entries)
        ]


class NamesNoValue(BrokenBook):
    """Refuses by the right leaf without saying what is wrong."""

    async def record(self, entries: Sequence[Entry]) -> Answers:
        return [
            Refused(answer.key, type(answer.error)("Validation failed")) if isinstance(answer, Refused) else answer
            for answer in await super().record(entries)
        ]


class SpoilsTheBatch(BrokenBook):
    """Refuses all that are in a batch with a bad one, though it writes them."""

    async def record(self, entries: Sequence[Entry]) -> Answers:
        answers = await super().record(entries)
        bad = [answer for answer in answers if isinstance(answer, Refused)]
        return [Refused(answer.key, bad[0].error) for answer in answers] if bad else answers


class AnswersInAnotherOrder(BrokenBook):
    async def record(self, entries: Sequence[Entry]) -> Answers:
        return list(await super().record(entries))[::-1]


class PostsAtOnce(BrokenBook):
    async def record(self, entries: Sequence[Entry]) -> Answers:
        answers = await super().record(entries)
        await super().post([answer for answer in answers if isinstance(answer, Recorded)])
        return answers


class ForgetsToPost(BrokenBook):
    async def post(self, entries: Sequence[Recorded]) -> Answers:
        return [replace(entry, state=PostingState.POSTED) for entry in entries]


class FindsNothing(BrokenBook):
    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        del keys
        return {}


class AlwaysReady(BrokenBook):
    async def check_ready(self, need: Need) -> None:
        del need


class ListsBlockedVendors(BrokenBook):
    async def reference_data(self) -> ReferenceData:
        data = await super().reference_data()
        return replace(data, vendors=[replace(vendor, blocked=False) for vendor in data.vendors or ()])


class ForgetsClosedPeriods(BrokenBook):
    async def reference_data(self) -> ReferenceData:
        return replace(await super().reference_data(), closed_periods=())


class ForgetsToReverse(BrokenBook):
    async def reverse(self, reversals: Sequence[Reversal]) -> Answers:
        return [replace(reversal.of, key=reversal.key) for reversal in reversals]


class RemembersInsteadOfReading(BrokenBook):
    """Says what it holds a cent wrong, and refuses nothing beforehand."""

    async def read_back(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Held]:
        held = await super().read_back(keys)
        return {
            key: replace(
                each, lines=(replace(each.lines[0], amount_minor=each.lines[0].amount_minor + 1), *each.lines[1:])
            )
            for key, each in held.items()
        }

    async def rehearse(self, entries: Sequence[Entry]) -> Sequence[Refused]:
        del entries
        return []

    async def rehearse_reversals(self, reversals: Sequence[Reversal]) -> Sequence[Refused]:
        del reversals
        return []


class ClaimsBeforeItWrites(BrokenBook):
    """Notes an entry as there in a file of its own, and writes it afterwards."""

    @property
    def _claims(self) -> Path:
        return self.settings.path.with_suffix(".claims")

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        found = dict(await super().find(keys))
        if found or not self._claims.exists():
            return found
        claimed = json.loads(self._claims.read_text())
        like = next(iter((await super().find([EntryKey(*claimed[0])])).values()), None)
        return {key: replace(like, key=key) for key in keys if like and [key.company_id, key.entry_id] in claimed}

    async def record(self, entries: Sequence[Entry]) -> Answers:
        claimed = json.loads(self._claims.read_text()) if self._claims.exists() else []
        claimed += [[entry.key.company_id, entry.key.entry_id] for entry in entries]
        self._claims.write_text(json.dumps(claimed))
        return await super().record(entries)


class BrokenHouse(HouseBooks):
    """Opens itself as an adapter does."""

    @classmethod
    def open(cls, section: Mapping[str, Any]) -> AccountingSystem:
        return open_house(section, cls)


class RepeatsBlindly(BrokenHouse):
    """Sends a write that got no answer again, unseen."""

    async def _sent(self, method: str, path: str, arguments: Mapping[str, Any]) -> httpx.Response:
        try:
            return await super()._sent(method, path, arguments)
        except AccountingError:
            return await super()._sent(method, path, arguments)


class TakesSilenceForRefusal(BrokenHouse):
    """Refuses entries when it does not know what became of them."""

    async def record(self, entries: Sequence[Entry]) -> Answers:
        try:
            return await super().record(entries)
        except AccountingError as error:
            return [Refused(entry.key, EntryRejected(str(error))) for entry in entries]


class CallsEverythingUnreachable(BrokenHouse):
    async def check_ready(self, need: Need) -> None:
        try:
            await super().check_ready(need)
        except AccountingRateLimited as error:
            raise AccountingUnreachable(str(error)) from error


class TellsThePassword(BrokenHouse):
    async def check_ready(self, need: Need) -> None:
        try:
            await super().check_ready(need)
        except AccountingUnreachable as error:
            raise AccountingUnreachable(f"{error}: {dict(self.settings)}") from error


class StaysLoggedOut(BrokenHouse):
    async def _ask(self, method: str, path: str, *, again: bool = True, **arguments: Any) -> Any:
        del again
        return await super()._ask(method, path, again=False, **arguments)


class ForgetsTheLock(BrokenHouse):
    """Both of two calls have searched before either writes: what a missing lock allows, made certain."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._both_searched = asyncio.Barrier(2)

    async def record(self, entries: Sequence[Entry]) -> Answers:
        self._writing = asyncio.Lock()
        return await super().record(entries)

    async def _sent(self, method: str, path: str, arguments: Mapping[str, Any]) -> httpx.Response:
        if (method, path) == ("POST", "/entries"):
            async with asyncio.timeout(30):
                await self._both_searched.wait()
        return await super()._sent(method, path, arguments)


class WritesOneByOne(BrokenHouse):
    """Stops at the first bad entry, and leaves the rest of the batch unwritten and unexplained."""

    async def record(self, entries: Sequence[Entry]) -> Answers:
        answers: list[Recorded | Refused] = []
        for entry in entries:
            answers += await super().record([entry])
            if isinstance(answers[-1], Refused):
                break
        return answers
