"""Accounting systems less well-behaved than the embedded book: each keeps its entries in a real one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from tallybook import app
from tallybook.accounting.entry import Attachment, Entry, EntryKey, Recorded
from tallybook.accounting.errors import (
    AccountingAuthenticationFailed,
    AccountingError,
    AccountingTimeout,
    AttachmentNotStored,
    EntryRejected,
)
from tallybook.accounting.system import AccountingSystem, Capabilities, Need, ReferenceData, Refused
from tallybook.adapters.book.database import opened
from tallybook.outcome import JobReport
from tests.flow.conftest import Stage


class OtherSystem:
    """An accounting system that keeps its entries in a book, call for call; subclasses have habits of their own."""

    capabilities = Capabilities(batch_size=100)

    def __init__(self, book: AccountingSystem) -> None:
        self.book = book

    async def check_ready(self, need: Need) -> None:
        await self.book.check_ready(need)

    async def reference_data(self) -> ReferenceData:
        return await self.book.reference_data()

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        return await self.book.find(keys)

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        return await self.book.record(entries)

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        return await self.book.attach(files)

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        return await self.book.post(entries)

    async def aclose(self) -> None:
        await self.book.aclose()


def run(stage: Stage, system: Callable[[AccountingSystem], AccountingSystem], job: str | None = None) -> JobReport:
    """Run what is pending with another accounting system in the book's place."""

    async def exports() -> list[JobReport]:
        async with app.company(stage.settings(), clock=stage.clock) as company:
            other = replace(company, books=system(company.books))
            return await app.export_pending(other, job_id=job)

    (report,) = asyncio.run(exports())
    return report


class AnswersTooLate(OtherSystem):
    """Writes, and its answer never comes."""

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        await self.book.record(entries)
        raise AccountingTimeout("The accounting system did not answer in time")


def test_a_write_whose_answer_is_lost_is_found_and_not_repeated(stage: Stage) -> None:
    """Every entry is in the books once and is reported with its number."""
    stage.found(12)
    stage.press_export()
    report = run(stage, AnswersTooLate)
    assert (report.successful, report.failed) == (12, 0)
    assert len(stage.booked()) == 12


