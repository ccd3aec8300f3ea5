"""`tallybook run` on PostgreSQL beside workers: it takes its company's lane, and they give way to it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tallybook.engine import lane
from tallybook.engine.presence import present, present_inline
from tallybook.store.database import Database
from tallybook.store.errors import DatabaseInUse
from tests.engine.conftest import stored
from tests.engine.test_killed import exactly_once
from tests.engine.test_workers import hold_up, writes
from tests.engine.worker import Worker
from tests.flow.conftest import Stage

COMPANY = "0a0a0a0a-0000-4000-8000-000000000001"


@pytest.fixture
def url(shared_url: str) -> str:
    return shared_url


@contextmanager
def running(stage: Stage, url: str) -> Iterator["subprocess.Popen[str]"]:
    """A `tallybook run` under way."""
    with subprocess.Popen(
        [sys.executable, "-m", "tallybook", "run", "--json", "-c", stage.place.config],
        env={
            **os.environ,
            "TALLYBOOK_DATABASE_URL": url,
            "TALLYBOOK_DATABASE_LEASE_S": "4",
            "TALLYBOOK_PLEO_PAGE_SIZE": "10",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def until_written(stage: Stage, count: int) -> None:
    """Wait until Pleo was sent this many writes."""
    while writes(stage) < count:
        pass


def waiting(stage: Stage, items: int) -> str:
    """A job of a Pleo that takes a moment for each answer."""
    stage.found(items)
    hold_up([stage], 100)
    return stage.press_export(vendor_based=True)


async def test_a_lane_is_taken_by_hand_once(url: str) -> None:
    """A second `run` for the company is refused by name of the first; another company is free."""
    database = Database(url)
    with present_inline(database, "run") as one, present_inline(database, "run") as two:
        await lane.take_by_hand(one, COMPANY)
        await lane.take_by_hand(one, COMPANY)
        with pytest.raises(DatabaseInUse, match="another `tallybook run`"):
            await lane.take_by_hand(two, COMPANY)
        await lane.take_by_hand(two, COMPANY.replace("1", "2"))
    with present_inline(database, "run") as three:
        await lane.take_by_hand(three, COMPANY)


async def test_a_lane_whose_run_rests_is_taken_by_hand(url: str) -> None:
    """A run that no living worker is at, such as one a killed server left, gives way."""
    database = Database(url)
    with present(database) as worker:
        assert lane.take(worker.connections, COMPANY, "export-left", lambda _: False) == "export-left"
    with present_inline(database, "run") as by_hand:
        await lane.take_by_hand(by_hand, COMPANY)
        assert lane.take(by_hand.connections, COMPANY, "export-left", lambda _: False) == by_hand.worker


def test_run_is_refused_while_a_worker_exports_for_the_company(
    stage: Stage, serve: Callable[..., Worker], url: str
) -> None:
    """It says who is at work, and writes nothing."""
    job = waiting(stage, 40)
    worker = serve(stage)
    worker.wait_for("page_done", job_id=job)
    hold_up([stage], 3000)
    with running(stage, url) as refused:
        _, said = refused.communicate(timeout=60)
        assert refused.returncode == 1
    assert "`tallybook serve` is exporting for company" in said
    hold_up([stage], 0)
    worker.wait_for("job_ended", job_id=job)
    exactly_once(stage, 40)


def test_a_worker_waits_for_a_run_by_hand_and_goes_on_after_it(
    stage: Stage, serve: Callable[..., Worker], url: str
) -> None:
    """The worker that starts meanwhile finds the job, takes its turn, and finds it done; everything exactly once."""
    job = waiting(stage, 40)
    with running(stage, url) as by_hand:
        until_written(stage, 1)
        hold_up([stage], 3000)
        worker = serve(stage)
        worker.wait_for("job_enqueued", job_id=job)
        hold_up([stage], 0)
        _, said = by_hand.communicate(timeout=120)
        assert by_hand.returncode == 0, said
    assert worker.events("page_done") == []
    assert worker.wait_for("job_ended", job_id=job)["outcome"] is None
    exactly_once(stage, 40)


def test_a_run_that_a_killed_worker_left_gives_way_and_ends_after_it(
    stage: Stage, serve: Callable[..., Worker], url: str
) -> None:
    """The run is taken up while `run` is at work, and does not write beside it although it had the lane before."""
    job = waiting(stage, 60)
    first = serve(stage)
    first.wait_for("page_done", job_id=job)
    first.kill()
    while stored(url, "SELECT 1 FROM worker_lease WHERE expires_at > now()"):
        pass  # until it is known to be dead
    written = writes(stage)
    with running(stage, url) as by_hand:
        while writes(stage) == written:
            pass
        hold_up([stage], 3000)
        second = serve(stage)
        second.wait_for("lane_taken", job_id=job)
        hold_up([stage], 0)
        out, said = by_hand.communicate(timeout=120)
        assert by_hand.returncode == 0, said
        assert job in out
    assert second.events("page_done") == []
    second.wait_for("job_ended", job_id=job, within_s=90)
    exactly_once(stage, 60)


def test_a_frozen_run_loses_the_lane_and_writes_no_more(stage: Stage, serve: Callable[..., Worker], url: str) -> None:
    """SIGSTOP beyond its lease: a worker ends the job; on SIGCONT it ends itself with exit code 70."""
    job = waiting(stage, 40)
    with running(stage, url) as by_hand:
        until_written(stage, 1)
        hold_up([stage], 3000)
        worker = serve(stage)
        worker.wait_for("job_enqueued", job_id=job)
        by_hand.send_signal(signal.SIGSTOP)
        hold_up([stage], 0)
        worker.wait_for("job_ended", job_id=job, within_s=90)
        before = writes(stage)
        by_hand.send_signal(signal.SIGCONT)
        by_hand.communicate(timeout=30)
        assert by_hand.returncode == 70
        assert writes(stage) == before
    exactly_once(stage, 40)
