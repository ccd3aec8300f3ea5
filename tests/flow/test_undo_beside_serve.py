"""`tallybook undo` beside `tallybook serve` on PostgreSQL: one waits or is refused, and nothing is doubled."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tallybook import app
from tallybook.store.errors import DatabaseInUse
from tests.engine.conftest import postgres_server, serve, shared_url, stage, stages, stored
from tests.engine.test_workers import hold_up
from tests.engine.worker import Worker
from tests.flow.command import Command, Ended
from tests.flow.conftest import Stage
from tests.flow.undoing import rows

pytestmark = pytest.mark.long

__all__ = ["postgres_server", "serve", "shared_url", "stage", "stages"]

ITEMS = 12
Serve = Callable[..., Worker]


@pytest.fixture
def url(shared_url: str) -> str:
    return shared_url


@pytest.fixture
def variables(url: str) -> dict[str, str]:
    """What brings a command to the server's database."""
    return {"TALLYBOOK_DATABASE_URL": url, "TALLYBOOK_DATABASE_LEASE_S": "4"}


@pytest.fixture
def tallybook(stage: Stage) -> Command:
    return Command(stage.folder)


def exported(stage: Stage, worker: Worker, entries: list[str] | None = None) -> str:
    """Let the server export everything queued, or these entries; returns the job's id."""
    job = stage.call("POST", "/exports", {"entryIds": entries})["id"] if entries else stage.press_export()
    worker.wait_for("job_ended", job_id=job)
    return str(job)


def undone(ended: Ended) -> dict[str, str]:
    """The reversals that `undo --json` wrote, by entry id."""
    assert ended.code == 0, ended.told
    told = [json.loads(line) for line in ended.out.splitlines()]
    assert [row["problem"] for row in told] == [None] * len(told)
    return {row["accountingEntryId"]: row["reversedBy"] for row in told}


def holder(url: str) -> str:
    """Who has the company's lane."""
    return "".join(str(name) for (name,) in stored(url, "SELECT holder FROM company_lock"))


def test_a_job_that_has_ended_is_undone_beside_a_server(
    stage: Stage, serve: Serve, tallybook: Command, variables: dict[str, str]
) -> None:
    """Each entry once, and undone again it is the same; the server then exports what is exported again, once."""
    stage.found(ITEMS)
    worker = serve(stage)
    job = exported(stage, worker)
    first = undone(tallybook("undo", job, "--yes", "--json", **variables))
    assert len(set(first.values())) == len(first) == ITEMS
    assert undone(tallybook("undo", job, "--yes", "--json", **variables)) == first
    assert len(rows(stage)) == 2 * ITEMS
    exported(stage, worker, list(first))
    assert len(rows(stage)) == 3 * ITEMS
    assert len({outcome["externalId"] for outcome in stage.outcomes().values()} - set(first.values())) == ITEMS
    assert worker.stop() == 0


def test_undo_is_refused_while_the_server_exports_for_the_company(
    stage: Stage, serve: Serve, tallybook: Command, variables: dict[str, str]
) -> None:
    """One sentence that says who is at work, and nothing written; when the job has ended, it is done."""
    (entry,) = stage.add({})
    worker = serve(stage)
    ended = exported(stage, worker)
    stage.add(*({} for _ in range(ITEMS)))
    slow = {"operation": "updateExportJobItemsV3", "kind": "slow", "delayMs": 25_000}
    stage.call("POST", "/faults", slow)  # the server waits for this answer, and is at work all the while
    under_way = stage.press_export()
    while len(rows(stage)) == 1:
        pass
    with (
        tallybook.started("undo", under_way, "--yes", **variables) as one,
        tallybook.started("undo", ended, "--yes", **variables) as other,
    ):
        itself, refused = tallybook.ended(one), tallybook.ended(other)
    assert (refused.code, "`tallybook serve` is exporting for company" in refused.err) == (1, True)
    assert (itself.code, "has not ended yet" in itself.err) == (1, True)
    assert all(len(each.err.splitlines()) == 1 for each in (refused, itself))
    worker.wait_for("job_ended", job_id=under_way)
    assert len(rows(stage)) == 1 + ITEMS
    assert list(undone(tallybook("undo", ended, "--yes", "--json", **variables))) == [entry]
    assert len(rows(stage)) == 2 + ITEMS


@contextmanager
def with_the_lane(
    stage: Stage, tallybook: Command, url: str, job: str, variables: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """An undo that has just taken the lane, and has reversed nothing yet, since Pleo takes its time."""
    hold_up([stage], 3000)
    with tallybook.started("undo", job, "--yes", "--json", **variables) as undoing:
        while not holder(url).startswith("run"):
            assert undoing.poll() is None, tallybook.ended(undoing).told
        yield undoing


def test_the_server_waits_for_an_undo_and_goes_on_after_it(
    stage: Stage, serve: Serve, tallybook: Command, variables: dict[str, str], url: str
) -> None:
    """The entry that is exported again meanwhile is booked anew once it was reversed, and once."""
    (entry,) = stage.add({})
    worker = serve(stage)
    job = exported(stage, worker)
    with with_the_lane(stage, tallybook, url, job, variables) as undoing:
        again = stage.call("POST", "/exports", {"entryIds": [entry]})["id"]
        worker.wait_for("job_enqueued", job_id=again)
        reversals = undone(tallybook.ended(undoing))
    hold_up([stage], 0)
    worker.wait_for("job_ended", job_id=again)
    assert reversals == {entry: "000002"}
    assert stage.outcomes()[entry]["externalId"] == "000003"
    assert len(rows(stage)) == 3


def test_a_second_undo_is_refused_by_name_of_the_first(
    stage: Stage, serve: Serve, tallybook: Command, variables: dict[str, str], url: str
) -> None:
    """And opens nothing; the first reverses each entry once."""
    stage.add(*({} for _ in range(ITEMS)))
    job = exported(stage, serve(stage))
    stage.changes = {"database": {"url": url}}

    async def second() -> None:
        async with app.company(stage.settings()):
            raise AssertionError("both have the lane")

    with with_the_lane(stage, tallybook, url, job, variables) as first:
        with pytest.raises(DatabaseInUse, match=r"^another `tallybook run` or `undo` .* is at work for company"):
            asyncio.run(second())
        hold_up([stage], 0)
        assert len(undone(tallybook.ended(first))) == ITEMS
    assert len(rows(stage)) == 2 * ITEMS


def test_an_undo_that_was_frozen_loses_the_lane_and_writes_no_more(
    stage: Stage, serve: Serve, tallybook: Command, variables: dict[str, str], url: str
) -> None:
    """When its lease has run out another undo does it all; the first wakes up, and ends with exit code 70."""
    stage.add(*({} for _ in range(ITEMS)))
    job = exported(stage, serve(stage))
    with with_the_lane(stage, tallybook, url, job, variables) as first:
        first.send_signal(signal.SIGSTOP)
        hold_up([stage], 0)
        while stored(url, "SELECT 1 FROM worker_lease WHERE worker LIKE 'run:%' AND expires_at > now()"):
            pass
        assert len(undone(tallybook("undo", job, "--yes", "--json", **variables))) == ITEMS
        first.send_signal(signal.SIGCONT)
        assert tallybook.ended(first).code == 70
    assert len(rows(stage)) == 2 * ITEMS
