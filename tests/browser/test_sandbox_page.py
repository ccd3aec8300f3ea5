"""The sandbox's export page, clicked through in Chromium as a bookkeeper does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tallybook.sandbox.server import SandboxAddress, running
from tests.browser.chromium import PHONE, WIDE, Accessible, Screenshot
from tests.flow.conftest import Stage

HOSTILE = "<img src=x onerror=alert(1)>\u202e" + "long " * 2000
WITHOUT_BLANKS = "x" * 10_000


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxAddress]:
    """One sandbox for all tests; each founds its own world in it."""
    with running(world="empty") as address:
        yield address


@pytest.fixture
def stage(sandbox: SandboxAddress, tmp_path: Path) -> Iterator[Stage]:
    """The sandbox with an empty company, and a book with settings for Tallybook."""
    made = Stage(sandbox, tmp_path)
    made.found()
    yield made
    made.http.close()


class Integration:
    """Somebody else's integration, which takes a job step by step."""

    def __init__(self, stage: Stage) -> None:
        world = stage.call("GET", "/world")
        self._http = stage.http
        self._headers = {"authorization": f"Bearer {world['accessToken']}"}
        self.job: str = stage.call("GET", "/jobs")["data"][-1]["id"]

    def event(self, event: str) -> None:
        """Send an event."""
        body = {"jobId": self.job, "event": event}
        assert self._http.post("/v3/export-job-events", headers=self._headers, json=body).is_success

    def update(self, *updates: dict[str, Any]) -> None:
        """Report results."""
        path = f"/v3/export-jobs/{self.job}/items"
        assert self._http.put(path, headers=self._headers, json=list(updates)).is_success


# Words of up to 15 letters that stand on more than one line.
BROKEN_WORDS = r"""() => {
    const broken = [], texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    for (let text; (text = texts.nextNode()); ) {
        if (!text.parentElement.checkVisibility() || text.parentElement.closest(".unseen, code")) continue;
        for (const word of text.data.matchAll(/(?<![\p{L}\p{N}])[\p{L}\p{N}]{1,15}(?![\p{L}\p{N}])/gu)) {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) broken.push(word[0]);
        }
    }
    return broken;
}"""

MENDED = {
    "account_unknown": ("Category", "3110"),
    "missing_configuration": ("Category", "3640"),
    "tax_code_unknown": ("Tax code", "I25"),
    "tag_unknown": ("Cost centre", "120"),
    "vendor_unknown": ("Vendor", "V1011"),
}  # what is chosen for each reason


def click(page: Page, name: str) -> None:
    """Click the first button or link of that name, as a person reads it."""
    page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name)).first.click()


def test_export_review_mend_and_export_again(
    page: Page, stage: Stage, accessible: Accessible, screenshot: Screenshot
) -> None:
    """Eighteen expenses of which six are in trouble, with the real Tallybook behind: in the end all are in the book."""
    stage.found(18, troubles=True)
    exporting = ThreadPoolExecutor(1)  # Playwright's loop has this thread
    page.goto(stage.url)
    click(page, "Select all on this page")
    expect(page.locator("input[name=entry]:checked")).to_have_count(18)
    accessible(page)
    click(page, "Move to the export queue")
    expect(page.get_by_role("status")).to_have_text("18 expenses were moved to the export queue.")
    click(page, "Export the queue")
    accessible(page)
    exporting.submit(stage.run).result()

    expect(page.locator("#export h2")).to_have_text("Export completed with errors")  # nobody loaded the page again
    expect(page.locator("#count-exported")).to_have_text("12")
    expect(page.get_by_text("The export queue is empty")).to_be_visible()
    screenshot("sandbox-completed-with-errors")
    click(page, "Review errors")
    expect(page.locator("article")).to_have_count(6)
    accessible(page)
    screenshot("sandbox-review-errors")
    for reason, (label, choice) in MENDED.items():
        failed = page.locator("article").filter(has=page.locator("code", has_text=reason))
        failed.get_by_role("link", name="Mend").click()
        failed.get_by_label(label).select_option(choice)
        failed.get_by_role("button", name="Save the changes").click()
        expect(page.get_by_role("status")).to_have_text("The expense was changed.")
    closed = page.locator("article").filter(has_text="closed")
    closed.get_by_role("link", name="Mend").click()
    closed.get_by_label("Date").fill("2026-10-27")
    accessible(page)
    closed.get_by_role("button", name="Save the changes").click()
    expect(page.locator("article input:checked")).to_have_count(6)
    click(page, "Export the selected again")
    exporting.submit(stage.run).result()

    expect(page.locator("#export h2")).to_have_text("Export completed")
    expect(page.locator("#count-exported")).to_have_text("18")
    exporting.shutdown()
    assert len(stage.booked()) == 18
    click(page, "History")
    expect(page.locator("tbody tr")).to_have_count(2)
    accessible(page)
    page.locator("tbody a").first.click()
    expect(page.locator("tbody tr")).to_have_count(6)
    assert page.locator("form").count() == 0  # a finished job is final
    accessible(page)
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", name="Its way through exports")).to_be_visible()
    page.locator("summary").click()
    page.locator("img.receipt").first.scroll_into_view_if_needed()
    accessible(page)
    screenshot("sandbox-expense")


