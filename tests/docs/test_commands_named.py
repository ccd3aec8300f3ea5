import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from tallybook import cli
from tests.docs.terminal import ROOT, fences

PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    if path.parent.name != "reference"  # that is the help itself
)
TYPED = re.compile(r"^(?:\$ |\s*)(tallybook (?![-a-z]+:).*?)(?:\s{2,}#.*| # .*| >.*| &.*|; .*)?$", re.MULTILINE)
INLINE = re.compile(r"`(tallybook [^`]+)`")


@pytest.fixture(scope="module")
def root() -> Any:
    """The whole command line, with the adapters' own commands."""
    cli._mount_adapter_commands()
    return typer.main.get_command(cli.app)


def named(page: Path) -> list[str]:
    """Every command line that a page shows, typed at a prompt or within a sentence."""
    text = page.read_text(encoding="utf-8")
    shown = [
        line for fence in fences(text) if fence.kind in {"sh", "bash", "console"} for line in TYPED.findall(fence.text)
    ]
    return shown + [" ".join(line.split()) for line in INLINE.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))]


def unknown(root: Any, line: str) -> str | None:
    """What a command line names that is not there: a command, or an option of it."""
    command, words = root, shlex.split(re.sub(r"[\[\]|\\]", " ", line))[1:]
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if (word := words.pop(0)) not in command.commands:
            return word if re.fullmatch("[a-z-]+", word) else None  # JOB, and ..., stand for something
        command = command.commands[word]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return next((word for word in words if re.match(r"--?[a-z]", word) and word.split("=")[0] not in options), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_a_page_names_is_there(root: Any, page: Path) -> None:
    """Commands and options that were renamed or taken away are not left standing in a page."""
    assert [line for line in named(page) if unknown(root, line)] == []
