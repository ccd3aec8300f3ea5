"""Two runs for one company at the same moment: the second one leaves the jobs alone."""

import asyncio
from pathlib import Path

import pytest

from tallybook import app
from tallybook.errors import TallybookError
from tallybook.workplace import workplace
from tests.flow.conftest import Stage

PLEO, COMPANY = "https://external.example", "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"


def test_a_second_run_for_the_same_company_does_not_begin(stage: Stage) -> None:
    """Two runs would report over each other; the second says so, and Pleo hears nothing of it."""
    stage.found(5)
    job = stage.press_export()

    async def both() -> None:
        async with app.company(stage.settings(), clock=stage.clock) as company:
            with pytest.raises(TallybookError, match="another run"):
                async with app.company(stage.settings(), clock=stage.clock):
                    pass
            (report,) = await app.export_pending(company, job_id=job)
            assert report.successful == 5

    asyncio.run(both())
    assert stage.events() == ["started", "completed"]


def test_a_run_that_ended_keeps_nobody_waiting_and_leaves_nothing_behind(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run begins at once, also after one that broke off."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "passing"))
    (tmp_path / "passing").mkdir()
    stage.found(2)

    async def broken_off() -> None:
        async with app.company(stage.settings(), clock=stage.clock):
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(broken_off())
    assert stage.export().successful == 2
    assert list((tmp_path / "passing").iterdir()) == []


def test_runs_for_two_companies_do_not_wait_for_each_other(stage: Stage) -> None:
    """One company's export is no reason to hold back another's."""

    async def both() -> None:
        settings = stage.settings()
        stage.changes = {"pleo": {"company_id": "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"}}
        async with app.company(settings, clock=stage.clock), app.company(stage.settings(), clock=stage.clock):
            pass

    asyncio.run(both())


def test_receipts_that_a_killed_run_left_behind_are_deleted_by_the_next() -> None:
    """They are somebody's receipts, in a folder that only this user can read."""
    with workplace(PLEO, COMPANY) as spool:
        pass
    spool.mkdir()
    (spool / "receipt.pdf").write_bytes(b"%PDF-1.7")
    with workplace(PLEO, COMPANY) as again:
        assert again == spool
        assert list(again.iterdir()) == []
        assert again.stat().st_mode & 0o077 == 0
    assert not spool.exists()
