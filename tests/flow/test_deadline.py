"""A job's time at Pleo: learned from the job, kept in mind, and asked about once it has passed."""

import asyncio
from datetime import datetime, timedelta

from tallybook import app
from tallybook.clock import SystemClock
from tallybook.outcome import JobReport
from tallybook.workflow import Progress
from tests.flow.conftest import Stage


class JumpingClock:
    """A clock that waits for nothing and can be put forward, as after a laptop's sleep."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self._ahead = timedelta()
        self.monotonic_s = self._real.monotonic_s

    def now(self) -> datetime:
        return self._real.now() + self._ahead

    async def sleep(self, _: float) -> None:
        await asyncio.sleep(0)

    def jump(self, seconds: int) -> None:
        self._ahead += timedelta(seconds=seconds)


def export(stage: Stage, clock: JumpingClock, *, pleos_jump_s: int, ours_s: int) -> JobReport:
    """Export twenty entries in two pages; after the first, time passes at Pleo and here."""
    stage.found(20)
    stage.changes = {"pleo": {"page_size": 10}}
    job = stage.press_export(vendor_based=True)
    told: list[Progress] = []

    def after_a_page(progress: Progress) -> None:
        if not told:
            clock.jump(ours_s)
            stage.call("POST", "/clock", {"advanceSeconds": pleos_jump_s})
        told.append(progress)

    async def exports() -> list[JobReport]:
        async with app.company(stage.settings(), clock=clock) as company:
            return await app.export_pending(company, job_id=job, progress=after_a_page)

    (report,) = asyncio.run(exports())
    return report


def test_after_the_deadline_the_job_is_read_before_anything_more_is_written(stage: Stage) -> None:
    """It has expired: of the second page, which was prepared before, nothing is booked and nothing reported."""
    report = export(stage, JumpingClock(), pleos_jump_s=3700, ours_s=3700)
    assert report.event is None
    assert "became failed (job_expired)" in (report.note or "")
    assert len(stage.booked()) == 10
    calls = [call["method"] for call in stage.journal("/v3/")]
    assert calls.count("PUT") == 1
    assert stage.events() == ["started"]


def test_a_job_that_is_open_although_our_clock_says_otherwise_goes_on(stage: Stage) -> None:
    """Only our clock jumped: the job is read, is open, and ends as ever."""
    report = export(stage, JumpingClock(), pleos_jump_s=0, ours_s=7200)
    assert report.completed
    assert len(stage.booked()) == 20


def test_a_job_whose_time_is_not_up_is_not_read_again(stage: Stage) -> None:
    """Half an hour later the deadline is known from memory."""
    report = export(stage, JumpingClock(), pleos_jump_s=1800, ours_s=1800)
    assert report.completed
    assert [call["operation"] for call in stage.journal()].count("GET /v3/export-jobs/{jobId}") == 1