class LosesItsSessionAfterHalf(OtherSystem):
    """Writes half of a batch and then no longer accepts the credentials it accepted before, once."""

    lost = False

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        if self.lost:
            return await self.book.record(entries)
        self.lost = True
        await self.book.record(entries[: len(entries) // 2])
        raise AccountingAuthenticationFailed("The session has ended")


def test_what_was_written_before_a_failure_of_the_whole_system_is_reported_as_written(stage: Stage) -> None:
    """No entry that is in the books is reported as failed without having been searched for."""
    stage.found(12)
    stage.press_export()
    report = run(stage, LosesItsSessionAfterHalf)
    successful = {entry for entry, outcome in stage.outcomes().items() if outcome["status"] == "successful"}
    assert successful == {entry for entry, _ in stage.booked()}
    assert (report.successful, report.failed) == (6, 6)


class SmallBatches(OtherSystem):
    """Takes four entries a call and refuses more, as its capabilities say."""

    capabilities = Capabilities(batch_size=4)

    def _fit(self, count: int) -> None:
        if count > self.capabilities.batch_size:
            raise AccountingError(f"A call takes 4 entries, not {count}")

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        self._fit(len(keys))
        return await super().find(keys)

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        self._fit(len(entries))
        return await super().record(entries)

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        self._fit(len(entries))
        return await super().post(entries)


def test_no_call_carries_more_entries_than_the_accounting_system_takes(stage: Stage) -> None:
    """Searching and posting go in batches as recording does."""
    stage.found(10)
    stage.changes = {"books": {"posting": "posted"}}
    stage.press_export()
    report = run(stage, SmallBatches)
    assert (report.successful, report.failed) == (10, 0)


class CannotSearch(OtherSystem):
    """Keeps no reference to search by: nobody can ask it what it has, and what is sent twice is there twice."""

    capabilities = Capabilities(can_find=False)
    writes: list[EntryKey]
    late = False

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        raise NotImplementedError

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        self.writes += [entry.key for entry in entries]
        answers = await self.book.record(entries)
        if self.late:
            raise AccountingTimeout("The accounting system did not answer in time")
        return answers


@pytest.fixture
def cannot_search() -> type[CannotSearch]:
    return type("CannotSearchHere", (CannotSearch,), {"writes": []})


def test_an_accounting_system_that_cannot_search_is_not_asked_to(
    stage: Stage, cannot_search: type[CannotSearch]
) -> None:
    """A job runs to its end all the same."""
    stage.found(5)
    stage.press_export()
    assert run(stage, cannot_search).successful == 5


def test_a_doubtful_write_that_cannot_be_searched_for_says_so(stage: Stage, cannot_search: type[CannotSearch]) -> None:
    """The bookkeeper is told to look in the books before exporting again; nothing is written a second time."""
    cannot_search.late = True
    stage.found(3)
    stage.press_export()
    report = run(stage, cannot_search)
    assert report.failed == 3
    assert len(cannot_search.writes) == 3
    for outcome in stage.outcomes().values():
        assert outcome["failureReasonType"] == "accounting_system_timeout"
        assert "may be in the books" in outcome["failureReason"]


def test_what_an_earlier_run_wrote_and_could_not_report_is_linked_though_nobody_can_search_for_it(
    stage: Stage, cannot_search: type[CannotSearch]
) -> None:
    """The posting journal remembers the number; nothing is written a second time."""
    stage.found(3)
    job = stage.press_export()
    stage.call("POST", "/faults", {"operation": "updateExportJobItemsV3", "kind": "reset", "phase": "before"})
    stage.call("POST", "/faults", {"operation": "updateExportJobItemsV3", "kind": "status", "times": 9})
    assert run(stage, cannot_search, job).event is None
    stage.http.delete("/_sandbox/faults")
    report = run(stage, cannot_search, job)
    assert report.successful == 3
    assert len(cannot_search.writes) == 3
    assert {(entry, outcome["externalId"]) for entry, outcome in stage.outcomes().items()} == set(stage.booked())


class AnswersTwice(OtherSystem):
    """Repeats itself, and answers for entries nobody asked about."""

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        answers = [answer for answer in await self.book.record(entries) if isinstance(answer, Recorded)]
        stranger = replace(answers[0], key=EntryKey(answers[0].key.company_id, "0" * 8))
        return [*answers, *answers, stranger]

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        found = dict(await self.book.find(keys))
        return found | {EntryKey(key.company_id, key.company_id): recorded for key, recorded in found.items()}


def test_answers_nobody_asked_for_are_passed_over(stage: Stage) -> None:
    """Each entry has one result, and no stranger is reported."""
    stage.found(3)
    stage.press_export()
    report = run(stage, AnswersTwice)
    assert (report.items, report.successful) == (3, 3)


class PostsNothing(OtherSystem):
    """Posts, and answers with silence."""

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        await super().post(entries)
        return []


def test_an_entry_that_was_not_posted_is_not_reported_as_if_pleo_had_sent_no_data(stage: Stage) -> None:
    """It fails for what it is, and the next export finds it posted: the accounting system gave no answer."""
    stage.add({})
    stage.changes = {"books": {"posting": "posted"}}
    stage.press_export()
    report = run(stage, PostsNothing)
    assert report.failed == 1
    (outcome,) = stage.outcomes().values()
    assert "no answer" in outcome["failureReason"]


class RefusesAfterRecording(OtherSystem):
    """Records, and then takes no files and posts nothing, until it is mended."""

    mended = False

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        if self.mended:
            return await super().attach(files)
        return [Refused(recorded.key, AttachmentNotStored("The archive is full")) for recorded, _ in files]

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        if self.mended:
            return await super().post(entries)
        return [Refused(recorded.key, EntryRejected("The journal is locked")) for recorded in entries]


def test_what_failed_after_it_was_recorded_is_completed_by_the_next_export(stage: Stage) -> None:
    """The draft is found, gets its receipts and is posted; nothing is booked twice."""
    stage.found(8)
    stage.changes = {"books": {"posting": "posted"}}
    stage.press_export()
    assert run(stage, RefusesAfterRecording).failed == 8
    booked = stage.booked()
    stage.press_export(only_failed=True)
    mended = type("Mended", (RefusesAfterRecording,), {"mended": True})
    assert run(stage, mended).successful == 8
    assert stage.booked() == booked


class Wordless(OtherSystem):
    """Fails without a word."""

    async def check_ready(self, need: Need) -> None:
        await super().check_ready(need)
        raise AccountingError


def test_a_wordless_failure_of_the_accounting_system_still_ends_the_job(stage: Stage) -> None:
    """Pleo takes no `failed` without a reason, so one is given."""
    stage.add({})
    job = stage.press_export()
    report = run(stage, Wordless, job)
    assert report.event is not None
    assert stage.job(job)["failureReason"]


def test_a_changed_entry_that_is_linked_gets_the_receipts_it_never_had(stage: Stage) -> None:
    """`books.on_changed = "link"` takes the booking as it is; that its receipt was not taken then is no part of it."""
    (entry,) = stage.add({"files": [{"receipt": 0}]})
    stage.press_export()
    assert run(stage, RefusesAfterRecording).failed == 1
    stage.call("PATCH", f"/expenses/{entry}", {"note": "Dinner"})
    stage.changes = {"books": {"on_changed": "link"}}
    assert stage.export(only_failed=True).successful == 1
    with opened(stage.place.book) as book:
        assert book.value("SELECT COUNT(*) FROM attachments") == 1
