"""The lease is asked before every write that leaves this process."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tallybook import app
from tallybook.accounting import registry
from tallybook.accounting.errors import AccountingUnreachable
from tallybook.engine.guard import GuardedBooks
from tallybook.engine.presence import present_inline
from tallybook.store.database import Database
from tallybook.telemetry import metrics
from tests.engine.test_killed import exactly_once
from tests.engine.worker import Worker
from tests.flow.conftest import Stage


class LeaseLost(BaseException):
    """In place of the end of the process."""


async def export(stage: Stage, may_write: Callable[[], None]) -> None:
    settings = stage.settings()
    with present_inline(Database(settings.database.url), "run") as presence:
        asking = replace(presence, may_write=may_write)
        async with app.company(settings, clock=stage.clock, presence=asking) as company:
            await app.export_pending(company)


async def test_leave_is_asked_for_every_write(stage: Stage) -> None:
    """Two events and an update at Pleo; recording, files and posting in the books."""
    stage.found(20)
    stage.press_export(vendor_based=True)
    asked: list[None] = []
    await export(stage, lambda: asked.append(None))
    at_pleo = [call for call in stage.journal("/v3/") if call["method"] != "GET"]
    assert len(asked) == len(at_pleo) + 3
    assert len(at_pleo) == 3


@pytest.mark.parametrize(("leave", "events", "booked"), [(0, [], 0), (1, ["started"], 0), (4, ["started"], 20)])
async def test_without_leave_nothing_more_is_written(stage: Stage, leave: int, events: list[str], booked: int) -> None:
    """Lost before `started`, before recording, and before the results are reported."""
    stage.found(20)
    stage.press_export(vendor_based=True)
    asked: list[None] = []

    def may_write() -> None:
        if len(asked) == leave:
            raise LeaseLost
        asked.append(None)

    with pytest.raises(LeaseLost):
        await export(stage, may_write)
    assert stage.events() == events
    assert len(stage.booked()) == booked
    assert stage.journal("PUT") == []


def test_a_page_whose_results_pleo_did_not_take_is_reported_at_the_next_attempt(
    stage: Stage, serve: Callable[..., Worker]
) -> None:
    """Pleo is away in the midst of a job: the same run goes on, though the page after it was prepared already."""
    stage.found(50)
    job = stage.press_export(vendor_based=True)
    stage.call("POST", "/faults", {"operation": "updateExportJobItemsV3", "kind": "status", "status": 400, "skip": 1})
    worker = serve(stage)
    worker.wait_for("step_interrupted", step="3-6 page 2")
    assert worker.wait_for("job_ended", job_id=job)["run"].endswith("~0")
    exactly_once(stage, 50)


async def test_every_call_is_counted(tmp_path: Path) -> None:
    """Also those that only some books know, such as handing over what was settled."""
    section = {"path": str(tmp_path / "acme.sqlite"), "import_dir": str(tmp_path), "templates": ["xero_bills"]}
    books = GuardedBooks(registry.adapter("csv").open(section), lambda: None)

    def counted() -> float:
        labels = {"call": "settle", "result": "AccountingUnreachable"}
        return metrics.REGISTRY.get_sample_value("tallybook_books_calls_total", labels) or 0

    before = counted()
    with pytest.raises(AccountingUnreachable):  # there is no book yet
        await books.settle([])
    await books.aclose()
    assert counted() == before + 1
