"""`tallybook adapter new` in a folder outside the repository: the project installs, is found by name, and passes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tallybook.errors import SettingsError, TallybookError
from tallybook.testkit import skeleton

TALLYBOOK = Path(skeleton.__file__).parents[3]
FOUND = "from tallybook.accounting import registry; print(registry.adapter('my_ledger').summary)"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return skeleton.write("my_ledger", tmp_path / "elsewhere", ["book"])


def _installed(project: Path) -> dict[str, str]:
    """Lay the project on the path with the metadata an installer writes; Tallybook's own packages are there already."""
    metadata = project / "src" / "tallybook_my_ledger-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tallybook-my-ledger\nVersion: 0.1.0\n")
    entry_points = (project / "pyproject.toml").read_text(encoding="utf-8").partition('"tallybook.adapters"]\n')[2]
    name, _, value = entry_points.splitlines()[0].partition(" = ")
    (metadata / "entry_points.txt").write_text(f"[tallybook.adapters]\n{name} = {value.strip(chr(34))}\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(project / "src"), str(TALLYBOOK)])}


def _pytest(project: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        env=environment,
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_it_is_found_by_name_and_passes_the_kit(project: Path) -> None:
    """The project as it is written is found through its entry point and passes every proof that applies to it."""
    environment = _installed(project)
    found = subprocess.run(
        [sys.executable, "-c", FOUND], env=environment, cwd=project, capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith("my_ledger")
    run = _pytest(project, environment)
    assert run.returncode == 0, run.stdout
    assert "my_ledger: idempotency: native key" in run.stdout
    assert "passed" in run.stdout


def test_without_its_lock_it_fails(project: Path) -> None:
    """The same ledger without its lock loses what one of two writers was told is recorded, and the kit sees it."""
    environment = _installed(project)
    ledger = project / "src" / "tallybook_my_ledger" / "ledger.py"
    text = ledger.read_text(encoding="utf-8")
    unlocked = text.replace("fcntl.flock(lock, fcntl.LOCK_EX)", "lock.flush()")
    assert unlocked != text
    ledger.write_text(unlocked, encoding="utf-8")
    run = _pytest(project, environment, "-k", "two_processes")
    assert run.returncode == 1
    assert "is in the books 0 times instead of once" in run.stdout


def test_the_command(tmp_path: Path) -> None:
    """`tallybook adapter new` writes the project and says what to do next; a second time it refuses."""
    command = [sys.executable, "-m", "tallybook", "adapter", "new", "my_ledger", "--to", str(tmp_path)]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"Wrote {tmp_path / 'tallybook-my-ledger'}. Next:" in first.stdout
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "is there already; name another folder with --to" in second.stderr


def test_nothing_is_left_to_fill_in(project: Path) -> None:
    """No mark of the template is left in any file's name or text."""
    for path in project.rglob("*"):
        assert "NAME" not in path.name
        if path.is_file():
            assert path.suffix != ".in"
            assert "@" not in path.read_text(encoding="utf-8").replace("@contextmanager", "").replace(
                "@dataclass", ""
            ).replace("@pytest", "")


@pytest.mark.parametrize("name", ["", "Ledger", "my-ledger", "9lives", "../evil", "class", "a", "x" * 41, "my__ledger"])
def test_a_name_that_cannot_be_one(tmp_path: Path, name: str) -> None:
    """A name that could not be a package's is refused, and nothing is written."""
    with pytest.raises(SettingsError, match="cannot be an adapter's name"):
        skeleton.write(name, tmp_path, [])
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    """The name of an installed adapter is refused."""
    with pytest.raises(SettingsError, match="'book' is installed already"):
        skeleton.write("book", tmp_path, ["book"])


def test_a_project_that_is_there(project: Path) -> None:
    """A project that is there is never written over."""
    (project / "README.md").write_text("mine")
    with pytest.raises(TallybookError, match="is there already"):
        skeleton.write("my_ledger", project.parent, [])
    assert (project / "README.md").read_text() == "mine"
