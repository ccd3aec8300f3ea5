"""The tutorial, typed from its first line to its last."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.terminal import ROOT, Fence, commands, fences, surroundings, typed, without_chance

PAGE = ROOT / "docs" / "tutorial.md"


@pytest.fixture
def port() -> int:
    """A free one, in place of the page's own, which may be taken where tests run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


@pytest.fixture
def page(port: int) -> str:
    """The page as it stands, but for the port."""
    text = PAGE.read_text(encoding="utf-8").replace("127.0.0.1:8089", f"127.0.0.1:{port}")
    return text.replace("$ tallybook sandbox serve", f"$ tallybook sandbox serve --port {port}")


@pytest.fixture
def second_terminal() -> Iterator[list[subprocess.Popen[str]]]:
    """What goes on running beside the page's commands; ended by its own pid."""
    running: list[subprocess.Popen[str]] = []
    yield running
    for process in running:
        process.terminate()
        process.communicate(timeout=30)


def test_installing_it_leaves_the_command_on_the_path(tmp_path: Path) -> None:
    """The first lines, in a copy of this folder: the demo runs, and the command is found from another folder."""
    copy = tmp_path / "tallybook"
    copy.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "scripts", "src", ".venv"):
        (copy / name).symlink_to(ROOT / name)
    install = next(fence for fence in fences(PAGE.read_text(encoding="utf-8")) if fence.kind == "sh")
    # What is installed here already is what the page's first line would install.
    lines = install.text.replace("make demo", "make -o .venv/bin/python -o .venv/.run demo")
    told = typed(f"set -e\n{lines}\npwd; command -v tallybook", copy, surroundings(tmp_path) | {"PATH": os.defpath})
    assert "Pleo and the book agree on every entry." in told
    assert told.splitlines()[-2:] == [str(tmp_path / "first-export"), str(ROOT / ".venv" / "bin" / "tallybook")]


def test_every_command_answers_what_the_page_shows(
    page: str, tmp_path: Path, second_terminal: list[subprocess.Popen[str]]
) -> None:
    """From the sandbox's start to the exported ledger, in one folder, in the page's order."""
    env, answered, shown = surroundings(tmp_path), [], []
    for fence in fences(page):
        if fence.kind == "toml":
            (tmp_path / fence.title).write_text(fence.text, encoding="utf-8")
        elif fence.title:
            second_terminal.append(_started(fence, tmp_path, env))
        elif fence.kind == "console":
            for command in commands(fence):
                answered.append(f"$ {command.line}\n{without_chance(typed(command.line, tmp_path, env))}")
                shown.append(f"$ {command.line}\n{without_chance(command.answer)}")
    assert "\n".join(answered) == "\n".join(shown)
    assert (tmp_path / "ledger" / "main.beancount").is_file()


def _started(fence: Fence, folder: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    """Type a command that goes on, and wait until it has said what the page shows."""
    (command,) = commands(fence)
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command.line}"], cwd=folder, env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert without_chance(first) == without_chance(command.answer), "the second terminal says something else"
    return process
