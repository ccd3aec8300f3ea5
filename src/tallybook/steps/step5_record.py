"""Step 5: record a page of items in the accounting system, exactly once.

Two halves, so that the next page is prepared while this one is recorded: `prepare` decides and downloads and writes
nothing; `record` writes, through the posting journal (postings/writing.py), which never writes blindly twice.

Source: Pleo guide "Accounting system processing workflow".
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import cast

import structlog

from tallybook.accounting.entry import (
    Attachment,
    EntryKey,
    PostingState,
    Recorded,
    Reversal,
    replacement_key,
    reversal_key,
)
from tallybook.accounting.errors import AccountingError, AccountingTimeout, EntryRefused
from tallybook.accounting.handover import HandsOver
from tallybook.accounting.system import Capabilities
from tallybook.bookkeeping.attachments import files_missing, files_to_fetch
from tallybook.bookkeeping.period import posting_day
from tallybook.bookkeeping.plan import Books, FileToFetch, content_of, plan
from tallybook.bookkeeping.rules import AttachmentRule, Rules
from tallybook.clock import Clock
from tallybook.documents.collecting import Collected, collect
from tallybook.documents.conversion import Converter
from tallybook.documents.fitting import Fitting, accepted_by
from tallybook.errors import TallybookError
from tallybook.outcome import ItemResult, failed, short, successful
from tallybook.pleo.models import ExportItem
from tallybook.pleo.receipt_renewal import FreshLinks
from tallybook.pleo.receipts import ReceiptDownloader
from tallybook.postings.judgement import MAYBE_BOOKED, Link, Record, Standing, judge
from tallybook.postings.posting import Booking
from tallybook.postings.writing import NO_ANSWER, EntryWriter, Found
from tallybook.settings import OnChanged
from tallybook.telemetry.logs import told

log = structlog.get_logger()
_Entries = dict[EntryKey, Recorded]
_Errors = dict[EntryKey, TallybookError]


@dataclass(slots=True)
class Prepared:
    """A page ready to be recorded: entries to write, entries the books hold already, and receipts on disk in `folder`.

    All by the entry's identity, which for a corrected entry is not the key it has in the books.
    """

    folder: Path
    bookings: dict[EntryKey, Booking] = field(default_factory=dict)
    found: dict[EntryKey, Found] = field(default_factory=dict)
    settled: dict[EntryKey, Recorded] = field(default_factory=dict)  # in the books by a person's word
    files: dict[EntryKey, list[Attachment]] = field(default_factory=dict)
    attached: dict[EntryKey, int] = field(default_factory=dict)  # how many files entries have in the books, in the end
    notes: dict[EntryKey, tuple[str, ...]] = field(default_factory=dict)  # a sentence on each thing left out
    results: list[ItemResult] = field(default_factory=list)  # failed before anything was written

    def fail(self, key: EntryKey, error: TallybookError) -> None:
        """Give an entry up, before anything of it is written."""
        self.bookings.pop(key, None)
        self.found.pop(key, None)
        self.results.append(failed(key.entry_id, error))

    def keep(self, wanted: Container[str]) -> None:
        """Drop what has a result by now: an entry may be on two pages when the list shifts while it is paged.

        Repeat: safe.
        """
        self.bookings = {key: each for key, each in self.bookings.items() if key.entry_id in wanted}
        self.found = {key: each for key, each in self.found.items() if key.entry_id in wanted}
        self.settled = {key: each for key, each in self.settled.items() if key.entry_id in wanted}
        self.results = [result for result in self.results if result.entry_id in wanted]

    def discard(self) -> None:
        """Delete the receipts.

        Repeat: safe.
        """
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(slots=True)
class Recorder:
    """Step 5 for one job: the books and their journal, the rules, what the books know, and where receipts wait."""

    writer: EntryWriter
    rules: Rules
    known: Books
    receipts: ReceiptDownloader
    spool: Path
    clock: Clock
    on_changed: OnChanged = OnChanged.FAIL
    _fitting: Fitting = field(init=False)

    def __post_init__(self) -> None:
        self._fitting = Fitting(accepted_by(self._system, office=self.rules.attachments_office), Converter())

    @property
    def _system(self) -> Capabilities:
        return self.writer.system.capabilities

    async def prepare(self, items: Sequence[ExportItem], page: str, links: FreshLinks) -> Prepared:
        """Look a page's entries up in journal and books, plan the new ones, download receipts that are missing there.

        `links` are asked for a new link where one has expired.

        Repeat: safe; writes nothing but files under `spool`.
        """
        prepared, wanted = await self.decide(items, self._folder(page))
        for key, notes in prepared.notes.items():
            for note in notes:
                log.warning("left_out", entry_id=key.entry_id, what=note)
        await self._download(prepared, wanted, links)
        return prepared

    async def decide(
        self, items: Sequence[ExportItem], folder: Path
    ) -> tuple[Prepared, dict[EntryKey, tuple[FileToFetch, ...]]]:
        """Look a page's entries up in journal and books and plan the new ones; also gives the files each still needs.

        Repeat: safe; writes nothing, and fetches nothing into `folder`.
        """
        prepared = Prepared(folder)
        wanted: dict[EntryKey, tuple[FileToFetch, ...]] = {}
        by_key = {EntryKey(item.company_id, item.accounting_entry_id): item for item in items}
        try:
            # Before planning: an entry that is booked is linked, even if its period was closed since.
            standings = await self.writer.standings(list(by_key))
        except AccountingError as error:
            for key in by_key:
                prepared.fail(key, error)
            return prepared, wanted
        today = self.clock.now().date()
        for key, item in by_key.items():
            try:
                wanted[key] = self._judged(key, item, standings[key], today, prepared)
            except (EntryRefused, AccountingTimeout) as error:
                prepared.fail(key, error)
        return prepared, wanted

    def _folder(self, page: str) -> Path:
        folder = self.spool / page
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TallybookError(
                f"Receipts cannot be kept on their way to the books in {folder} ({error.strerror}); make room there"
            ) from error
        return folder

    def _judged(
        self, key: EntryKey, item: ExportItem, standing: Standing, today: date, prepared: Prepared
    ) -> tuple[FileToFetch, ...]:
        verdict = judge(standing, content_of(item, self.rules), self.on_changed, self._system, self.writer.books)
        if isinstance(verdict, Record):
            return self._planned(key, item, standing, verdict, today, prepared)
        return self._linked(key, item, standing, verdict, prepared)

    def _planned(
        self, key: EntryKey, item: ExportItem, standing: Standing, verdict: Record, today: date, prepared: Prepared
    ) -> tuple[FileToFetch, ...]:
        planned = plan(item, self.rules, self.known, today=today)
        prepared.notes[key] = planned.notes
        entry, reversal = planned.entry, None
        if (old := verdict.replaces) is not None:
            entry = replace(entry, key=replacement_key(old), replaces=old.external_id)
            if verdict.reverse:
                # The reversal counts where the reversed entry does; a closed period moves it like any other.
                on = posting_day(old.posting_on or entry.original_on, self.rules.closed_period, self.known, today=today)
                reversal = Reversal(reversal_key(old), of=old, posting_on=on, replaced_by=entry.key)
        draft = old is not None and old.state is PostingState.DRAFT
        prepared.bookings[key] = Booking(key, entry, standing.posting, reversal, standing.reversal, draft)
        return planned.files

    def _linked(
        self, key: EntryKey, item: ExportItem, standing: Standing, verdict: Link, prepared: Prepared
    ) -> tuple[FileToFetch, ...]:
        """Link an entry that is in the books; a run that was killed may have left it without some of its files."""
        if verdict.complete:
            prepared.settled[key] = verdict.recorded
            return ()
        prepared.found[key] = Found(key, verdict.recorded, standing.posting, standing.reversal, standing.reversed_draft)
        files, prepared.notes[key] = files_to_fetch(item.files, self.rules)
        attached = {position for position, _ in verdict.recorded.attached}
        return files_missing(files, attached, self._system.attachments_per_entry_max)

    async def _download(
        self, prepared: Prepared, wanted: Mapping[EntryKey, Sequence[FileToFetch]], links: FreshLinks
    ) -> None:
        waiting = {key: files for key, files in wanted.items() if files}
        required = self.rules.attachments is AttachmentRule.REQUIRED
        collecting = (
            collect(
                files,
                prepared.folder,
                entry_id=key.entry_id,
                receipts=self.receipts,
                fitting=self._fitting,
                links=links,
                required=required,
            )
            for key, files in waiting.items()
        )
        # An error that concerns more than one entry is raised when no download is under way any more.
        for key, found in zip(waiting, await asyncio.gather(*collecting, return_exceptions=True), strict=True):
            if not isinstance(found, Collected):
                raise found
            if required and found.problems:
                prepared.fail(key, found.problems[0])
                continue
            for problem in found.problems:
                log.warning("left_out", entry_id=key.entry_id, what=str(problem))
            prepared.files[key] = list(found.attachments)

    async def record(self, prepared: Prepared) -> list[ItemResult]:
        """Record what was prepared: drafts, then their receipts, then posting where the rules say so.

        Returns a result for every item of the page. Receipts are deleted from the spool.

        Repeat: safe after preparing anew; an entry that is in the books is completed and linked, never written twice.
        Raises:
            AnotherWriter: another run is at work on the same entries.
            JournalUnusable: the posting journal did not answer; what was written is found when this is repeated.
        """
        try:
            written = await self.writer.write(list(prepared.bookings.values()), prepared.found.values())
            recorded = {key: each.recorded for key, each in prepared.found.items()}
            recorded |= {key: answer for key, answer in written.answers.items() if isinstance(answer, Recorded)}
            lost = {
                key: self._lost(key, each) for key, each in written.answers.items() if not isinstance(each, Recorded)
            }
            # A reversal goes the way of the version that replaces what it takes back, and neither goes on without the
            # other: alone it would be posted, or handed over, for an expense that failed.
            of = {reversal.key: key for key, reversal in written.reversals.items()}
            recorded = {reversal.key: reversal for reversal in written.reversals.values()} | recorded
            for stage in (self._attach, self._post, self._settle):
                recorded = {key: entry for key, entry in recorded.items() if of.get(key, key) not in lost}
                recorded, errors = await stage(recorded, prepared)
                lost = {
                    of.get(key, key): failed(of.get(key, key).entry_id, each) for key, each in errors.items()
                } | lost
        finally:
            prepared.discard()
        done = recorded | prepared.settled
        results = [
            successful(replace(entry, key=key), receipts=prepared.attached.get(key, 0))
            for key, entry in done.items()
            if key not in {*of, *lost}
        ]
        return prepared.results + list(lost.values()) + results

    def _lost(self, key: EntryKey, error: TallybookError) -> ItemResult:
        result = failed(key.entry_id, error)
        doubtful = isinstance(error, AccountingError) and not self._system.can_find
        return replace(result, text=short(f"{MAYBE_BOOKED} {result.text}")) if doubtful else result

    async def _attach(self, recorded: _Entries, prepared: Prepared) -> tuple[_Entries, _Errors]:
        files = {
            key: [(entry, file) for file in prepared.files.get(key, ()) if not file.is_among(entry.attached)]
            for key, entry in recorded.items()
        }
        errors: _Errors = {}
        left_out: Counter[EntryKey] = Counter()
        if any(files.values()):
            attach = partial(self.writer.system.attach, [pair for pairs in files.values() for pair in pairs])
            try:
                answers = await self.writer.patiently(attach)
            except AccountingError as error:
                errors = {key: error for key, pairs in files.items() if pairs}
            else:
                refused, left_out = {each.key: each.error for each in answers}, Counter(each.key for each in answers)
                errors = {key: refused[entry.key] for key, entry in recorded.items() if entry.key in refused}
                if self.rules.attachments is not AttachmentRule.REQUIRED:
                    for key, fault in errors.items():
                        log.warning("left_out", entry_id=key.entry_id, what=told(fault))
                    errors = {}
        for key, entry in recorded.items():
            positions = {position for position, _ in entry.attached} | {file.position for _, file in files[key]}
            prepared.attached[key] = len(positions) - left_out[entry.key]
        return {key: entry for key, entry in recorded.items() if key not in errors}, errors

    async def _post(self, recorded: _Entries, prepared: Prepared) -> tuple[_Entries, _Errors]:
        """Post drafts, but not the reversal of a draft: it would count without what it takes back."""
        backs = [each.reversal or each.reversed_by for each in prepared.bookings.values() if each.reversed_draft]
        backs += [each.reversed_by for each in prepared.found.values() if each.reversed_draft]
        stay = {each.key for each in backs if each is not None}
        drafts = {
            key: entry for key, entry in recorded.items() if entry.state is PostingState.DRAFT and entry.key not in stay
        }
        if self.rules.posting is not PostingState.POSTED or not drafts:
            return recorded, {}
        posted = {key: entry for key, entry in recorded.items() if key not in drafts}
        errors: _Errors = {}
        for batch in self.writer.batches(list(drafts.items())):
            post = partial(self.writer.system.post, [entry for _, entry in batch])
            try:
                answers = {answer.key: answer for answer in await self.writer.patiently(post)}
            except AccountingError as error:
                errors |= {key: error for key, _ in batch}
                continue
            for key, entry in batch:
                answer = answers.get(entry.key)
                if isinstance(answer, Recorded):
                    posted[key] = answer
                else:
                    errors[key] = answer.error if answer else AccountingError(NO_ANSWER)
        return posted, errors

    async def _settle(self, recorded: _Entries, _: Prepared) -> tuple[_Entries, _Errors]:
        """Let complete entries be handed over at the job's end, by books that do so."""
        if not self._system.hands_over or not recorded:
            return recorded, {}
        settle = partial(cast("HandsOver", self.writer.system).settle, list(recorded.values()))
        try:
            refused = {answer.key: answer.error for answer in await self.writer.patiently(settle)}
        except AccountingError as error:
            return {}, dict.fromkeys(recorded, error)
        errors: _Errors = {key: refused[entry.key] for key, entry in recorded.items() if entry.key in refused}
        return {key: entry for key, entry in recorded.items() if key not in errors}, errors
