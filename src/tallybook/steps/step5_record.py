"""Step 5: plan each entry, fetch its receipts, and record it in the accounting system, exactly once.

Two halves, so that the next page is prepared while this one is recorded: `prepare` decides and downloads and writes
nothing; `record` writes. An entry is written under its key after the books were searched for it; after any doubt
they are searched again and only what is not there is repeated.

Source: Pleo guide "Accounting system processing workflow".
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from tallybook.accounting.entry import Attachment, Entry, EntryKey, PostingState, Recorded
from tallybook.accounting.errors import (
    AccountingError,
    AccountingRateLimited,
    AccountingTimeout,
    AccountingUnreachable,
    EntryChanged,
    EntryRefused,
)
from tallybook.accounting.system import AccountingSystem, Refused
from tallybook.bookkeeping.attachments import files_to_fetch
from tallybook.bookkeeping.content_hash import content_hash
from tallybook.bookkeeping.plan import Books, FileToFetch, plan
from tallybook.bookkeeping.rules import AttachmentRule, Rules
from tallybook.clock import Clock
from tallybook.errors import TallybookError
from tallybook.outcome import ItemResult, failed, short, successful
from tallybook.pleo.errors import ReceiptError
from tallybook.pleo.models import ExportItem
from tallybook.pleo.receipts import ReceiptDownloader

_Answer = TypeVar("_Answer")
_Thing = TypeVar("_Thing")
log = structlog.get_logger()

# Doubt is settled by search and repetition this often, waiting 1 s, then 2 s; after that the entries fail.
ATTEMPTS = 3
PASSING = (AccountingUnreachable, AccountingTimeout, AccountingRateLimited)
NO_ANSWER = "The accounting system gave no answer"
MAYBE_BOOKED = "This entry may be in the books already; look for it there before you export it again."


@dataclass(slots=True)
class Prepared:
    """A page ready to be recorded: new entries, entries the books hold already, and receipts on disk in `folder`."""

    folder: Path
    entries: dict[EntryKey, Entry] = field(default_factory=dict)
    found: dict[EntryKey, Recorded] = field(default_factory=dict)
    files: dict[EntryKey, list[Attachment]] = field(default_factory=dict)
    results: list[ItemResult] = field(default_factory=list)  # failed before anything was written

    def fail(self, key: EntryKey, error: TallybookError) -> None:
        """Give an entry up, before anything of it is written."""
        self.entries.pop(key, None)
        self.found.pop(key, None)
        self.results.append(failed(key.entry_id, error))

    def keep(self, wanted: Container[str]) -> None:
        """Drop what has a result by now: an entry may be on two pages when the list shifts while it is paged.

        Repeat: safe.
        """
        self.entries = {key: entry for key, entry in self.entries.items() if key.entry_id in wanted}
        self.found = {key: recorded for key, recorded in self.found.items() if key.entry_id in wanted}
        self.results = [result for result in self.results if result.entry_id in wanted]

    def discard(self) -> None:
        """Delete the receipts.

        Repeat: safe.
        """
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(slots=True)
class Recorder:
    """Step 5 for one job: the books, the rules, what the books know, and where receipts wait."""

    books: AccountingSystem
    rules: Rules
    known: Books
    receipts: ReceiptDownloader
    spool: Path
    clock: Clock
    link_changed: bool = False  # books.on_changed = "link"
    taken_up: bool = False  # an earlier run may have written what it did not report
    _attempts: int = ATTEMPTS  # 1 once the books were down for a whole page: later pages fail fast

    async def prepare(self, items: Sequence[ExportItem], page: str) -> Prepared:
        """Look a page's entries up in the books, plan the new ones and download the receipts that are missing there.

        Repeat: safe; writes nothing but files under `spool`.
        """
        prepared = Prepared(self._folder(page))
        by_key = {EntryKey(item.company_id, item.accounting_entry_id): item for item in items}
        try:
            # Before planning: an entry that is booked is linked, even if its period was closed since.
            prepared.found.update(await self._patiently(partial(self._find, list(by_key))))
            self._require_certainty()
        except AccountingError as error:
            for key in by_key:
                prepared.fail(key, error)
            return prepared
        today = self.clock.now().date()
        wanted: dict[EntryKey, tuple[FileToFetch, ...]] = {}
        for key, item in by_key.items():
            recorded = prepared.found.get(key)
            try:
                wanted[key] = self._linked(recorded, item) if recorded else self._planned(item, today, prepared)
            except EntryRefused as error:
                prepared.fail(key, error)
        await self._download(prepared, wanted)
        return prepared

    def _folder(self, page: str) -> Path:
        folder = self.spool / page
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TallybookError(
                f"Receipts cannot be kept on their way to the books in {folder} ({error.strerror}); make room there"
            ) from error
        return folder

    def _require_certainty(self) -> None:
        if self.taken_up and not self.books.capabilities.can_find:
            raise AccountingTimeout(f"{MAYBE_BOOKED} An earlier run ended before it reported this entry.")

    async def _find(self, keys: Sequence[EntryKey]) -> dict[EntryKey, Recorded]:
        """Search in batches, where the books can be searched; what was not asked about is passed over."""
        found: dict[EntryKey, Recorded] = {}
        if self.books.capabilities.can_find:
            for batch in self._batches(keys):
                answer = await self.books.find(batch)
                found |= {key: answer[key] for key in batch if key in answer}
        return found

    def _batches(self, things: Sequence[_Thing]) -> list[Sequence[_Thing]]:
        size = self.books.capabilities.batch_size
        return [things[start : start + size] for start in range(0, len(things), size)]

    def _planned(self, item: ExportItem, today: date, prepared: Prepared) -> tuple[FileToFetch, ...]:
        planned = plan(item, self.rules, self.known, today=today)
        for note in planned.notes:
            log.warning("left_out", entry_id=item.accounting_entry_id, what=note)
        prepared.entries[planned.entry.key] = planned.entry
        return planned.files

    def _linked(self, recorded: Recorded, item: ExportItem) -> tuple[FileToFetch, ...]:
        """Judge an entry that is in the books; a run that was killed may have left it without some of its files."""
        if self.link_changed or recorded.content_hash == content_hash(item):
            files, _ = files_to_fetch(item.files, self.rules)
            attached = {position for position, _ in recorded.attached}
            return tuple(file for file in files if file.position not in attached)
        raise EntryChanged(
            f"This entry is in the books already as {recorded.external_id} and has changed in Pleo since; correct "
            f"{recorded.external_id} in the accounting system by hand, or set books.on_changed in the Settings"
        )

    async def _download(self, prepared: Prepared, wanted: Mapping[EntryKey, Sequence[FileToFetch]]) -> None:
        waiting = {key: files for key, files in wanted.items() if files}
        errors = await asyncio.gather(*(self._download_entry(key, waiting[key], prepared) for key in waiting))
        for key, error in zip(waiting, errors, strict=True):
            if error is not None:
                prepared.fail(key, error)

    async def _download_entry(
        self, key: EntryKey, files: Sequence[FileToFetch], prepared: Prepared
    ) -> ReceiptError | None:
        attachments: list[Attachment] = []
        for file in files:
            try:
                receipt = await self.receipts.fetch(file.url, prepared.folder)
            except ReceiptError as fault:
                error = type(fault)(f"Attachment {file.position}: {fault}")
                if self.rules.attachments is AttachmentRule.REQUIRED:
                    return error
                log.warning("left_out", entry_id=key.entry_id, what=str(error))
                continue
            attachments.append(
                Attachment(
                    position=file.position,
                    path=receipt.path,
                    media_type=receipt.media_type,
                    sha256=receipt.sha256,
                    size_bytes=receipt.size_bytes,
                )
            )
        prepared.files[key] = attachments
        return None

    async def record(self, prepared: Prepared) -> list[ItemResult]:
        """Record what was prepared: drafts, then their receipts, then posting where the rules say so.

        Returns a result for every item of the page. Receipts are deleted from the spool.

        Repeat: safe; an entry that is in the books already is completed and linked, never written twice.
        """
        try:
            recorded, results = await self._write(prepared)
            for stage in (self._attach, self._post):
                recorded, refused = await stage(recorded, prepared)
                results += refused
        finally:
            prepared.discard()
        return prepared.results + results + [successful(entry) for entry in recorded]

    async def _write(self, prepared: Prepared) -> tuple[list[Recorded], list[ItemResult]]:
        recorded = list(prepared.found.values())
        results: list[ItemResult] = []
        for batch in self._batches(list(prepared.entries.values())):
            for answer in await self._record_batch(batch):
                if isinstance(answer, Recorded):
                    recorded.append(answer)
                else:
                    results.append(answer)
        return recorded, results

    async def _record_batch(self, batch: Sequence[Entry]) -> list[Recorded | ItemResult]:
        """Write a batch; after doubt search for it first, keep what is there and repeat only the rest.

        Also a failure that will not pass may have come after a part was written: then it is searched for, once.
        """
        answers: list[Recorded | ItemResult] = []
        outstanding = {entry.key: entry for entry in batch}
        can_find = self.books.capabilities.can_find
        doubt, given_up, down = False, False, AccountingError(NO_ANSWER)
        for attempt in range(self._attempts + 1):  # the last round searches, it writes no more
            if not outstanding or (doubt and not can_find):
                break
            if attempt:
                await self.clock.sleep(attempt)
            try:
                for key, recorded in (await self._find(list(outstanding)) if doubt else {}).items():
                    answers.append(recorded)
                    del outstanding[key]
                if given_up or attempt == self._attempts:
                    break
                doubt = True
                for answer in await self.books.record(list(outstanding.values())) if outstanding else ():
                    if outstanding.pop(answer.key, None) is None:
                        continue  # nobody asked
                    answers.append(failed(answer.key.entry_id, answer.error) if isinstance(answer, Refused) else answer)
            except AccountingError as error:
                down = error
                if given_up:
                    break
                given_up = not isinstance(error, PASSING)
        self._attempts = 1 if outstanding else ATTEMPTS
        lost = [failed(key.entry_id, down) for key in outstanding]
        return answers + (lost if can_find else [_maybe_booked(result) for result in lost])

    async def _patiently(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Make a call that is safe to repeat, and repeat it while the books are only passingly away."""
        for attempt in range(1, self._attempts):
            try:
                return await call()
            except PASSING:
                await self.clock.sleep(attempt)
        return await call()

    async def _attach(self, recorded: list[Recorded], prepared: Prepared) -> tuple[list[Recorded], list[ItemResult]]:
        files = [
            (entry, attachment)
            for entry in recorded
            for attachment in prepared.files.get(entry.key, ())
            if (attachment.position, attachment.sha256) not in entry.attached
        ]
        if not files:
            return recorded, []
        try:
            refused = {answer.key: answer.error for answer in await self._patiently(partial(self.books.attach, files))}
        except AccountingError as error:
            without = {entry.key for entry, _ in files}
            return (
                [entry for entry in recorded if entry.key not in without],
                [failed(key.entry_id, error) for key in without],
            )
        if self.rules.attachments is not AttachmentRule.REQUIRED:
            for key, fault in refused.items():
                log.warning("left_out", entry_id=key.entry_id, what=str(fault))
            return recorded, []
        return (
            [entry for entry in recorded if entry.key not in refused],
            [failed(key.entry_id, fault) for key, fault in refused.items()],
        )

    async def _post(self, recorded: list[Recorded], _: Prepared) -> tuple[list[Recorded], list[ItemResult]]:
        drafts = [entry for entry in recorded if entry.state is PostingState.DRAFT]
        if self.rules.posting is not PostingState.POSTED or not drafts:
            return recorded, []
        posted = [entry for entry in recorded if entry.state is not PostingState.DRAFT]
        results: list[ItemResult] = []
        for batch in self._batches(drafts):
            try:
                answers = {answer.key: answer for answer in await self._patiently(partial(self.books.post, batch))}
            except AccountingError as error:
                results += [failed(entry.key.entry_id, error) for entry in batch]
                continue
            for entry in batch:
                answer = answers.get(entry.key)
                if isinstance(answer, Recorded):
                    posted.append(answer)
                else:
                    results.append(failed(entry.key.entry_id, answer.error if answer else AccountingError(NO_ANSWER)))
        return posted, results


def _maybe_booked(result: ItemResult) -> ItemResult:
    return replace(result, text=short(f"{MAYBE_BOOKED} {result.text}"))
