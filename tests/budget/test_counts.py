import asyncio
from dataclasses import replace

from tallybook import app
from tallybook.adapters.book.system import Book
from tests.flow.conftest import HurriedClock, Stage


def test_a_clean_job_never_waits(stage: Stage) -> None:
    """Pauses are for trouble: a job without any takes none."""
    stage.found(250)
    stage.export(vendor_based=True)
    assert isinstance(stage.clock, HurriedClock)
    assert stage.clock.pauses_s == []


def test_the_book_costs_three_commits_a_page_and_one_sync_a_receipt(stage: Stage) -> None:
    """Recorded, attached, posted: each once for a page of 100, however many lines its entries have."""
    stage.found(300)
    job = stage.press_export(vendor_based=True)

    async def export() -> tuple[int, int, int]:
        book = app.open_books(stage.settings())
        assert isinstance(book, Book)
        async with app.company(stage.settings(), clock=stage.clock) as company:
            await app.export_pending(replace(company, books=book), job_id=job)
        await book.aclose()
        return book.counts.statements, book.counts.commits, book.counts.file_syncs

    statements, commits, file_syncs = asyncio.run(export())
    receipts = stage.call("GET", "/journal/counts")["GET /files/{accountingEntryId}/{receipt}"]
    # 3 pages: record, attach, post; two more for the check that the book can be written and for opening it.
    assert commits <= 3 * 3 + 2
    assert statements <= 3 * 60
    # One for each receipt, and the folders their names are in: at most 256 of them and two above, for each page.
    assert receipts <= file_syncs <= 2 * receipts + 3 * 2


def test_twice_the_items_cost_twice_the_calls(stage: Stage) -> None:
    """Calls to Pleo grow with pages, not with items or their square."""
    counts = []
    for items in (200, 400):
        stage.found(items)
        stage.changes = {"books": {"attachments": "none"}}
        stage.export(vendor_based=True)
        counts.append(sum(stage.call("GET", "/journal/counts").values()))
    fixed = 3  # the job read once, and two events
    assert (counts[1] - fixed) == 2 * (counts[0] - fixed)