def test_job_under_way_is_followed_by_its_events_only(page: Page, stage: Stage) -> None:
    """Progress moves while the page stays; results and outcome come with the final event, and with no loading."""
    first, second = stage.add({"supplier": {"name": "Fjordnet"}}, {"supplier": {"name": "Papirgården"}})
    stage.press_export()
    page.goto(f"{stage.url}/?lane=queue")
    export = page.locator("#export")
    expect(export).to_contain_text("0 of 2 dealt with")
    integration = Integration(stage)
    integration.event("started")
    expect(export.locator("h2")).to_have_text("Exporting")
    integration.update({"accountingEntryId": first, "status": "failed", "failureReason": "The books are odd."})
    expect(export).to_contain_text("1 of 2 dealt with")
    assert "odd" not in page.content()
    integration.update({"accountingEntryId": second, "status": "successful", "externalId": "JE-1"})
    integration.event("completed_with_errors")
    expect(export).to_contain_text("1 of 2 expenses exported, 1 failed.")
    expect(page.locator("#lane")).to_contain_text("0 expenses")
    click(page, "Review errors")
    expect(page.locator("article")).to_contain_text("The books are odd.")


def test_page_of_a_job_shows_its_results_when_it_ends(page: Page, stage: Stage) -> None:
    """One who waits there sees the outcome and the number in the books without loading the page again."""
    (entry,) = stage.add({"supplier": {"name": "Fjordnet"}})
    job = stage.press_export()
    page.goto(f"{stage.url}/jobs/{job}")
    integration = Integration(stage)
    integration.event("started")
    expect(page.locator("#export h2")).to_have_text("Exporting")
    integration.update({"accountingEntryId": entry, "status": "successful", "externalId": "JE-10045"})
    integration.event("completed")
    expect(page.locator("#export h2")).to_have_text("Export completed")
    expect(page.locator("tbody")).to_contain_text("JE-10045")


def test_open_page_learns_of_an_export_begun_elsewhere(page: Page, stage: Stage) -> None:
    """An automation starts a job while the bookkeeper looks on."""
    stage.add({"supplier": {"name": "Fjordnet"}})
    page.goto(stage.url)
    stage.press_export()
    expect(page.locator("#export h2")).to_have_text("Waiting to be started", timeout=15_000)
    expect(page.locator("#count-queue")).to_have_text("1")


def test_selection_survives_the_end_of_an_export(page: Page, stage: Stage) -> None:
    """What a bookkeeper has ticked stays ticked when the lane learns what came back to it."""
    exporting, other = stage.add({"supplier": {"name": "Fjordnet"}}, {"supplier": {"name": "Papirgården"}})
    stage.call("POST", "/queue", {"entryIds": [exporting]})
    stage.press_export()
    page.goto(stage.url)
    page.get_by_label("Select Papirgården, 100.00 DKK").check()
    Integration(stage).event("failed")
    expect(page.locator("tbody tr")).to_have_count(2)
    assert page.locator("input[name=entry]:checked").get_attribute("value") == other


def test_filter_by_a_day_outlasts_the_end_of_an_export_and_bounds_what_moves(page: Page, stage: Stage) -> None:
    """The lane learns what came back to it and shows no other day; "Move all" moves what is shown."""
    early, late = "2026-09-20T08:00:00Z", "2026-10-20T08:00:00Z"
    (exporting, *_) = stage.add({"date": early}, {"date": early}, {"date": late}, {"date": late})
    stage.call("POST", "/queue", {"entryIds": [exporting]})
    stage.press_export()
    page.goto(f"{stage.url}/?to=2026-09-25")
    expect(page.locator("tbody tr")).to_have_count(1)
    Integration(stage).event("failed")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("#lane")).to_contain_text("Not exported last time")
    click(page, "Move all 2")
    expect(page.get_by_text("2 expenses were moved to the export queue.")).to_be_visible()
    expect(page.locator("#count-unexported")).to_have_text("2")


def test_filter_follows_the_typing_and_the_back_button(page: Page, stage: Stage) -> None:
    """The lane changes while one types; the address does too, so that going back shows what was before."""
    stage.add({"supplier": {"name": "Fjordnet"}}, {"supplier": {"name": "Papirgården"}, "files": [{"receipt": 1}]})
    page.goto(stage.url)
    page.get_by_label("Search").press_sequentially("papir", delay=10)
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.get_by_label("Search").input_value() == "papir"
    page.get_by_label("Receipt is missing").check()
    expect(page.locator("#lane")).to_contain_text("No expense here matches.")
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("heading", name="Export", exact=True)).to_be_visible()


