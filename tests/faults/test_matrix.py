"""The matrix of faults: every call goes wrong in every way, once and again and again, and the job ends as it must."""

import sys
from collections.abc import Callable, Sequence

import pytest

from tests.faults import lanes, matrix, witness
from tests.faults.conftest import LANES
from tests.faults.databases import Databases, SqliteFiles
from tests.faults.matrix import TROUBLES
from tests.faults.scene import Scene
from tests.faults.wire import Call, Fault, Kind, Moment, Plan, calm

Scenes = Callable[[int], list[Scene]]
Case = tuple[str, Plan]


def carry(scenes: Scenes, databases: Databases, cases: Sequence[Case], what: str) -> None:
    """Carry a job through each case and expect nothing wrong of any."""

    def one(company: Scene, case: Case) -> tuple[str, witness.Counts]:
        name, plan = case
        return name, matrix.through(company, databases.fresh(), plan)

    found = lanes.each(scenes(LANES), cases, one)
    counts = witness.Counts()
    for _, each in found:
        counts.add(each)
    sys.stdout.write(f"{databases.kind}, {len(cases)} jobs with {counts.struck} faults {what}: {counts}\n")
    wrong = [f"{name}: {what}" for name, each in found for what in each.wrong]
    assert not wrong, "\n".join(wrong)
    assert [name for name, each in found if not each.entries or not each.struck] == []


def test_every_call_going_wrong_once_in_every_way_changes_nothing(scenes: Scenes, databases: Databases) -> None:
    """429, 500, 502, 503, reset, timeout, a web page, before or after the effect, or half an answer: no trace of it."""
    cases = [
        (f"{trouble}, calls {offset}, {offset + 2}, ...", matrix.singly(trouble, every=2, offset=offset, until=60))
        for trouble in TROUBLES
        for offset in range(2)
    ]
    carry(scenes, databases, cases, "at every call")


def test_bursts_that_outlast_all_patience_change_nothing_in_the_end(scenes: Scenes, databases: Databases) -> None:
    """Seven calls in a row: items may fail for it, with a reason; exported again, each is in the books once."""
    cases = [
        (f"bursts of {trouble}", matrix.in_bursts(trouble, length=7, offset=number % 7, until=100))
        for number, trouble in enumerate(TROUBLES)
    ]
    carry(scenes, databases, cases, "in bursts")


def test_a_server_that_leaves_a_job_unended_says_so(company: Scene, sqlite_files: SqliteFiles) -> None:
    """`serve --once` gives a run up when Pleo takes no results for long: exit code 1; the next start ends the job."""

    def plan(call: Call, moment: Moment) -> Fault | None:
        return Fault(Kind.STATUS, 503) if call.label.startswith("pleo PUT") and moment is Moment.BEFORE else None

    company.begin(sqlite_files.fresh())
    job = company.press_export()
    company.wire.plan = plan
    assert company.serve_once(name="left").wait(120) == 1
    assert f"not brought to their end: {job}" in company.said("left")
    company.wire.renew()
    matrix.until_final(company)
    counts = witness.count(company.evidence())
    assert counts.wrong == []
    assert counts.entries == len(company.exported)


@pytest.mark.parametrize("parts", [0, 1, 5])
def test_books_that_break_down_within_a_write_end_complete(
    company: Scene, sqlite_files: SqliteFiles, parts: int
) -> None:
    """Of a page's entries some are recorded and no answer comes: these are found, and only the others written."""
    counts = matrix.through(company, sqlite_files.fresh(), calm, parts=parts)
    assert counts.wrong == []
    assert (counts.entries, counts.struck) == (len(company.exported), 1)


@pytest.mark.parametrize("occurrence", [1, 2])
def test_books_that_are_away_for_a_moment_at_the_beginning_do_not_fail_the_job(
    company: Scene, sqlite_files: SqliteFiles, occurrence: int
) -> None:
    """They are asked again before a whole job is given up, and nobody has to press Export a second time."""

    def plan(call: Call, moment: Moment) -> Fault | None:
        away = call.label == f"books GET /reference #{occurrence}" and moment is Moment.BEFORE
        return Fault(Kind.STATUS, 503) if away else None

    counts = matrix.through(company, sqlite_files.fresh(), plan)
    assert counts.wrong == []
    assert (counts.entries, counts.struck) == (len(company.exported), 1)
    assert [job["status"] for job in company.jobs()] == ["completed_with_errors"]
