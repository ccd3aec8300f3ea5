"""From one release to the next: what goes on, what waits, and how one knows before."""

import os
import re
import subprocess
import sys

import sqlalchemy as sa

from tallybook.store.database import Database
from tests.engine.test_killed import exactly_once
from tests.flow.conftest import Stage
from tests.serve.conftest import TOKEN, Serve

# Another release: the same program, which keeps its runs under another version.
ANOTHER = (
    "import tallybook.engine.engine as engine; engine.VERSION = {version!r}\nfrom tallybook.cli import main; main()"
)


def check(stage: Stage, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tallybook", "upgrade", "--check", "-c", stage.place.config],
        env={**os.environ, "TALLYBOOK_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def left_behind(stage: Stage, serve: Serve, url: str, program: str | None = None) -> str:
    """A job that a server of a release was killed in the middle of."""
    stage.found(30)
    stage.call("POST", "/latency", {"ms": 100})
    job = stage.press_export(vendor_based=True)
    first = serve(stage.place.config, database_url=url, program=program, TALLYBOOK_PLEO_PAGE_SIZE="10")
    first.worker.wait_for("page_done", job_id=job)
    first.worker.kill()
    stage.call("POST", "/latency", {"ms": 0})
    return job


def test_without_a_database_there_is_nothing_to_go_on_with(stage: Stage, url: str) -> None:
    """Exit code 0; on SQLite no file is made."""
    told = check(stage, url)
    assert (told.returncode, told.stdout) == (0, "This release goes on with every run that is under way.\n")


def test_a_run_of_this_version_goes_on_under_the_next_release(stage: Stage, serve: Serve, url: str) -> None:
    """`upgrade --check` says so, and the next start ends it exactly once."""
    job = left_behind(stage, serve, url)
    assert check(stage, url).returncode == 0
    serve(stage.place.config, database_url=url).worker.wait_for("job_ended", job_id=job, within_s=60)
    exactly_once(stage, 30)


def test_a_run_of_another_version_is_named_and_waits_for_its_own_release(stage: Stage, serve: Serve, url: str) -> None:
    """The new release writes nothing of the job; the old one, started again, ends it exactly once."""
    older = ANOTHER.format(version="exports-0")
    job = left_behind(stage, serve, url, older)
    named = check(stage, url)
    assert named.returncode == 1
    assert job in named.stdout
    assert "begun under exports-0" in named.stdout
    written = len(stage.journal("PUT"))
    newer = serve(stage.place.config, database_url=url)
    newer.post("/run", token=TOKEN)
    newer.worker.stop()
    assert len(stage.journal("PUT")) == written
    old = serve(stage.place.config, database_url=url, program=older)
    old.worker.wait_for("job_ended", job_id=job, within_s=60)
    old.worker.stop()
    exactly_once(stage, 30)
    assert check(stage, url).returncode == 0


def test_the_check_knows_every_step_a_run_leaves_behind(stage: Stage, serve: Serve, url: str) -> None:
    """And a step it does not know, as of a later release, is named."""
    job = left_behind(stage, serve, url)
    assert check(stage, url).returncode == 0
    connections = Database(url).connect()
    with connections.begin() as connection:
        table = "dbos.operation_outputs" if Database(url).shared else "operation_outputs"
        connection.execute(sa.text(f"UPDATE {table} SET function_name = '9 later' WHERE function_name = '2 validate'"))
    connections.dispose()
    named = check(stage, url)
    assert named.returncode == 1
    assert re.search(rf"{job}~0 .*this release has no step '9 later'", named.stdout)
