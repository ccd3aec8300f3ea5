"""The console's pages of jobs in Chromium: watched live, read to the last line, and hostile words shown as words."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from tallybook.accounting.entry import (
    Details,
    Dimension,
    Document,
    DocumentKind,
    Entry,
    EntryKey,
    Line,
    LineRole,
    PostingState,
)
from tallybook.clock import SystemClock
from tallybook.history.recorder import Recorder
from tallybook.history.recording import JobRecording, pleo_called
from tallybook.outcome import FinalEvent, ItemResult
from tallybook.pleo.client import CallRecord
from tallybook.pleo.models import ItemFailureReason, JobEvent, JobFailureReason
from tallybook.sandbox import server
from tallybook.store.database import Database
from tests.browser.chromium import Accessible, Screenshot
from tests.flow.conftest import Stage
from tests.serve.conftest import TOKEN, Served, starting

HOSTILE = "<script>alert(1)</script>\N{RIGHT-TO-LEFT OVERRIDE}\N{PILE OF POO}" + "x" * 1500


@dataclass
class Console:
    """A server with its console, the company it exports for, and its database."""

    stage: Stage
    served: Served
    database: Database

    @property
    def company_id(self) -> str:
        return self.stage.settings().pleo.company_id.lower()

    def export(self, sound: int, broken: int = 0) -> str:
        """Press Export in Pleo for so many new expenses and wake the server; returns the job's id."""
        self.stage.add(*[{}] * sound, *[{"accountingEntryLines": []}] * broken)
        job = self.stage.press_export(vendor_based=True)
        self.served.post("/run", token=TOKEN)
        return job

    def wait_until_ended(self, job: str) -> None:
        self.served.worker.wait_for("job_ended", job_id=job)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One server for all tests of the module."""
    folder = tmp_path_factory.mktemp("console")
    database = Database(f"sqlite:///{folder}/serve.sqlite")
    with server.running(world="empty") as pleo, starting(folder) as start:
        stage = Stage(pleo, folder)
        stage.found()
        yield Console(stage, start(stage.place.config, TALLYBOOK_PLEO_PAGE_SIZE="10"), database)
        stage.http.close()


class PastClock(SystemClock):
    """Some days ago."""

    def __init__(self, days: int) -> None:
        self.days = days

    def now(self):  # type: ignore[no-untyped-def]  # noqa: ANN201 - as the system's
        return super().now() - timedelta(days=self.days)


def entry(number: int) -> Entry:
    """An entry whose codes are hostile."""
    return Entry(
        key=EntryKey("c" * 36, str(UUID(int=number))),
        content_hash="0" * 64,
        documents=(
            Document(
                DocumentKind.JOURNAL_ENTRY,
                "SEK",
                (
                    Line(HOSTILE, 1234567, LineRole.COST, "25", dimensions=(Dimension("CC", HOSTILE),)),
                    Line("2990", -1234567, LineRole.COUNTER),
                ),
            ),
        ),
        posting_on=date(2026, 3, 1),
        original_on=date(2026, 3, 1),
        posting=PostingState.DRAFT,
        details=Details("", "", "card_purchase"),
    )


@pytest.fixture(scope="module")
def past(console: Console) -> str:
    """A month of jobs in the database, the newest with 120 items of which some are hostile; returns that one's id."""
    with closing(_Connections(console.database)) as connections:
        for number in range(40):
            recorder = Recorder(connections.made, PastClock(number % 20 + 1), keep_days=90)
            job_id = str(UUID(int=2**100 + number))
            with JobRecording(recorder, console.company_id, job_id) as job:
                job.started(items=1, left_s=lambda: 3600.0)
                event = (JobEvent.COMPLETED, JobEvent.COMPLETED_WITH_ERRORS, JobEvent.FAILED)[number % 3]
                reason = JobFailureReason.VALIDATION_FAILURE if event is JobEvent.FAILED else None
                job.ended(FinalEvent(event, reason), note=None, goes_on=False)
            recorder.close()
        recorder = Recorder(connections.made, SystemClock(), keep_days=90)
        job_id = str(UUID(int=2**101))
        results = [
            ItemResult(str(UUID(int=number)), HOSTILE, external_url="javascript:alert(1)")
            if number
            else ItemResult(str(UUID(int=0)), reason=ItemFailureReason.ACCOUNT_UNKNOWN, text="told to Pleo only")
            for number in range(120)
        ]
        with JobRecording(recorder, console.company_id, job_id) as job:
            for _ in range(150):
                pleo_called(CallRecord("update_items", 200, 1, 0.1, None))
            pleo_called(CallRecord("update_items", None, 2, 30.0, "PleoTimeout"))
            job.planned((), {result.entry_id: entry(1) for result in results})
            job.reported(results, items=120, successful=119, failed=1)
            job.ended(FinalEvent(JobEvent.COMPLETED_WITH_ERRORS), note=None, goes_on=False)
        recorder.close()
    return job_id


