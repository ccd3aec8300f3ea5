"""Two workers on PostgreSQL, and one of them dies or freezes."""

import signal
import sys
import time
from collections.abc import Callable, Sequence

import pytest

from tests.engine.test_killed import exactly_once
from tests.engine.worker import Worker
from tests.flow.conftest import Stage

COMPANIES, ITEMS = 5, 40
TAKEOVER_MAX_S = 20


@pytest.fixture
def url(shared_url: str) -> str:
    return shared_url


@pytest.fixture
def companies(stages: Callable[[], Stage]) -> list[Stage]:
    """Companies whose Pleo takes its time, so that their jobs are under way when something happens."""
    made = [stages() for _ in range(COMPANIES)]
    for seed, stage in enumerate(made, start=1):
        stage.found(ITEMS, seed=seed)  # each seed has a company of its own
        stage.call("POST", "/latency", {"ms": 200})
        stage.press_export(vendor_based=True)
    return made


def hold_up(companies: Sequence[Stage], ms: int) -> None:
    """Let every company's Pleo take so long for an answer, so that jobs stay under way until a test says otherwise."""
    for stage in companies:
        stage.call("POST", "/latency", {"ms": ms})


def writes(stage: Stage) -> int:
    """How many calls that change something Pleo was sent."""
    return sum(call["method"] != "GET" for call in stage.journal())


def all_ended(companies: Sequence[Stage], within_s: float = 90) -> None:
    """Ask every company's Pleo until its job is final."""
    until_s = time.monotonic() + within_s
    for stage in companies:
        while stage.call("GET", "/jobs")["data"][0]["status"] in {"pending", "in_progress"}:
            assert time.monotonic() < until_s, f"{stage.folder.name}: no end within {within_s} s"


def test_when_a_worker_is_killed_the_other_ends_its_jobs(companies: list[Stage], serve: Callable[..., Worker]) -> None:
    """Noticed through PostgreSQL alone, within 20 seconds: each job ends once, no entry is lost or booked twice."""
    victim = serve(*companies)
    victim.wait_for("page_done")
    hold_up(companies, 3000)
    other = serve(*companies)
    other.wait_for("serving")
    victim.kill()
    killed_s = time.monotonic()
    hold_up(companies, 0)
    taken = other.wait_for("taking_over", within_s=TAKEOVER_MAX_S)
    first_s = other.wait_for("page_done")["at_s"]
    all_ended(companies)
    sys.stdout.write(
        f"taken over {taken['at_s'] - killed_s:.1f} s, going on {first_s - killed_s:.1f} s after the kill\n"
    )
    assert first_s - killed_s < TAKEOVER_MAX_S
    for stage in companies:
        exactly_once(stage, ITEMS)


def test_a_worker_that_was_frozen_and_wakes_up_writes_no_more(
    companies: list[Stage], serve: Callable[..., Worker]
) -> None:
    """SIGSTOP, take-over, SIGCONT: it ends itself with exit code 70, and nothing is doubled."""
    frozen = serve(*companies)
    frozen.wait_for("page_done")
    hold_up(companies, 3000)
    other = serve(*companies)
    other.wait_for("serving")
    frozen.send(signal.SIGSTOP)
    hold_up(companies, 0)
    other.wait_for("taking_over", within_s=TAKEOVER_MAX_S)
    all_ended(companies)
    written = [writes(stage) for stage in companies]
    frozen.send(signal.SIGCONT)
    assert frozen.end(within_s=10) == 70
    assert [writes(stage) for stage in companies] == written
    for stage in companies:
        exactly_once(stage, ITEMS)


def test_a_worker_that_stops_hands_its_runs_over_at_once(companies: list[Stage], serve: Callable[..., Worker]) -> None:
    """Its lease is given back, so the other need not wait for it to run out."""
    leaving = serve(*companies, lease_s=15)
    leaving.wait_for("page_done")
    hold_up(companies, 3000)
    other = serve(*companies, lease_s=15)
    other.wait_for("serving")
    leaving.send(signal.SIGTERM)
    hold_up(companies, 0)
    assert leaving.end(within_s=12) == 0
    other.wait_for("taking_over", within_s=6)
    all_ended(companies)
    for stage in companies:
        exactly_once(stage, ITEMS)
