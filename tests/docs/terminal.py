"""A page's commands, run as its reader would: fences are files to write and terminals to type into."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIME_LIMIT_S = 240  # a command that waits for something that never comes is a failed test, not an endless one
_FENCE = re.compile(r'^```(?P<kind>[a-z]+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced part of a page: its language, the title it was given ("" without one), and its text."""

    kind: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed at a prompt, and what the page shows it to answer."""

    line: str
    answer: str


def fences(page: str) -> list[Fence]:
    """Give the fences of a page, from top to bottom."""
    return [Fence(found["kind"], found["title"] or "", found["text"]) for found in _FENCE.finditer(page)]


def commands(fence: Fence) -> Iterator[Command]:
    """Give what stands behind each prompt; a quotation that goes over several lines belongs to its command."""
    for part in re.split(r"^\$ ", fence.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = next(n for n in range(1, len(lines) + 1) if _is_whole("\n".join(lines[:n])))
        yield Command("\n".join(lines[:length]), "\n".join(lines[length:]).strip())


def _is_whole(line: str) -> bool:
    try:
        shlex.split(line)
    except ValueError:  # a quotation that is not closed yet
        return False
    return True


def surroundings(home: Path | None = None) -> dict[str, str]:
    """Give the variables of somebody who has activated the environment; nobody's settings, no colours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLYBOOK_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"PATH": path, "NO_COLOR": "1"} | ({"HOME": str(home)} if home else {})


def ran(lines: str, folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run lines in a shell, to their end.

    Raises:
        TimeoutExpired: they did not end by themselves; what they had started is ended.
    """
    shell = subprocess.Popen(
        ["bash", "-c", lines],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that what it leaves in the background can be ended with it
    )
    with shell:
        try:
            stdout, stderr = shell.communicate(timeout=TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(shell.args, shell.returncode, stdout, stderr)


def typed(line: str, folder: Path, env: Mapping[str, str]) -> str:
    """Run a line and give all that it says, as a terminal shows it, stripped.

    Raises:
        TimeoutExpired: as `ran`.
    """
    return ran(f"exec 2>&1\n{line}", folder, env).stdout.strip()


def without_chance(text: str) -> str:
    """Ports and seconds differ from run to run; nothing else does."""
    text = re.sub(r"(127\.0\.0\.1:|--port )\d+", r"\1PORT", text)
    return re.sub(r"\b\d+\.\d+( s\b| +│$)", r"N\1", text, flags=re.MULTILINE).strip()
