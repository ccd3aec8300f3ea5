"""The seven steps of an export job in order, with the durable checkpoints, and nothing else: read this first.

A checkpoint is a name and a step: the inline one runs the step; a durable engine runs it once, keeps its small JSON
result and gives that back when a killed run is taken up again. Results hold no content of items. What a run knows of
items it reads from Pleo's control list, so a new process starts from what Pleo has acknowledged, not from memory.

Steps 3 to 6 stream: while one page is recorded and reported, the next one is fetched, planned and its receipts are
downloaded; no more than two pages are in memory, whatever the size of the job.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import structlog

from tallybook.accounting.errors import AccountingError
from tallybook.accounting.handover import HandsOver
from tallybook.accounting.system import AccountingSystem, ReferenceData
from tallybook.bookkeeping.plan import Books
from tallybook.bookkeeping.rules import Rules
from tallybook.clock import Clock
from tallybook.deadline import Deadline, JobOver
from tallybook.errors import SettingsError, TallybookError
from tallybook.history.recorder import Recorder as History
from tallybook.history.recording import JobRecording
from tallybook.outcome import FinalEvent, ItemResult, JobReport, failed
from tallybook.pleo.client import PleoClient
from tallybook.pleo.errors import JobEventConflict, JobStatusUnprocessable, MissingContraAccounts
from tallybook.pleo.models import JobEvent, JobFailureReason, JobStatus
from tallybook.pleo.receipt_renewal import FreshLinks
from tallybook.pleo.receipts import ReceiptDownloader
from tallybook.postings.journal import Journal
from tallybook.postings.writing import EntryWriter
from tallybook.settings import OnChanged
from tallybook.steps import step1_detect_and_start as step1
from tallybook.steps import step2_validate as step2
from tallybook.steps import step3_retrieve_items as step3
from tallybook.steps import step4_fetch_data as step4
from tallybook.steps import step5_record as step5
from tallybook.steps import step6_update_items as step6
from tallybook.steps import step7_complete_job as step7
from tallybook.store.pauses import Pauses
from tallybook.telemetry import metrics

Json = Mapping[str, Any]
log = structlog.get_logger()
CLOSING_S = 1.0
STOPPED = "stopped between pages; run again and it goes on from here"


class Checkpoint(Protocol):
    """Runs a step under a name that is unique within the job, and remembers its result if it can."""

    async def __call__(self, name: str, step: Callable[[], Awaitable[Json]]) -> Json:
        """Run `step`, or give back what it returned when it ran before."""


async def inline(name: str, step: Callable[[], Awaitable[Json]]) -> Json:  # noqa: ARG001 - a durable checkpoint needs the name
    """Remember nothing: a killed run starts again from Pleo's control list and the books.

    Repeat: runs the step again; every step is safe to repeat.
    """
    return await step()


@dataclass(frozen=True, slots=True)
class Company:
    """Everything an export of one company works with; `app.py` puts it together."""

    company_id: str
    pleo: PleoClient
    books: AccountingSystem
    receipts: ReceiptDownloader
    rules: Rules
    clock: Clock
    spool: Path  # folder for receipts on their way
    journal: Journal
    pauses: Pauses
    books_name: str  # the adapter, and which books it writes to: what the journal's postings are about
    on_changed: OnChanged = OnChanged.FAIL
    history: History | None = None  # what the console shows of jobs is told to it
    page_size: int = 100
    items_per_update: int = 100
    quiet_s_max: float = 240.0  # a job that Pleo hears nothing of expires; ours hears of it every five minutes at least


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; told after every page."""

    job_id: str
    items: int
    successful: int
    failed: int


class JobInterrupted(TallybookError):
    """A run ended before its job did; `report` says how far it came, its note why."""

    def __init__(self, report: JobReport) -> None:
        super().__init__(f"export job {report.job_id}: {report.note}")
        self.report = report