class _Connections:
    """Connections beside the server's, to fill its database."""

    def __init__(self, database: Database) -> None:
        self.made = database.connect()

    def close(self) -> None:
        self.made.dispose()


def test_a_job_is_watched_from_its_start_to_its_end_without_a_reload(
    page: Page, console: Console, screenshot: Screenshot
) -> None:
    """It appears in the list, runs with its step, progress and time left, is completed, and stands in the charts."""
    page.goto(f"{console.served.address}/jobs")
    page.evaluate("window.notReloaded = true")
    shown = page.locator("#charts").get_attribute("hx-get")
    console.stage.call("POST", "/latency", {"ms": 300})
    job = console.export(40)
    row = page.get_by_role("row").filter(has=page.locator(f"#job-{job}"))
    expect(row).to_contain_text("Running")
    expect(row).to_contain_text("page")
    expect(row.get_by_role("progressbar")).to_be_visible()
    expect(row).to_contain_text("min")
    screenshot("console-jobs-running")
    console.stage.call("POST", "/latency", {"ms": 0})
    expect(row).to_contain_text("Completed")
    expect(row).to_contain_text("40 of 40")
    expect(page.locator("#charts")).not_to_have_attribute("hx-get", shown or "", timeout=15_000)
    assert page.evaluate("window.notReloaded")
    drawn = page.locator("#charts").get_attribute("hx-get")
    assert console.served.get(drawn or "").status_code == 204  # nothing has ended since
    console.wait_until_ended(job)


def test_the_page_of_a_running_job_becomes_that_of_an_ended_one_by_itself(page: Page, console: Console) -> None:
    """Its steps go on, and at the end its items and the final event are there."""
    console.stage.call("POST", "/latency", {"ms": 300})
    job = console.export(15)
    page.goto(f"{console.served.address}/jobs")
    page.locator(f"#job-{job}").click()
    expect(page.get_by_text("None was sent yet.")).to_be_visible()
    expect(page.locator("[aria-current=step]").first).to_be_visible()
    console.stage.call("POST", "/latency", {"ms": 0})
    expect(page.get_by_role("region", name="The final event")).to_contain_text('"event": "completed"')
    expect(page.get_by_role("region", name="Items").locator("> table > tbody > tr")).to_have_count(15)
    console.wait_until_ended(job)


def test_a_job_shows_its_steps_calls_items_lines_links_and_its_final_event(
    page: Page, console: Console, accessible: Accessible, screenshot: Screenshot
) -> None:
    """Everything that a bookkeeper asks about a job that ended with errors, by clicking through it."""
    job = console.export(8, broken=2)
    console.wait_until_ended(job)
    page.goto(f"{console.served.address}/jobs")
    page.locator(f"#job-{job}").click()
    expect(page.get_by_text("Completed with errors", exact=True)).to_be_visible()
    steps = page.get_by_role("region", name="The seven steps").get_by_role("row")
    for number in range(1, 8):
        expect(steps.nth(number)).to_contain_text("done")
    expect(page.get_by_role("region", name="The final event")).to_contain_text('"event": "completed_with_errors"')
    page.get_by_text("As recorded").first.click()
    lines = page.get_by_role("table").filter(has_text="Debit").last
    expect(lines.get_by_role("row").nth(1)).to_be_visible()
    page.get_by_role("link", name="Open in Pleo").first.click()
    expect(page.get_by_role("heading", name="Its way through exports")).to_be_visible()
    page.go_back()
    screenshot("console-job")
    accessible(page)
    page.get_by_role("link", name="Failed").click()
    expect(page.get_by_role("region", name="Items").locator("> table > tbody > tr")).to_have_count(2)
    page.get_by_role("link", name="All").last.click()
    page.locator("#calls").click()
    calls = page.get_by_role("region", name="Calls")
    expect(calls).to_contain_text("send the job's event")
    expect(calls.get_by_role("row").filter(has_text="5 Record in the books").first).to_contain_text("the books")
    accessible(page)


