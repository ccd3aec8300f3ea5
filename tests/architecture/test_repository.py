import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What a package manager or lock file would carry in: the repository names packages, never where they come from.
# Written in pieces, so that this file does not contain what it looks for.
REGISTRY = re.compile(
    rb"(index" rb"-url|registry" rb" *=|resolved" rb"\"?: *\"https?://|https?://[^\s\"']*/simple" rb"/)"
)
HOME = re.compile(rb"(?<![\w.])/(root|home|Users)/[A-Za-z]")


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    return [path for name in names if name and (path := ROOT / name.decode()).is_file()]


def test_no_file_names_a_registry_or_somebodys_machine() -> None:
    """Neither a package registry's address nor an absolute path of a home folder."""
    here = Path(__file__).resolve()
    found = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path != here and (REGISTRY.search(content := path.read_bytes()) or HOME.search(content))
    ]
    assert found == []


def test_the_constraints_are_names_and_versions_only() -> None:
    """One `name==version` a line."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []


def test_modules_and_functions_stay_readable() -> None:
    """No module over 400 lines in the package."""
    long = [
        f"{path.relative_to(ROOT)} ({lines})"
        for path in sorted((ROOT / "src").rglob("*.py"))
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 400
    ]
    assert long == []
