"""The tie-out and the plan of a job in Chromium: read, downloaded, printed, with hostile words shown as words."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Accessible, Screenshot
from tests.console.conftest import Place, placed
from tests.flow.test_tie_out import tampered
from tests.serve.conftest import TOKEN

HOSTILE = "<script>alert(1)</script>\N{RIGHT-TO-LEFT OVERRIDE}\N{PILE OF POO}" + "x" * 10_000
UNKNOWN = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server that exports when it is asked to."""
    with placed(tmp_path_factory.mktemp("tie-out")) as made:
        yield made


def show(page: Page, place: Place, path: str) -> None:
    page.goto(place.served.address + path)


def exported(place: Place) -> str:
    """Export everything that is queued; returns the job's id."""
    job = place.stage.press_export(vendor_based=True)
    place.served.post("/run", token=TOKEN)
    place.served.worker.wait_for("job_ended", job_id=job)
    return job


def test_a_job_is_planned_then_exported_then_tied_out(
    page: Page, place: Place, accessible: Accessible, screenshot: Screenshot
) -> None:
    """The same address shows the plan while the job waits, and the tie-out, without a difference, once it has ended."""
    place.stage.add({"note": HOSTILE}, {"accountingEntryLines": []})
    job = place.stage.press_export(vendor_based=True)
    show(page, place, f"/tie-out/{job}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Plan of export job {job}")
    expect(page.locator(".banner:not([hidden])")).to_contain_text("It would end as completed with errors")
    expect(page.get_by_role("region", name="Items")).to_contain_text("<script>alert(1)</script>")
    expect(page.get_by_role("region", name="Command")).to_contain_text(f"--job {job} --plan ")
    accessible(page)
    screenshot("console-plan")
    assert place.stage.job(job)["status"] == "pending"
    place.served.post("/run", token=TOKEN)
    place.served.worker.wait_for("job_ended", job_id=job)
    show(page, place, f"/plan/{job}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Tie-out of export job {job}")
    expect(page.locator(".banner:not([hidden])")).to_contain_text("Pleo and the books agree.")
    expect(page.get_by_role("region", name="What differs")).to_have_count(0)
    row = page.get_by_role("region", name="Sums").get_by_role("row", name="3640")
    expect(row.get_by_role("cell")).to_contain_text(["DKK", "3640", "", "100.00", "100.00", ""])
    accessible(page)
    screenshot("console-tie-out")


def test_a_job_is_chosen_from_the_list_or_by_its_id(page: Page, place: Place, accessible: Accessible) -> None:
    """The navigation leads there; what is no job is a page that says so."""
    place.stage.add({})
    job = exported(place)
    show(page, place, "/jobs")
    page.get_by_role("navigation").get_by_role("link", name="Tie-out").click()
    accessible(page)
    page.get_by_role("link", name=f"Tie-out of {job[:8]}").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(job)
    show(page, place, "/tie-out")
    page.get_by_label("Id of an export job").fill(job)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(job)
    for path in (
        f"/tie-out/{UNKNOWN}",
        f"/plan/{UNKNOWN}",
        f"/tie-out/{UNKNOWN}/csv",
        "/tie-out/none",
        "/tie-out?job=x",
    ):
        answer = page.goto(place.served.address + path)
        assert answer is not None
        assert answer.status == 404


def test_differences_are_named_downloaded_and_printed(
    page: Page, place: Place, accessible: Accessible, screenshot: Screenshot, tmp_path: Path
) -> None:
    """On paper there is the comparison alone, and in the CSV no cell begins a formula."""
    place.stage.add({})
    job = exported(place)
    with closing(sqlite3.connect(place.stage.place.book)) as book:
        (newest,) = book.execute("SELECT max(d.id) FROM documents d").fetchone()
    tampered(place.stage, f"UPDATE lines SET account = '=cmd|<b>' WHERE account = '3640' AND document = {newest}")
    show(page, place, f"/tie-out/{job}")
    expect(page.locator(".banner:not([hidden])")).to_contain_text("do not agree: 1 entry differs")
    expect(page.get_by_role("region", name="What differs")).to_contain_text("=cmd|<b>")
    accessible(page)
    screenshot("console-tie-out-differs")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    download.value.save_as(tmp_path / "tie-out.csv")
    assert download.value.suggested_filename == f"tie-out-{job}.csv"
    assert "'=cmd|<b>" in (tmp_path / "tie-out.csv").read_text(encoding="utf-8")
    page.emulate_media(media="print")
    expect(page.get_by_role("link", name="Download as CSV")).not_to_be_visible()
    expect(page.locator("header.bar")).not_to_be_visible()
    expect(page.get_by_role("region", name="Sums")).to_be_visible()
