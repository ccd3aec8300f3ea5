import json
import signal
import subprocess

import pytest

from tests.flow.command import Command
from tests.flow.conftest import Stage

pytestmark = pytest.mark.long

ITEMS = 60
PAGE_SIZE = 4


@pytest.fixture
def tallybook(stage: Stage) -> Command:
    """Run the command over a job of many small pages at a Pleo that takes its time."""
    stage.found(ITEMS)
    stage.changes = {"pleo": {"page_size": PAGE_SIZE, "items_per_update": PAGE_SIZE}}
    stage.settings()
    (stage.folder / "changed.toml").replace(stage.place.config)
    stage.call("POST", "/latency", {"ms": 20})
    return Command(stage.folder, [stage.place.key.read_text(encoding="utf-8").strip()])


def until_reported(stage: Stage, running: subprocess.Popen[str], updates: int) -> None:
    """Wait until so many updates were sent; each look is a call of its own, so this spins slowly."""
    while stage.call("GET", "/journal/counts").get("PUT /v3/export-jobs/{jobId}/items", 0) < updates:
        assert running.poll() is None, running.communicate()


def assert_whole(stage: Stage, job: str) -> None:
    """Every entry is in the book once, Pleo has its number, and the job got one event of each kind."""
    booked = stage.booked()
    assert len(booked) == len({entry for entry, _ in booked}) == ITEMS
    assert {entry: outcome["externalId"] for entry, outcome in stage.outcomes().items()} == dict(booked)
    assert stage.job(job)["status"] == "completed"
    assert stage.events() == ["started", "completed"]


def test_ctrl_c_ends_between_pages_and_the_next_run_goes_on(stage: Stage, tallybook: Command) -> None:
    """Exit code 1, what was done is said and reported; no second `started`, nothing booked twice."""
    job = stage.press_export()
    with tallybook.started("run") as running:
        until_reported(stage, running, 2)
        running.send_signal(signal.SIGINT)
        ended = tallybook.ended(running)
    assert ended.code == 1
    assert "Stopping after this page; press Ctrl-C again to stop at once." in ended.err
    assert f"{job}: stopped between pages; run again and it goes on from here" in ended.out
    assert "not by this" in ended.out
    assert stage.job(job)["status"] == "in_progress"
    reported = {entry: outcome["externalId"] for entry, outcome in stage.outcomes().items() if outcome["externalId"]}
    assert reported == dict(stage.booked())
    assert 2 * PAGE_SIZE <= len(reported) < ITEMS
    assert len(reported) % PAGE_SIZE == 0

    stage.call("POST", "/latency", {"ms": 0})
    ended = tallybook("run", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["jobs"][0]["items"] == ITEMS
    assert_whole(stage, job)


def test_ctrl_c_twice_ends_at_once_and_the_next_run_goes_on(stage: Stage, tallybook: Command) -> None:
    """Exit code 130 and a word; what a page had written is found by the next run."""
    job = stage.press_export()
    with tallybook.started("run") as running:
        until_reported(stage, running, 2)
        stage.call("POST", "/latency", {"ms": 1500})  # the page will not end by itself
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        assert "Stopping after this page" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        ended = tallybook.ended(running)
    assert ended.code == 130
    assert "Stopped at once; what is booked stays booked" in ended.err

    stage.call("POST", "/latency", {"ms": 0})
    assert tallybook("run").code == 0
    assert_whole(stage, job)


@pytest.mark.parametrize("updates", [0, 1, 6])
def test_a_killed_run_is_taken_up_by_the_next_one(stage: Stage, tallybook: Command, updates: int) -> None:
    """Killed before the first update or in the middle: every entry once in the book, one final event."""
    job = stage.press_export()
    with tallybook.started("run") as running:
        while "started" not in stage.events():
            assert running.poll() is None
        until_reported(stage, running, updates)
        running.kill()
        running.communicate()
    assert stage.job(job)["status"] == "in_progress"

    stage.call("POST", "/latency", {"ms": 0})
    ended = tallybook("run")
    assert (ended.code, ended.err) == (0, "")
    assert_whole(stage, job)
