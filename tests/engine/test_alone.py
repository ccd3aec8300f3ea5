import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tallybook.engine import presence
from tallybook.store.database import Database
from tallybook.store.errors import DatabaseInUse, DatabaseUnusable
from tests.engine.worker import Worker
from tests.flow.conftest import Stage


def run(stage: Stage, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tallybook", "run", "--json", "-c", stage.place.config],
        env={**os.environ, "TALLYBOOK_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def test_run_is_refused_beside_a_server_on_sqlite(stage: Stage, serve: Callable[..., Worker], tmp_path: Path) -> None:
    """The sentence says who is at work; nothing was sent to Pleo by `run`."""
    url = f"sqlite:///{tmp_path}/one.sqlite"
    serve(stage, database_url=url).wait_for("serving")
    before = len(stage.journal("POST"))
    refused = run(stage, url)
    assert refused.returncode == 1
    assert "tallybook serve" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(stage.journal("POST")) == before


def test_run_works_again_once_the_server_has_ended(stage: Stage, serve: Callable[..., Worker], url: str) -> None:
    """A server that was killed holds nothing on SQLite, and a stopped one nothing on PostgreSQL."""
    worker = serve(stage, options=("--once",))
    assert worker.end() == 0
    done = run(stage, url)
    assert done.returncode == 0, done.stderr


def test_a_second_server_on_one_sqlite_file_is_refused(
    stage: Stage, serve: Callable[..., Worker], tmp_path: Path
) -> None:
    """With a sentence that names the first and the way out; the first goes on."""
    url = f"sqlite:///{tmp_path}/one.sqlite"
    first = serve(stage, database_url=url)
    first.wait_for("serving")
    second = serve(stage, database_url=url)
    assert second.end() == 1
    (said,) = second.events("text")
    assert "serves one process" in said["text"]
    assert "tallybook serve, process" in said["text"]
    job = stage.press_export()
    first.wait_for("job_ended", job_id=job)


def test_the_lock_goes_with_its_process(tmp_path: Path) -> None:
    """Kill -9 leaves the file behind and no lock on it."""
    database = Database(f"sqlite:///{tmp_path}/one.sqlite")
    program = (
        "import sys; from tallybook.engine import presence; from tallybook.store.database import Database\n"
        "with presence.present(Database(sys.argv[1])): print('here', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, database.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"here\n"
        with pytest.raises(DatabaseInUse, match=f"process {other.pid}"), presence.present(database):
            pass
        other.kill()
        other.wait()
    with presence.present(database) as here:
        assert here.worker == "local"


def test_runs_share_a_database_that_a_server_has_for_itself(tmp_path: Path) -> None:
    """Runs for two companies may work at once; a server waits for both, and keeps both out."""
    database = Database(f"sqlite:///{tmp_path}/one.sqlite")
    with (
        presence.present_inline(database, "run"),
        presence.present_inline(database, "run"),
        pytest.raises(DatabaseInUse, match="tallybook run"),
        presence.present(database),
    ):
        pass
    with (
        presence.present(database),
        pytest.raises(DatabaseInUse, match="tallybook serve"),
        presence.present_inline(database, "run"),
    ):
        pass


def test_a_folder_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    """What was about to be written must be kept somewhere."""
    missing = Database(f"sqlite:///{tmp_path}/missing/one.sqlite")
    with pytest.raises(DatabaseUnusable, match=r"set database\.url"), presence.present_inline(missing, "run"):
        pass


@pytest.mark.parametrize("content", [b"no database" * 100, b""])
def test_a_file_that_is_no_database_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    """An empty file becomes one, anything else is left alone."""
    file = tmp_path / "one.sqlite"
    file.write_bytes(content)
    database = Database(f"sqlite:///{file}")
    if not content:
        with presence.present(database):
            return
    with pytest.raises(DatabaseUnusable, match="cannot be opened"), presence.present(database):
        pass
    assert file.read_bytes() == content


def test_a_server_that_is_not_there_is_told_in_a_sentence_without_the_password() -> None:
    """No traceback, no secret."""
    database = Database("postgresql://somebody:hunter2@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnusable) as refused, presence.present(database):
        pass
    assert "hunter2" not in str(refused.value)
    assert "cannot be used" in str(refused.value)
