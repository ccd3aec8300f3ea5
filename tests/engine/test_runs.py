from datetime import UTC, datetime, timedelta

import pytest

from tallybook.engine.runs import Job, rank_of, turn_of

COMPANY = "0a0a0a0a-0000-4000-8000-000000000001"
CREATED = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def job(number: int, created_at: datetime = CREATED) -> Job:
    return Job(f"00000000-0000-4000-8000-{number:012d}", COMPANY, created_at)


def test_the_name_of_a_run_follows_from_the_job_alone() -> None:
    """Created at, to the millisecond, then the id, then the turn."""
    assert job(7).run_name(0) == "export-001772366400123-00000000-0000-4000-8000-000000000007~0"


def test_names_and_ranks_sort_by_the_age_of_the_job() -> None:
    """Also across the moment where the milliseconds get one digit more."""
    times = [CREATED + timedelta(minutes=minutes) for minutes in (0, 1, 60, 60 * 24 * 365 * 300)]
    jobs = [job(9 - n, at) for n, at in enumerate(times)]
    assert sorted(each.run_name(0) for each in jobs) == [each.run_name(0) for each in jobs]
    assert sorted(each.age_rank for each in jobs) == [each.age_rank for each in jobs]


@pytest.mark.parametrize("year", [1, 1969, 1970, 2019, 2020, 9999])
def test_a_rank_is_always_one_the_engine_takes(year: int) -> None:
    """1 to 2^31 - 1, however wrong the clock was that dated the job; and its run has a name that can be read."""
    dated = job(1, datetime(year, 1, 1, tzinfo=UTC))
    assert 1 <= dated.age_rank < 2**31
    assert rank_of(dated.run_name(0)) == dated.age_rank


def test_a_name_tells_turn_and_rank() -> None:
    """What was put together can be read again."""
    assert turn_of(job(1).run_name(12)) == 12
    assert rank_of(job(1).run_name(3)) == job(1).age_rank


@pytest.mark.parametrize(
    "name", ["", "export-1-x~0", "run:host-1", job(1).run_name(0) + "\n", "x" + job(1).run_name(0)]
)
def test_another_name_is_refused(name: str) -> None:
    """A run that is not ours is never taken for one."""
    with pytest.raises(ValueError, match="no run"):
        turn_of(name)
