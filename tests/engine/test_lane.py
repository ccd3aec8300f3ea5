import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier, Thread

import pytest

from tallybook.engine import lane
from tallybook.engine.presence import present
from tallybook.store.database import Database

COMPANIES, JOBS, WORKERS = 30, 2, 3


@pytest.mark.parametrize(
    ("holder", "ended", "winner"),
    [(None, False, "new"), ("old", False, "old"), ("old", True, "new"), ("new", False, "new")],
)
def test_a_lane_is_taken_when_it_is_free_or_its_holder_has_ended(
    url: str, holder: str | None, ended: bool, winner: str
) -> None:
    """A holder that waits, runs, or lies on a dead worker keeps it; so does whoever asks again."""
    with present(Database(url)) as presence:
        if holder is not None:
            assert lane.take(presence.connections, "company", holder, lambda _: False) == holder
        assert lane.take(presence.connections, "company", "new", lambda _: ended) == winner


def test_of_many_that_find_the_holder_ended_one_gets_the_lane(url: str) -> None:
    """All look at the same moment; all are told the same holder."""
    told: list[str] = []
    gate = Barrier(8)

    def has_ended(run: str) -> bool:
        if run == "old":
            gate.wait(10)
        return run == "old"

    with present(Database(url)) as presence:
        lane.take(presence.connections, "company", "old", has_ended)
        threads = [
            Thread(target=lambda n=n: told.append(lane.take(presence.connections, "company", f"run {n}", has_ended)))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(told) == 8
    assert len(set(told)) == 1


def test_jobs_of_one_company_never_overlap_however_many_workers_race_for_them(shared_url: str, tmp_path: Path) -> None:
    """Three processes report two jobs of each company within milliseconds, and all run what they can get."""
    record = tmp_path / "record"
    program = Path(__file__).with_name("racer.py")
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, program, shared_url, record, str(COMPANIES), str(JOBS)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
                )
            )
            for _ in range(WORKERS)
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write(b"go\n")
            worker.stdin.flush()
        for worker in workers:
            worker.communicate(timeout=120)
            assert worker.returncode == 0
    within: dict[str, str] = {}
    ended: list[str] = []
    for line in record.read_text(encoding="utf-8").splitlines():
        word, company, job = line.split()
        if word == "begin":
            assert company not in within, f"{job} began within {within[company]}"
            within[company] = job
        else:
            assert within.pop(company) == job
            ended.append(job)
    assert len(ended) == len(set(ended)) == COMPANIES * JOBS
