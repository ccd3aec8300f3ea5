"""A second Ctrl-C, or a service being stopped: a run cancelled wherever it stands, and the run after it."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tallybook import app
from tallybook.pleo.client import CallRecord
from tests.flow.conftest import Stage


def test_a_run_cancelled_after_any_call_is_taken_up_by_the_next(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stopped: each entry is booked once, one `started`, one final event, nothing left on disk."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "passing"))
    (tmp_path / "passing").mkdir()
    stage.add(*[{"files": []}] * 9)
    stage.changes = {"pleo": {"page_size": 3}, "books": {"posting": "posted"}}
    job, runs = stage.press_export(), 0
    while stage.job(job)["status"] in {"pending", "in_progress"}:
        runs += 1
        assert runs < 40
        asyncio.run(_cancelled_after(stage, job, calls=runs))
        assert list((tmp_path / "passing").iterdir()) == []
    assert stage.job(job)["status"] == "completed"
    assert stage.events() == ["started", "completed"]
    assert len(stage.booked()) == 9
    assert {outcome["externalId"] for outcome in stage.outcomes().values()} == {n for _, n in stage.booked()}
    assert runs > 5


async def _cancelled_after(stage: Stage, job: str, *, calls: int) -> None:
    made = 0

    def count(_: CallRecord) -> None:
        nonlocal made
        made += 1
        if made == calls:
            running.cancel()

    async def export() -> None:
        async with app.company(stage.settings(), clock=stage.clock, observer=count) as company:
            await app.export_pending(company, job_id=job)

    running = asyncio.create_task(export())
    with suppress(asyncio.CancelledError):
        await running
