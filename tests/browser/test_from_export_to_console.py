"""The whole way in Chromium: exported at Pleo's page, run by a real `tallybook serve`, mended, read in the console."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Screenshot
from tests.console.conftest import Place, placed
from tests.flow.test_check import account, expense

RUN_WITHIN_MS = 30_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server that asks Pleo every second, for a company with four expenses, one in a category nobody knows."""
    with placed(tmp_path_factory.mktemp("whole-way"), TALLYBOOK_SERVE_POLL_EVERY_S="1") as made:
        unknown = expense(account=account("9998", "Nothing like it")) | {"supplier": {"name": "Papirgården"}}
        sound = [{"supplier": {"name": name}} for name in ("Fjordnet", "Havnekontoret", "Stays behind")]
        made.stage.add(*sound, unknown)
        yield made


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name)).first.click()


def test_from_the_export_button_to_an_empty_tie_out(page: Page, place: Place, screenshot: Screenshot) -> None:
    """Select, export, watch, review the error, mend, export again; the console shows it, and the books tie out."""
    page.goto(place.stage.url)
    for supplier in ("Fjordnet", "Havnekontoret", "Papirgården"):
        page.get_by_label(f"Select {supplier}, 100.00 DKK").check()
    press(page, "Move to the export queue")
    place.stage.call("POST", "/latency", {"ms": 250})  # slow enough to be watched
    press(page, "Export the queue")
    export = page.locator("#export h2")
    expect(export).to_have_text("Exporting", timeout=RUN_WITHIN_MS)
    expect(export).to_have_text("Export completed with errors", timeout=RUN_WITHIN_MS)  # nobody loaded the page again
    place.stage.call("POST", "/latency", {"ms": 0})
    assert len(place.stage.booked()) == 2

    press(page, "Review errors")
    failed = page.locator("article")
    expect(failed).to_have_count(1)
    expect(failed).to_contain_text("account_unknown")
    expect(failed).to_contain_text('Account number "9998"')
    failed.get_by_role("link", name="Mend").click()
    failed.get_by_label("Category").select_option("3110")
    failed.get_by_role("button", name="Save the changes").click()
    expect(failed.get_by_label("Export again")).to_be_checked()
    press(page, "Export the selected again")
    expect(export).to_have_text("Export completed", timeout=RUN_WITHIN_MS)
    assert len(place.stage.booked()) == 3

    page.goto(place.served.address)
    rows = page.get_by_role("row").filter(has=page.locator("[id^=job-]"))
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("Completed with errors")
    expect(rows.nth(1)).to_contain_text("3 of 3")
    expect(rows.nth(0)).to_contain_text("1 of 1")
    rows.nth(0).locator("[id^=job-]").click()
    expect(page.get_by_role("region", name="The final event")).to_contain_text('"event": "completed"')
    screenshot("console-job-mended")

    for number in range(2):
        page.get_by_role("link", name="Tie-out").first.click()
        page.locator('main a[href^="/tie-out/"]').nth(number).click()
        expect(page.locator(".banner.good strong")).to_be_visible()
        expect(page.get_by_role("heading", name="What differs")).to_have_count(0)
    screenshot("console-tied-out")
