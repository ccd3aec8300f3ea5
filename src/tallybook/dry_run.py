"""The dry run: what an export job would book and report, decided by the very steps that export it; nothing is written.

The job is read page by page, and one page is in memory. What cannot be known before it is done is taken to go well, and
said to be (`Untried`): that receipts can be fetched and stored, and that the accounting system takes what it cannot be
asked about beforehand.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any, cast

from tallybook.accounting.entry import Entry, EntryKey, Line, PostingState
from tallybook.accounting.errors import AccountingError
from tallybook.accounting.handover import HandsOver
from tallybook.bookkeeping.plan import FileToFetch
from tallybook.bookkeeping.rules import AttachmentRule
from tallybook.errors import SettingsError, TallybookError
from tallybook.outcome import FinalEvent, ItemResult, failed, one_line, successful
from tallybook.pleo.errors import MissingContraAccounts
from tallybook.pleo.models import ExportJob
from tallybook.postings.rehearsing import refusals
from tallybook.steps import step1_detect_and_start as step1
from tallybook.steps import step2_validate as step2
from tallybook.steps import step3_retrieve_items as step3
from tallybook.steps import step4_fetch_data as step4
from tallybook.steps import step5_record as step5
from tallybook.steps import step7_complete_job as step7
from tallybook.workflow import Company, recorder

_SHA256_LENGTH = 64
_TELLING_LENGTH = 4  # hex digits for each kind of thing: enough to say what differs, while the sha256 says that it does


class PlanDiffers(TallybookError):
    """The export would do something other than the plan that was agreed to; nothing was begun."""


class NothingToPlan(TallybookError):
    """The job is final: there is nothing left of it to export."""


class Fate(StrEnum):
    """What would become of an item."""

    RECORD = "record"  # written as a new entry
    CORRECT = "correct"  # the entry in the books is reversed, and the new version written
    LINK = "link"  # in the books already; reported with the number it has
    REFUSE = "refuse"  # reported as failed


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """What would become of one item: `entry` is what would be written, `result` what Pleo would be told.

    `corrects` is the number of the entry that would be reversed first, on `reversal_on`; `handed_over` says where that
    was handed over in import files. `files` are to be fetched and stored, as Pleo announces them; `left_out` are
    sentences on what is not. `posts` says that a draft that is in the books would be posted. The number of a new entry
    is not known before it is written.
    """

    entry_id: str
    fate: Fate
    result: ItemResult
    entry: Entry | None = None
    corrects: str | None = None
    reversal_on: date | None = None
    handed_over: str | None = None
    files: tuple[FileToFetch, ...] = ()
    left_out: tuple[str, ...] = ()
    posts: bool = False


@dataclass(slots=True)
class Untried:
    """How many things the final event counts on that nobody could try: they show when the job is exported."""

    receipts: int = 0  # to be fetched, made to fit, and stored
    entries: int = 0  # that the books cannot be asked about beforehand
    reversals: int = 0  # the same
    drafts: int = 0  # that are in the books, and would be posted

    def __str__(self) -> str:
        """Say it in words that end a sentence, empty where everything was tried."""
        taken = [_counted(self.entries, "new entry", "new entries"), _counted(self.reversals, "reversal", "reversals")]
        said = [
            f"{_counted(self.receipts, 'receipt', 'receipts')} can be fetched and stored" * bool(self.receipts),
            f"{_counted(self.drafts, 'draft', 'drafts')} can be posted" * bool(self.drafts),
            f"the books take {' and '.join(filter(None, taken))}" * any(taken),
        ]
        every = " and ".join(filter(None, said))
        return f", provided that {every}: that cannot be tried beforehand" if every else ""


def _counted(count: int, one: str, many: str) -> str:
    return "" if not count else f"the {one}" if count == 1 else f"the {count} {many}"


@dataclass(frozen=True, slots=True)
class JobPlan:
    """The end of a dry run: the job as Pleo shows it, how many items fare how, the final event, and the plan's hash.

    `obstacle` says why the job cannot be exported as things are, if it cannot: `waits` tells a job that would not even
    be begun from one that would end as `final` without a look at what is left of it.
    """

    job: ExportJob
    fates: Mapping[Fate, int]
    done_before: int  # items that have a result at Pleo already
    final: FinalEvent
    untried: Untried
    hash: str
    obstacle: str | None = None
    waits: bool = False


async def plan_job(
    company: Company, job_id: str, *, planned: Callable[[PlannedItem], None] = lambda _: None
) -> JobPlan:
    """Go through a pending job, or what is left of one in progress; `planned` is told of each item, in Pleo's order.

    Repeat: safe; reads only. The same job, books and settings give the same hash, in whatever order items come.
    Raises:
        NothingToPlan: the job is final.
        PleoError: Pleo did not answer, or there is no such job.
    """
    job = await company.pleo.job(job_id)
    if job.status not in step1.ELIGIBLE:
        raise NothingToPlan(
            f"Export job {job.id} is final already ({job.status}), so there is nothing to plan; "
            f"`tallybook tie-out {job.id}` compares what was booked"
        )
    paused = await company.pauses.of(company.company_id) is not None
    pause = step1.nothing_to_start(job, paused=paused)
    dry = _DryRun(company, job, planned)
    final = await dry.final_event()
    return JobPlan(
        job=job,
        fates=dry.fates,
        done_before=dry.done_before,
        final=final,
        untried=dry.untried,
        hash=dry.prints.text(_header(company, job, final)),
        obstacle=dry.obstacle or pause,
        waits=pause is not None,
    )


async def require_plan(company: Company, job_id: str, agreed: str) -> None:
    """Find out whether an export would still do what a plan of the hash `agreed` said; the first 64 digits suffice.

    Repeat: safe; reads only.
    Raises:
        PlanDiffers: it would not; the sentence says in what kind of thing, where the hash is given whole, or what is
            in the way of exporting the job at all.
        As `plan_job`.
    """
    plan = await plan_job(company, job_id)
    if plan.obstacle is not None and not plan.waits:  # of a paused company, the export says so itself
        raise PlanDiffers(
            f"Export job {job_id} was not begun, since it cannot be exported as planned: {plan.obstacle}. Nothing was "
            "sent or written"
        )
    found = plan.hash
    if agreed in {found, found[:_SHA256_LENGTH]}:
        return
    kinds = _differing(found, agreed)
    what = f"in {' and in '.join(kinds)}" if kinds else "in something"
    raise PlanDiffers(
        f"Export job {job_id} was not begun, since it would differ from the plan {what}; nothing was sent or written. "
        f"Look at it again: tallybook plan {job_id}"
    )


class _DryRun:
    def __init__(self, company: Company, job: ExportJob, planned: Callable[[PlannedItem], None]) -> None:
        self.company, self.job, self._planned = company, job, planned
        self.fates: Counter[Fate] = Counter()
        self.done_before = 0
        self.untried = Untried()
        self.obstacle: str | None = None
        self.prints = _Prints()
        self._items = step3.Worklist()

    async def final_event(self) -> FinalEvent:
        company, job = self.company, self.job
        rules = replace(company.rules, vendor_based=job.vendor_based_bookkeeping)
        try:
            self._items = await step3.worklist(
                company.pleo, job.id, page_size=company.page_size, announced=job.number_of_items
            )
            self.done_before = self._items.tally.items
            known = await step2.validate(
                company.books, rules, company.clock, company_id=company.company_id, job_company_id=job.company_id
            )
            await self._pages(recorder(company, job.id, rules, known))
        except (AccountingError, SettingsError, MissingContraAccounts) as error:
            self.obstacle = one_line(error).rstrip(".")
            if not self._items.tally.successful:
                return step7.blocked(error)
            while self._items:
                self._refuse([failed(each, error) for each in self._items.first(company.page_size)])
        return step7.decide(self._items.tally)

    async def _pages(self, records: step5.Recorder) -> None:
        company, after = self.company, None
        passed: set[str] = set()
        while self._items:
            page = await step4.fetch(
                company.pleo,
                self.job.id,
                company_id=company.company_id,
                after=after,
                page_size=company.page_size,
                wanted=self._items,
            )
            await self._plan(page, records)
            after = page.next_cursor
            if after is None:
                break
            step4.go_on_at(after, passed)
        while self._items:
            self._refuse(step4.without_data(self._items.first(company.page_size)))

    async def _plan(self, page: step4.DataPage, records: step5.Recorder) -> None:
        company = self.company
        prepared, files = await records.decide(page.items, company.spool)
        for key, refused in (await refusals(company.books, company.clock, list(prepared.bookings.values()))).items():
            prepared.fail(key, refused)
        gone = await self._handed_over([each.reversal.of.key for each in prepared.bookings.values() if each.reversal])
        for key, booking in prepared.bookings.items():
            item = PlannedItem(
                key.entry_id,
                Fate.RECORD,
                ItemResult(key.entry_id),
                entry=booking.entry,
                files=files[key],
                left_out=prepared.notes[key],
            )
            if (reversal := booking.reversal) is not None:
                item = replace(
                    item,
                    fate=Fate.CORRECT,
                    corrects=reversal.of.external_id,
                    reversal_on=reversal.posting_on,
                    handed_over=gone.get(reversal.of.key),
                )
            self._tell(item)
        in_books = {key: each.recorded for key, each in prepared.found.items()} | prepared.settled
        for key, recorded in in_books.items():
            result = replace(successful(replace(recorded, key=key)), exported_at=None)
            posts = company.rules.posting is PostingState.POSTED and recorded.state is PostingState.DRAFT
            self._tell(
                PlannedItem(
                    key.entry_id, Fate.LINK, result, files=files[key], left_out=prepared.notes.get(key, ()), posts=posts
                )
            )
        self._refuse([*page.failed, *prepared.results])

    async def _handed_over(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, str | None]:
        if not keys or not self.company.books.capabilities.hands_over:
            return {}
        return await cast("HandsOver", self.company.books).handed_over(keys)

    def _refuse(self, results: list[ItemResult]) -> None:
        for result in results:
            self._tell(PlannedItem(result.entry_id, Fate.REFUSE, result))

    def _tell(self, item: PlannedItem) -> None:
        if item.entry_id not in self._items:  # on two pages, since the list shifted while it was paged
            return
        self._items.settle(item.result)
        self.fates[item.fate] += 1
        books = self.company.books.capabilities
        if self.company.rules.attachments is AttachmentRule.REQUIRED:
            self.untried.receipts += len(item.files)
        self.untried.drafts += item.posts
        self.untried.entries += item.entry is not None and not books.rehearses
        self.untried.reversals += item.corrects is not None and not books.rehearses_reversals
        self.prints.add(item)
        self._planned(item)


# What a plan consists of, by the words in which people are told that it differs.
_KINDS: Mapping[str, Callable[[PlannedItem], object]] = {
    "the items, or what becomes of them": lambda item: (item.entry_id, item.fate),
    "amounts": lambda item: _of_lines(item, lambda line: (line.amount_minor, line.tax_base_minor)),
    "accounts": lambda item: _of_lines(item, lambda line: line.account),
    "tax codes": lambda item: _of_lines(item, lambda line: line.tax_code),
    "tags or vendors": lambda item: (
        _of_lines(item, lambda line: sorted((each.group, each.code) for each in line.dimensions)),
        [document.vendor for document in item.entry.documents] if item.entry else [],
    ),
    "days, or in what is posted": lambda item: (
        item.reversal_on,
        item.entry and (item.entry.posting_on, item.entry.original_on, item.entry.posting),
        item.posts,
    ),
    "receipts": lambda item: (
        [(file.position, file.declared_type, file.declared_size_bytes) for file in item.files],
        item.left_out,
    ),
    "descriptions or other details": lambda item: item.entry and asdict(_lasting(item.entry).details),
    "what Pleo is told": lambda item: (item.result.external_id, item.result.reason, item.result.text, item.corrects),
}
_WHOLE = "the job, the books, the rules for posting and receipts, or the final event"


def _of_lines(item: PlannedItem, of: Callable[[Line], object]) -> list[object]:
    return [of(line) for document in (item.entry.documents if item.entry else ()) for line in document.lines]


def _lasting(entry: Entry) -> Entry:
    """Leave out the link, which may be another one tomorrow."""
    return replace(entry, details=replace(entry.details, source_url=None))


@dataclass(slots=True)
class _Prints:
    """Hashes of all items seen, put together so that their order does not count: 32 bytes an item are kept."""

    _items: list[bytes] = field(default_factory=list)
    _kinds: Counter[str] = field(default_factory=Counter)

    def add(self, item: PlannedItem) -> None:
        whole = asdict(replace(item, files=(), entry=item.entry and _lasting(item.entry)))
        parts = {kind: _digest(of(item)) for kind, of in _KINDS.items()}
        self._items.append(_digest([whole, *(parts[kind].hex() for kind in _KINDS)]))
        for kind, digest in parts.items():
            self._kinds[kind] += int.from_bytes(digest[:16])

    def text(self, header: Mapping[str, Any]) -> str:
        """Give the sha256 over everything, and a few digits for each kind of thing."""
        told = _digest(header)
        whole = hashlib.sha256(told + b"".join(sorted(self._items))).hexdigest()
        sums = [_digest(self._kinds[kind]).hex() for kind in _KINDS]
        return f"{whole}-{''.join(each[:_TELLING_LENGTH] for each in [*sums, told.hex()])}"


def _header(company: Company, job: ExportJob, final: FinalEvent) -> dict[str, Any]:
    # Without the event's text, which quotes the reason that came first.
    return {
        "job": job.id,
        "company": job.company_id,
        "vendor_based": job.vendor_based_bookkeeping,
        "books": company.books_name,
        "rules": (company.rules.posting, company.rules.attachments, company.rules.attachments_office),
        "event": (final.event, final.reason),
    }


def _digest(value: object) -> bytes:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=_plain).encode("ascii")).digest()


def _plain(value: object) -> object:
    if isinstance(value, EntryKey):
        return [value.company_id, value.entry_id]
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _differing(found: str, agreed: str) -> list[str]:
    """Name the kinds of things that differ, as far as both hashes tell."""
    _, _, ours = found.partition("-")
    _, _, theirs = agreed.partition("-")
    if len(ours) != len(theirs):
        return []
    places = range(0, len(ours), _TELLING_LENGTH)
    return [
        kind
        for kind, at in zip([*_KINDS, _WHOLE], places, strict=True)
        if ours[at : at + _TELLING_LENGTH] != theirs[at : at + _TELLING_LENGTH]
    ]