def test_words_from_books_are_shown_as_words_and_their_links_lead_to_no_script(
    page: Page, console: Console, past: str, accessible: Accessible
) -> None:
    """Numbers, accounts and tags with HTML, a right-to-left mark and 1500 characters; a link that is a script."""
    page.goto(f"{console.served.address}/jobs/{past}?items=booked")
    page.get_by_text("As recorded").first.click()
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    assert page.locator("a[href^=javascript]").count() == 0
    expect(page.get_by_text("12,345.67").or_(page.get_by_text("12345.67")).first).to_be_visible()
    accessible(page)


def test_items_and_calls_are_turned_page_by_page(page: Page, console: Console, past: str) -> None:
    """Fifty items, then fifty, then the rest; a hundred calls, then the rest with the one that failed."""
    page.goto(f"{console.served.address}/jobs/{past}")
    rows = page.get_by_role("region", name="Items").locator("> table > tbody > tr")
    for count in (50, 50, 20):
        expect(rows).to_have_count(count)
        if count == 50:
            page.get_by_role("link", name="More items").click()
    page.get_by_role("link", name="First items").click()
    expect(rows).to_have_count(50)
    page.locator("#calls").click()
    page.get_by_role("link", name="Later calls").click()
    expect(page.get_by_role("row").filter(has_text="PleoTimeout")).to_contain_text("no answer")
    page.get_by_role("link", name="Earlier calls").click()
    expect(page.get_by_role("region", name="Calls").locator("tbody tr")).to_have_count(100)


def test_the_list_is_filtered_turned_and_charted(
    page: Page, console: Console, past: str, accessible: Accessible, screenshot: Screenshot
) -> None:
    """By state, with the keyboard; older jobs on the next page; a month in two charts with their tables."""
    assert past
    page.goto(f"{console.served.address}/jobs")
    expect(page.get_by_role("img", name="Jobs that ended")).to_be_visible()
    expect(page.get_by_role("img", name="How long jobs took")).to_be_visible()
    page.get_by_text("Jobs that ended as a table").click()
    expect(page.get_by_role("region", name="Jobs that ended as a table")).to_contain_text("Completed with errors")
    screenshot("console-jobs")
    accessible(page)
    page.get_by_role("link", name="Older jobs").click()
    expect(page.get_by_role("link", name="Newest")).to_be_visible()
    page.goto(f"{console.served.address}/jobs")
    page.get_by_label("State").focus()
    page.keyboard.type("Failed")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    states = page.get_by_role("region", name="Jobs").locator("tbody tr td:nth-child(3)")
    expect(states).to_have_count(13)
    assert {text.strip().split("\n")[0] for text in states.all_inner_texts()} == {"Failed"}


@pytest.mark.parametrize("path", ["/jobs/unknown", f"/jobs/{UUID(int=5)}/calls", "/jobs/%00/standing"])
def test_an_unknown_job_is_a_page_that_says_so(page: Page, console: Console, path: str) -> None:
    """With 404 and the way back."""
    answer = page.goto(console.served.address + path)
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("link", name="Back to the first page")).to_be_visible()


@pytest.mark.parametrize(
    "query",
    ["?state=x&company=y&before=z", "?before=9999-12-31T00:00:00%2B00:00%20%00", "?before=2026-01-01", "?state=%FF"],
)
def test_a_mistyped_address_shows_the_list(page: Page, console: Console, query: str) -> None:
    """What is no company, no state and no mark is passed over."""
    answer = page.goto(f"{console.served.address}/jobs{query}")
    assert answer is not None
    assert answer.status == 200
    assert console.served.get(f"/jobs/unknown/calls?skip={'9' * 5000}").status_code == 404
