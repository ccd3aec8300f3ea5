"""Several workers on one PostgreSQL database, and one of them is killed, or frozen and woken."""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import psycopg
import pytest

from tests.engine.worker import Worker
from tests.faults import matrix, witness
from tests.faults.databases import PostgresDatabases
from tests.faults.processes import House
from tests.faults.scene import Scene
from tests.faults.wire import Moment

Scenes = Callable[[int], list[Scene]]
TAKEOVER_MAX_S = 20
MIDDLE = "books POST /entries/post #1"  # of a job: a page is recorded and not yet reported


def begin(companies: Sequence[Scene], url: str, *, safety: str = "search") -> None:
    for seed, company in enumerate(companies, start=1):  # each seed has a company of its own
        # A call that is held is not given up; the lease is as it is by default.
        company.begin(url, seed=seed, safety=safety, patience_s=100, lease_s=10)


def worker(house: House, companies: Sequence[Scene], url: str) -> Worker:
    """A server of its own for all companies, as it is started in production."""
    variables = {**house.variables, "TALLYBOOK_DATABASE_URL": url}
    return Worker([company.config for company in companies], variables)


def busiest(url: str) -> str:
    """Name the worker that has the most runs: with few companies another may have none."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT executor_id FROM dbos.workflow_status WHERE status = 'PENDING' GROUP BY 1 ORDER BY count(*) DESC"
        ).fetchall()
    return str(rows[0][0])


def counted(companies: Sequence[Scene]) -> witness.Counts:
    counts = witness.Counts()
    for company in companies:
        counts.add(witness.count(company.evidence()))
    return counts


@pytest.mark.parametrize(("workers", "number"), [(2, 20), (4, 8)])
def test_of_several_workers_one_is_killed_and_the_others_end_the_jobs_of_all_companies(
    scenes: Scenes, house: House, postgres_databases: PostgresDatabases, workers: int, number: int
) -> None:
    """Two jobs for each company, one after the other: none is lost, none is done twice, and it takes seconds."""
    companies, url = scenes(number), postgres_databases.fresh()
    begin(companies, url)
    with ExitStack() as stack:
        serving = [stack.enter_context(worker(house, companies, url)) for _ in range(workers)]
        named = {each.wait_for("serving")["worker"]: each for each in serving}
        for company in companies:
            company.wire.hold(MIDDLE, Moment.AFTER)
            company.press_export(company.exported[::2])
        assert all(company.wire.held.wait(180) for company in companies)
        victim = named[busiest(url)]
        others = [each for each in serving if each is not victim]
        victim.kill()
        killed_s = time.monotonic()
        for company in companies:
            company.wire.release()
        matrix.wait_until_final(companies)
        ended_s = time.monotonic() - killed_s
        for company in companies:
            company.press_export(company.exported[1::2])
        matrix.wait_until_final(companies)
    # Whoever of the others looked first has said so by now; their lines are read to the end.
    taken = [line["at_s"] for each in others for line in each.everything_said() if line["event"] == "taking_over"]
    counts = counted(companies)
    sys.stdout.write(
        f"{number} companies, {number * 2} jobs, {workers} workers, one killed amid the first {number}: taken over "
        f"{min(taken) - killed_s:.1f} s after it, all of these ended {ended_s:.1f} s after it; {counts}\n"
    )
    assert counts.wrong == []
    assert min(taken) - killed_s < TAKEOVER_MAX_S


@pytest.mark.parametrize("workers", [2, 4])
def test_of_several_workers_one_is_frozen_and_woken_and_writes_no_more(
    scenes: Scenes, house: House, postgres_databases: PostgresDatabases, workers: int
) -> None:
    """SIGSTOP amid six jobs, until the others have ended them, then SIGCONT: exit code 70, and nothing is doubled."""
    companies, url = scenes(6), postgres_databases.fresh()
    begin(companies, url)
    for company in companies:
        company.wire.hold(MIDDLE, Moment.AFTER)
        company.press_export()
    with ExitStack() as stack:
        frozen = stack.enter_context(worker(house, companies, url))
        assert all(company.wire.held.wait(180) for company in companies)
        others = [stack.enter_context(worker(house, companies, url)) for _ in range(workers - 1)]
        for each in others:
            each.wait_for("serving")
        frozen.send(signal.SIGSTOP)
        for company in companies:
            company.wire.release()
        matrix.wait_until_final(companies)
        frozen.send(signal.SIGCONT)
        assert frozen.end(within_s=15) == 70
    counts = counted(companies)
    sys.stdout.write(f"{workers} workers, one frozen and woken: {counts}\n")
    assert counts.wrong == []


@pytest.mark.parametrize(
    ("label", "moment"),
    [
        ("books POST /entries #2", Moment.BEFORE),  # the books have a key for it: docs/reliability.md says why
        ("books POST /entries #2", Moment.AFTER),
        ("books POST /entries/post #2", Moment.AFTER),
        ("pleo PUT /v3/export-jobs/{}/items #1", Moment.AFTER),
        ("pleo POST /v3/export-job-events #2", Moment.AFTER),
    ],
)
def test_a_worker_frozen_within_a_write_does_not_write_beside_its_successor(
    company: Scene, house: House, postgres_databases: PostgresDatabases, label: str, moment: Moment
) -> None:
    """Its call is still on the way, or done and unanswered, when another worker takes its job over and ends it."""
    url = postgres_databases.fresh()
    begin([company], url, safety="key")
    company.wire.hold(label, moment)
    company.press_export()
    with worker(house, [company], url) as frozen:
        assert company.wire.held.wait(180)
        with worker(house, [company], url) as other:
            other.wait_for("serving")
            frozen.send(signal.SIGSTOP)
            other.wait_for("taking_over", within_s=TAKEOVER_MAX_S)
            matrix.wait_until_final([company])
            company.wire.release()
            frozen.send(signal.SIGCONT)
            assert frozen.end(within_s=15) == 70
    assert counted([company]).wrong == []