async def export_job(
    company: Company,
    job_id: str,
    *,
    checkpoint: Checkpoint = inline,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> JobReport:
    """Carry one export job through the seven steps; ends between pages once `stopping()` says so.

    Repeat: safe at any point, also after a kill: what is recorded is found, what is reported is skipped, and the
    final event is sent only while the job is in progress.
    Raises:
        JobInterrupted: Pleo did not answer, or did not take some results; the job stays in progress, call again.
    """
    with JobRecording(company.history, company.company_id, job_id) as recording:
        run = _Run(company, job_id, progress, recording)
        try:
            report = await _seven_steps(run, partial(recording.noted, checkpoint), stopping)
        except TallybookError as error:
            going_on = "; the next run goes on from here" if run.is_ours else ""
            raise JobInterrupted(run.report(None, f"{error}{going_on}")) from error
        finally:
            metrics.job_over(company.company_id)
            await run.aclose()
        paused = report.note == step1.PAUSED
        recording.ended(report.event, note=report.note, goes_on=report.note == STOPPED, waits=paused)
        return report


async def _seven_steps(run: "_Run", checkpoint: Checkpoint, stopping: Callable[[], bool]) -> JobReport:
    started = await checkpoint("1 start", run.start)
    if started["note"]:
        return replace(run.report(None, started["note"]), was_completed=started["completed"], items=started["items"])
    run.job_is(started)
    final = _event(await checkpoint("2 validate", run.validate))
    number, after = 1, None
    passed: set[str] = set()
    while final is None:
        if stopping():
            return run.report(None, STOPPED)
        page = await checkpoint(f"3-6 page {number}", partial(run.page, number, after))
        if page["note"]:
            return run.report(None, page["note"])
        number, after, final = number + 1, page["next"], _event(page)
        if after is not None:
            step4.go_on_at(after, passed)
        if final is None and after is None:
            final = _event(await checkpoint("7 decide", run.decide))
    completed = await checkpoint("7 complete", partial(run.complete, final))
    return run.report(final if not completed["note"] else None, completed["note"])


class _Run:
    """One job in one process: the steps, and what they share in memory, read anew when a run is taken up again.

    Every method that is a step returns small JSON: `note` says why the run ends before the job does, `event` is the
    final event once it is known.
    """

    def __init__(
        self, company: Company, job_id: str, progress: Callable[[Progress], None], recording: JobRecording
    ) -> None:
        self.company, self.job_id, self.progress, self.recording = company, job_id, progress, recording
        self.rules, self.job_company_id = company.rules, company.company_id
        self.is_ours, self._resumed, self._items_announced = False, False, 0
        self._started_here = False  # nothing of the job can be in the books yet that is not reported
        self._began_s = company.clock.monotonic_s()
        self._reference: ReferenceData | None = None
        self._worklist: step3.Worklist | None = None
        self._recorder: step5.Recorder | None = None
        self._ahead: tuple[int, asyncio.Task[_Page]] | None = None  # the page's number, and its preparation
        self._told: FinalEvent | None = None
        self.deadline = Deadline(company.pleo, company.clock, job_id)
        self._reporter = step6.Reporter(
            company.pleo,
            company.clock,
            job_id,
            self.deadline,
            items_per_update=company.items_per_update,
            quiet_s_max=company.quiet_s_max,
        )

    async def start(self) -> Json:
        paused = await self.company.pauses.of(self.company.company_id) is not None
        job = await step1.start(self.company.pleo, self.job_id, paused=paused)
        if note := step1.nothing_to_start(job, paused=paused):
            return {"note": note, "completed": job.status == JobStatus.COMPLETED, "items": job.number_of_items}
        self._started_here = job.status == JobStatus.PENDING
        self.deadline.learned(job)
        if self._started_here:
            self.deadline.acted()
        return {
            "note": None,
            "resumed": job.status == JobStatus.IN_PROGRESS,
            "vendor_based": job.vendor_based_bookkeeping,
            "company_id": job.company_id,
            "items": job.number_of_items,
        }

    def job_is(self, started: Json) -> None:
        self.rules = replace(self.company.rules, vendor_based=started["vendor_based"])
        self.job_company_id, self._resumed = started["company_id"], started["resumed"]
        self._items_announced, self.is_ours = started["items"], True
        metrics.job_expires(self.company.company_id, lambda: self.deadline.left_s)
        self.recording.started(items=started["items"], left_s=lambda: self.deadline.left_s)

    async def validate(self) -> Json:
        company = self.company
        try:
            self._reference = await step2.validate(
                company.books,
                self.rules,
                company.clock,
                company_id=company.company_id,
                job_company_id=self.job_company_id,
            )
        except (AccountingError, SettingsError) as error:
            return await self._blocked(error)
        return {"event": None}

    async def page(self, number: int, after: str | None) -> Json:
        try:
            async with self._reporter.kept_alive(lambda: self._worklist):
                return await self._page(number, after)
        except JobStatusUnprocessable:
            return {"note": str(JobOver(await self.company.pleo.job(self.job_id)))}
        except JobOver as over:
            return {"note": str(over)}

    async def _page(self, number: int, after: str | None) -> Json:
        try:
            worklist = await self._items()
            if not worklist:
                return {"note": None, "next": None, "event": None}
            page = await self._prepared(number, after)
            self._reporter.known = [*page.failed, *page.prepared.results]
            if page.data.next_cursor is not None:
                ahead = asyncio.create_task(self._prepare(number + 1, page.data.next_cursor))
                self._ahead = (number + 1, ahead)
            recorder = await self._records()
            planned = {key.entry_id: each.entry for key, each in page.prepared.bookings.items()}
            self.recording.planned(page.data.items, planned)
            await self.deadline.require_open()
            await self._report([*page.failed, *await recorder.record(page.prepared)])
            while page.data.next_cursor is None and worklist:
                await self._report(step4.without_data(worklist.first(self.company.page_size)))
        except MissingContraAccounts as error:
            return {"note": None, "next": None, **await self._blocked(error)}
        return {"note": None, "next": page.data.next_cursor, "event": None}

    async def decide(self) -> Json:
        # The text quotes an item's reason, which may name a person: it is told to Pleo and never kept.
        return _json(replace(step7.decide((await self._items()).tally), text=None))

    async def complete(self, final: FinalEvent) -> Json:
        # Nobody can have sent it before, unless this job was started by another process or this step is repeated.
        maybe_sent = not self._started_here or self._told is not None or self.deadline.left_s <= 0
        self._told = final
        if self.company.books.capabilities.hands_over and final.event is not JobEvent.FAILED:  # else nothing is new
            await cast("HandsOver", self.company.books).finish(self.job_company_id, self.job_id)
        try:
            if maybe_sent and await step7.was_completed(self.company.pleo, self.job_id, final):
                return {"note": None}
            if final.event is JobEvent.FAILED and final.text is None:
                self._told = final = replace(final, text=step7.decide((await self._items()).tally).text)
            await step7.complete(self.company.pleo, self.job_id, final)
        except JobEventConflict as error:
            return {"note": str(error)}
        return {"note": None}

    def report(self, final: FinalEvent | None, note: str | None) -> JobReport:
        worklist = step3.Worklist() if self._worklist is None else self._worklist
        tally = worklist.tally
        return JobReport(
            job_id=self.job_id,
            event=final and (self._told or final),
            items=tally.items + len(worklist) or self._items_announced,
            successful=tally.successful,
            failed=tally.failed,
            seconds=self.company.clock.monotonic_s() - self._began_s,
            note=note,
        )

    async def aclose(self) -> None:
        """Drop the page prepared ahead, if any.

        Repeat: safe.
        """
        if self._ahead is None:
            return
        (_, ahead), self._ahead = self._ahead, None
        # A connection cut while it opens is lost to its pool: what is under way gets a moment to end by itself.
        await asyncio.wait({ahead}, timeout=CLOSING_S)
        ahead.cancel()
        with contextlib.suppress(asyncio.CancelledError, TallybookError):
            (await ahead).prepared.discard()

    async def _items(self) -> step3.Worklist:
        if self._worklist is None:
            self._worklist = await step3.worklist(
                self.company.pleo, self.job_id, page_size=self.company.page_size, announced=self._items_announced
            )
            listed = self._worklist.tally.items + len(self._worklist)
            if listed != self._items_announced:  # the list is what can be reported on; that they differ is worth a look
                log.warning("item_count_differs", job_id=self.job_id, announced=self._items_announced, listed=listed)
        return self._worklist

    async def _records(self) -> step5.Recorder:
        if self._recorder is None:
            known = self._reference or await self.company.books.reference_data()
            self._recorder = recorder(self.company, self.job_id, self.rules, known)
        return self._recorder

    async def _prepared(self, number: int, after: str | None) -> "_Page":
        """Give the page prepared ahead; without it (the first, a step repeated, a run taken up) prepare it now."""
        if self._ahead is not None and self._ahead[0] == number:
            (_, ahead), self._ahead = self._ahead, None
            page = await ahead
        else:
            await self.aclose()  # of the page after this one, from an attempt at this step that did not succeed
            page = await self._prepare(number, after)
        worklist = await self._items()
        page.prepared.keep(worklist)
        # Like the prepared ones: an entry booked from an earlier page is not reported as failed for a broken copy.
        page.failed = [result for result in page.data.failed if result.entry_id in worklist]
        return page

    async def _prepare(self, number: int, after: str | None) -> "_Page":
        data = await step4.fetch(
            self.company.pleo,
            self.job_id,
            company_id=self.company.company_id,
            after=after,
            page_size=self.company.page_size,
            wanted=await self._items(),
        )
        links = FreshLinks(self.company.pleo, self.job_id, after=after, page_size=self.company.page_size)
        return _Page(data, await (await self._records()).prepare(data.items, str(number), links))

    async def _report(self, results: Sequence[ItemResult]) -> None:
        worklist = await self._items()
        await self._reporter.report(worklist, results)
        tally = worklist.tally
        told = Progress(self.job_id, tally.items + len(worklist), tally.successful, tally.failed)
        self.recording.reported(results, items=told.items, successful=told.successful, failed=told.failed)
        self.progress(told)

    async def _blocked(self, error: TallybookError) -> Json:
        """End a job that cannot go on: as a whole if nothing was exported, else by failing what is left of it."""
        untouched = not self._resumed and self._worklist is None  # a job just started: no need to read its items
        worklist = step3.Worklist() if untouched else await self._items()
        if not worklist.tally.successful:
            return _json(step7.blocked(error))
        while worklist:
            await self._report([failed(entry_id, error) for entry_id in worklist.first(self.company.page_size)])
        return await self.decide()


def recorder(company: Company, job_id: str, rules: Rules, known: ReferenceData) -> step5.Recorder:
    """Make step 5 for a job; `rules` are the job's own, `known` is what the books know."""
    return step5.Recorder(
        writer=EntryWriter(
            company.books, company.journal, books=company.books_name, job_id=job_id, clock=company.clock
        ),
        rules=rules,
        known=Books(known),
        receipts=company.receipts,
        spool=company.spool / job_id,
        clock=company.clock,
        on_changed=company.on_changed,
    )


@dataclass(slots=True)
class _Page:
    data: step4.DataPage
    prepared: step5.Prepared
    failed: Sequence[ItemResult] = ()


def _json(final: FinalEvent) -> Json:
    return {"event": final.event.value, "reason": final.reason and final.reason.value, "text": final.text}


def _event(result: Json) -> FinalEvent | None:
    if result["event"] is None:
        return None
    reason = result["reason"]
    return FinalEvent(JobEvent(result["event"]), reason and JobFailureReason(reason), result["text"])