def test_page_works_with_the_keyboard_alone(page: Page, stage: Stage) -> None:
    """From the top of the page to a running export, without a mouse."""
    stage.add({"supplier": {"name": "Fjordnet"}})
    page.goto(stage.url)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.get_by_label("Select Fjordnet, 100.00 DKK").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Move to the export queue").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("1 expense was moved")
    page.get_by_role("button", name="Export the queue").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#export h2")).to_have_text("Waiting to be started")


def test_pages_work_without_scripts(page: Page, stage: Stage) -> None:
    """With JavaScript off everything can be done, only by loading pages."""
    (entry,) = stage.add({"supplier": {"name": "Fjordnet"}})
    browser = page.context.browser
    assert browser is not None
    with browser.new_context(java_script_enabled=False) as context:
        plain = context.new_page()
        plain.goto(stage.url)
        click(plain, "Select all on this page")
        click(plain, "Move to the export queue")
        click(plain, "Export the queue")
        integration = Integration(stage)
        integration.event("started")
        click(plain, "Show how far it is now")
        assert "Exporting" in plain.locator("#export").inner_text()
        integration.update({"accountingEntryId": entry, "status": "failed", "failureReasonType": "account_unknown"})
        integration.event("failed")
        plain.reload()
        click(plain, "Review errors")
        click(plain, "Mend")
        plain.get_by_label("Category").select_option("2010")
        click(plain, "Save the changes")
        click(plain, "Export the selected again")
        assert "Waiting to be started" in plain.locator("#export").inner_text()


@pytest.mark.parametrize("hostile", [HOSTILE, WITHOUT_BLANKS], ids=["words", "one-word"])
def test_hostile_texts_are_text_on_every_page(page: Page, stage: Stage, accessible: Accessible, hostile: str) -> None:
    """Nothing of a name, note or reason runs, breaks out of its place, or makes a phone's page wider."""
    text = {"name": hostile, "code": hostile}
    line = {"account": text, "tags": [{"group": text, "tag": text}], "tax": None}
    body = {"note": hostile, "supplier": text, "user": text, "files": [{"url": f"javascript:{hostile}"}]}
    (entry,) = stage.add(body | {"accountingEntryLines": [line]})
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    job = stage.press_export()
    integration = Integration(stage)
    integration.event("started")
    integration.update({"accountingEntryId": entry, "status": "failed", "failureReason": hostile})
    integration.event("completed_with_errors")
    paths = ("/", f"/expenses/{entry}", f"/expenses/{entry}/mend", f"/jobs/{job}", f"/jobs/{job}/errors", "/jobs")
    for path in (*paths, "/nowhere<script>alert(1)</script>"):
        page.goto(f"{stage.url}{path}")
        assert page.locator("img[src=x], main script, a[href^=javascript]").count() == 0
        accessible(page)
        widths = page.locator("table").evaluate_all("tables => tables.map(table => table.scrollWidth)")
        assert max(widths, default=0) <= 3 * WIDE["width"]


def test_every_lane_can_be_used_on_a_phone(page: Page, stage: Stage, screenshot: Screenshot) -> None:
    """The page is as wide as the phone; the table is what one pushes aside."""
    stage.found(6)
    page.set_viewport_size(PHONE)
    page.goto(stage.url)
    screenshot("sandbox-phone")
    page.get_by_role("link", name="Export queue").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_no_word_is_broken_on_a_phone(page: Page, stage: Stage, screenshot: Screenshot) -> None:
    """Tables are pushed sideways instead, on every page that has one."""
    stage.found(60, troubles=True)
    rows = stage.call("GET", "/expenses?limit=1000")["data"]
    entry, *others = [row["id"] for row in rows[20:40]]
    stage.call("POST", "/queue", {"entryIds": [entry, *others]})
    job = stage.press_export()
    integration = Integration(stage)
    integration.event("started")
    integration.update(
        {"accountingEntryId": entry, "status": "failed", "failureReason": "The account 9998 is not in the books."},
        *({"accountingEntryId": each, "status": "successful", "externalId": f"JE2026{each[:6]}"} for each in others),
    )
    integration.event("completed_with_errors")
    page.set_viewport_size(PHONE)
    paths = ("/", "/?lane=exported", "/jobs", f"/jobs/{job}", f"/jobs/{job}/errors", f"/expenses/{entry}")
    for path in (*paths, *(f"/expenses/{each}" for each in others[:6])):
        page.goto(f"{stage.url}{path}")
        assert page.evaluate(BROKEN_WORDS) == [], path
        screenshot(f"sandbox-phone-{path.partition('?')[0].split('/')[1] or 'lane'}")
