"""The history that a real server writes while it exports, and what that costs; an export needs none of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from tallybook.history.history import History
from tallybook.history.job import Job, State
from tallybook.store.database import Database, migrated
from tests.flow.conftest import Stage
from tests.serve.conftest import TOKEN, Serve


@contextmanager
def reading(url: str) -> Iterator[History]:
    connections = Database(url).connect()
    try:
        yield History(connections)
    finally:
        connections.dispose()


def ended(history: History, job_id: str) -> Job:
    """Wait until the server has written the job's end down, which it does at once."""
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        job = asyncio.run(history.job(job_id))
        if job is not None and not job.is_open:
            return job
    raise AssertionError("the end of the job is not in the history")


def test_a_server_writes_down_what_a_job_did(stage: Stage, serve: Serve, url: str) -> None:
    """All seven steps, every call Pleo got, every download, the calls to the books, each item with number and lines."""
    stage.found(30, troubles=True)
    server = serve(stage.place.config, database_url=url)
    job_id = stage.press_export(vendor_based=True)
    server.post("/run", token=TOKEN)
    server.worker.wait_for("job_ended", job_id=job_id)
    with reading(url) as history:
        job = ended(history, job_id)
        steps = asyncio.run(history.steps(job_id))
        calls = asyncio.run(history.calls(job_id, limit=1000))
        items = {item.entry_id: item for item in asyncio.run(history.items(job_id))}
    outcomes = stage.outcomes()
    failed = [each for each in outcomes.values() if each["status"] == "failed"]
    assert (job.state, job.items, job.failed) == (State.COMPLETED_WITH_ERRORS, 30, len(failed))
    assert {1, 2, 3, 4, 5, 6, 7} == set(steps)
    told = {(item.entry_id, item.external_id, item.reason) for item in items.values()}
    assert told == {(entry, each.get("externalId"), each.get("failureReasonType")) for entry, each in outcomes.items()}
    booked = [item for item in items.values() if item.reason is None]
    assert all(document.lines for item in booked for document in item.documents)
    assert all(sum(line.amount_minor for line in document.lines) == 0 for item in booked for document in item.documents)
    asked = [call["status"] for call in stage.journal("/v3/") if job_id in call["path"] + call["requestBody"]]
    assert Counter(asked) == Counter(call.status for call in calls if call.system == "pleo")
    downloads = [call for call in calls if call.system == "receipts"]
    assert Counter(call["status"] for call in stage.journal("GET /files/")) == Counter(
        call.status for call in downloads
    )
    assert downloads
    assert {call.step for call in downloads} == {5}
    assert {call.operation.split()[3] for call in downloads} <= set(outcomes)
    assert not any("signature" in call.operation or "/" in call.operation for call in calls)
    assert {"record", "attach", "find"} <= {call.operation for call in calls if call.system == "books"}


def test_a_job_that_is_taken_up_after_a_kill_is_one_job(stage: Stage, serve: Serve, url: str) -> None:
    """The second server goes on where the first was killed, and the history too."""
    stage.found(60)
    first = serve(stage.place.config, database_url=url, TALLYBOOK_PLEO_PAGE_SIZE="10")
    job_id = stage.press_export(vendor_based=True)
    first.post("/run", token=TOKEN)
    first.worker.wait_for("page_done", job_id=job_id, successful=20)
    first.worker.kill()
    second = serve(stage.place.config, database_url=url, TALLYBOOK_PLEO_PAGE_SIZE="10")
    second.worker.wait_for("job_ended", job_id=job_id)
    with reading(url) as history:
        job = ended(history, job_id)
        items = asyncio.run(history.items(job_id, limit=1000))
        assert len(asyncio.run(history.jobs())) == 1
    assert (job.state, job.successful) == (State.COMPLETED, 60)
    assert 40 <= len(items) <= 60  # what was reported in the last second before the kill may be missing


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count what is asked of any database, by whether it is the history's; a migration is not."""
    counts: Counter[str] = Counter()

    def count(_: object, __: object, statement: str, *___: object) -> None:
        migrates = statement.lstrip().startswith(("CREATE", "ALTER"))
        counts["history" if "job_history" in statement and not migrates else "other"] += 1

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        yield counts
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)


def test_history_costs_at_most_five_statements_a_page_and_nothing_without_a_job(stage: Stage) -> None:
    """However quick or slow the pages are: one writing a second at most, and at the job's end one more."""
    with counted() as counts:
        stage.run()
    assert counts["history"] == 0
    stage.found(500)
    stage.changes = {"books": {"attachments": "none"}}
    began_s = time.monotonic()
    with counted() as counts:
        stage.export(vendor_based=True)
    writings = 2 + (time.monotonic() - began_s)  # the end's, and one in each second that began
    assert 0 < counts["history"] <= 5 * writings + 1  # one more that looks for what is too old
    assert counts["history"] <= 5 * 5


@pytest.mark.parametrize("table", ["job_history", "job_history_item"])
def test_an_export_goes_on_without_its_history(stage: Stage, table: str) -> None:
    """A database that refuses it costs no item and no second: the job is completed as if nothing were."""
    database = Database(stage.settings().database.url)
    connections = database.connect()
    with migrated(database, connections), connections.begin() as connection:
        connection.execute(sa.text(f"DROP TABLE {table}"))
    connections.dispose()
    stage.found(30)
    report = stage.export(vendor_based=True)
    assert report.completed
    assert len(stage.booked()) == 30
