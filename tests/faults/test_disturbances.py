"""What happens around a worker: the database goes down, the disk is full, clocks jump, a user cancels."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine import postgres
from tests.faults import matrix, staff, witness
from tests.faults.databases import Databases, PostgresDatabases, SqliteFiles
from tests.faults.scene import Scene
from tests.faults.wire import Call, Fault, Moment, Plan

HOUR_S = 3600


def when(label: str, moment: Moment, happens: Callable[[], object]) -> Plan:
    """A plan by which nothing goes wrong with a call, but something else happens at its moment, once."""
    done = threading.Event()

    def plan(call: Call, at: Moment) -> Fault | None:
        if call.label == label and at is moment and not done.is_set():
            done.set()
            happens()
        return None

    return plan


def until_done(company: Scene, ordering: staff.Ordering, workers: int = 1) -> None:
    with staff.employed(company.house.launcher, workers, ordering):
        matrix.wait_until_final([company])


@pytest.mark.parametrize("label", ["pleo POST /v3/export-job-events #1", "books POST /entries #2"])
def test_postgresql_that_crashes_within_a_run_costs_nothing(
    company: Scene, postgres_server: postgres.PostgresServer, postgres_databases: PostgresDatabases, label: str
) -> None:
    """It comes back, and so do the workers, whether they waited for it or were started again."""
    company.begin(postgres_databases.fresh())
    company.press_export()
    company.wire.plan = when(label, Moment.AFTER, postgres_server.restart)
    until_done(company, lambda _: company.order("serve", "--log", "json"), workers=2)
    assert witness.count(company.evidence()).wrong == []


def _size_bytes(file: Path) -> int:
    """0 when there is none: the log goes with its last reader."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("room_bytes", [20_000, 60_000, 180_000])
def test_a_disk_that_is_full_costs_nothing_once_there_is_room_and_a_restart(
    company: Scene, sqlite_files: SqliteFiles, room_bytes: int
) -> None:
    """The database's log can grow no further in the middle of a job: a restart with room ends it as it must."""
    company.begin(sqlite_files.fresh())
    company.press_export()
    growing = Path(company.database_url.removeprefix("sqlite:///") + "-wal")
    child = company.serve_once(file_bytes_max=room_bytes, name="full")
    try:
        while not child.has_ended() and _size_bytes(growing) < room_bytes:
            pass
    finally:
        child.kill()  # docs/reliability.md: it does not always go on by itself
    matrix.until_final(company)
    assert witness.count(company.evidence()).wrong == []


@pytest.mark.parametrize("jump_s", [-25 * HOUR_S, 2 * HOUR_S, 400 * 24 * HOUR_S])
def test_a_worker_whose_clock_jumps_does_the_same(company: Scene, databases: Databases, jump_s: int) -> None:
    """In the middle of a job it is suddenly another day: whatever counts on time counts on clocks that do not jump."""
    company.begin(databases.fresh())
    company.press_export()
    clock = company.folder / "clock"
    clock.write_text("0", encoding="ascii")
    company.wire.plan = when(
        "books POST /entries #1", Moment.AFTER, lambda: clock.write_text(str(jump_s), encoding="ascii")
    )
    assert company.serve_once(clock=str(clock)).wait(60) == 0, company.said()
    assert witness.count(company.evidence()).wrong == []


@pytest.mark.parametrize("ending", ["expires", "is cancelled"])
@pytest.mark.parametrize("label", ["books POST /entries #2", "pleo PUT /v3/export-jobs/{}/items #1"])
def test_a_job_that_ends_under_a_run_is_left_alone_and_the_next_one_links_what_is_booked(
    company: Scene, sqlite_files: SqliteFiles, label: str, ending: str
) -> None:
    """Pleo's hour is over, or a user cancelled: nothing more is sent about it, and nothing is booked twice."""
    company.begin(sqlite_files.fresh())
    job = company.press_export()

    def end() -> None:
        if ending == "expires":
            company.call("POST", "/clock", {"advanceSeconds": 2 * HOUR_S})
        else:
            company.call("POST", f"/jobs/{job}/cancel")

    company.wire.plan = when(label, Moment.BEFORE, end)
    matrix.until_final(company)
    company.wire.renew()
    company.press_export(matrix.to_export_again(company))
    matrix.until_final(company)
    counts = witness.count(company.evidence())
    assert counts.wrong == []
