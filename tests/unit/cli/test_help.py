"""What --help, completion and docs/cli.md say of the commands, held against the commands themselves."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tallybook import cli
from tallybook.cli.run import PLAN_DIFFERS

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def commands(group: Any = None, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every command and group by the words it is called with, `tallybook` itself among them."""
    if group is None:
        if not any(each.name == "book" for each in cli.app.registered_groups):
            cli._mount_adapter_commands()
        group = typer.main.get_command(cli.app)
        yield "", group
    for name, command in group.commands.items():
        called = f"{above}{name}"
        yield called, command
        if hasattr(command, "commands"):
            yield from commands(command, f"{called} ")


EVERY = dict(commands())
CALLED = {
    name for name, each in EVERY.items() if name and (not hasattr(each, "commands") or each.invoke_without_command)
}


def understood(command: Any, arguments: list[str]) -> None:
    """Parse arguments as the command line does, and run nothing."""
    with command.make_context("tallybook", arguments) as context:
        if (rest := [*getattr(context, "_protected_args", []), *context.args]) and hasattr(command, "commands"):
            _, below, after = command.resolve_command(context, rest)
            understood(below, after)


@pytest.mark.parametrize("name", EVERY)
def test_every_command_and_group_has_examples_that_it_understands(name: str) -> None:
    """They stand at the end of its --help, and each begins with the command itself."""
    lines = [line.strip() for line in (EVERY[name].epilog or "").splitlines() if line.startswith("  ")]
    assert lines, f"`tallybook {name} --help` has no examples"
    for line in lines:
        assert line.startswith(f"tallybook {name}")
        understood(typer.main.get_command(cli.app), shlex.split(line)[1:])


@pytest.mark.parametrize("name", EVERY)
def test_every_command_says_what_it_does(name: str) -> None:
    """In words of its own, and of each option as well."""
    command = EVERY[name]
    assert command.help
    shown = [each for each in command.params if not getattr(each, "hidden", False) and each.name != "help"]
    assert not [each.name for each in shown if not getattr(each, "help", None)]


def test_the_page_of_the_command_line_names_every_command_and_exit_code() -> None:
    """And no command that is not there."""
    page = PAGE.read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `tallybook ([a-z -]+)[`\[A-Z]", page, flags=re.MULTILINE))
    assert {name.strip() for name in table} == CALLED
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)}
    assert codes == {0, 1, 2, PLAN_DIFFERS, 130, 141}


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    """With the script that --show-completion prints, and the command on the PATH."""
    installed = Path(sys.executable).parent  # the script's name is what completion goes by
    environment = {"PATH": f"{installed}:{os.environ['PATH']}", "HOME": str(tmp_path), "SHELL": "/bin/bash"}

    def completed(*words: str) -> set[str]:
        typed = " ".join(map(shlex.quote, words))
        script = (
            'eval "$(tallybook --show-completion bash)"\n'
            f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}\n"
            f"_tallybook_completion tallybook\n"
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", script], check=True, capture_output=True, text=True, timeout=60, env=environment
        )
        assert not done.stderr
        return set(done.stdout.split())

    assert completed("tallybook", "tie") == {"tie-out"}
    assert {"--plan", "--json"} <= completed("tallybook", "run", "--")


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}, {"NO_COLOR": "1"}])
def test_piped_output_has_no_colours(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever variables say: a pipe is read by programs."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    script = (
        "from tallybook.cli import output; from rich.table import Table;"
        "table = Table('Head'); table.add_row('[red]x[/red]', style='red'); output.console().print(table)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert "[red]x[/red]" in done.stdout
    assert "\x1b" not in done.stdout
