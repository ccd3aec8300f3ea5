"""The command line: one file per command; arguments in, text and exit code out, no decisions.

Exit codes: 0 all went well, 1 something did not (the text says what), 2 bad settings or arguments, 3 an export would
differ from its plan, 130 interrupted.
"""

import importlib
import os
import signal
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path

import structlog
import typer

from tallybook import __version__
from tallybook.accounting import registry
from tallybook.cli import (
    adapter,
    check,
    console,
    demo,
    examples,
    items,
    jobs,
    login,
    pause,
    plan,
    run,
    sandbox,
    serve,
    tie_out,
    uncertain,
    undo,
    upgrade,
    webhooks,
)
from tallybook.errors import SettingsError, TallybookError

_PACKAGE = Path(__file__).parent.parent
_FRAMES_NAMED = 4

app = typer.Typer(
    name="tallybook",
    help="Carry expenses from Pleo into your books, exactly once, and tell Pleo how it went.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,  # a traceback with local variables could show a secret
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("serve")(serve.serve)
app.command("jobs")(jobs.jobs)
app.command("items")(items.items)
app.command("plan")(plan.plan)
app.command("tie-out")(tie_out.tie_out)
app.command("undo")(undo.undo)
app.command("check")(check.check)
app.command("pause")(pause.pause)
app.command("resume")(pause.resume)
app.command("upgrade")(upgrade.upgrade)
app.command("login")(login.login)
app.command("logout")(login.logout)
app.command("demo")(demo.demo)
app.add_typer(uncertain.app, name="uncertain")
app.add_typer(console.app, name="console")
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(adapter.app, name="adapter")


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        typer.echo(f"tallybook {__version__}")
        raise typer.Exit


def _mount_adapter_commands() -> None:
    """Give each adapter that brings commands a command of its own name, such as `tallybook book`."""
    for point in entry_points(group=registry.GROUP):
        adapter = registry.adapter(point.name)
        if adapter.commands is not None:
            module, _, attribute = adapter.commands.partition(":")
            app.add_typer(getattr(importlib.import_module(module), attribute), name=adapter.name, help=adapter.summary)
    examples.add_to(app)


def main() -> None:
    """Run the command; an error meant for people becomes its sentence on stderr and an exit code."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR")),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # stderr as it is when something is said
    )
    try:
        _mount_adapter_commands()
        app()
    except TallybookError as error:
        typer.echo(str(error), err=True)
        sys.exit(2 if isinstance(error, SettingsError) else 1)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:  # `tallybook items JOB | head`: whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        what = f"{error.strerror or type(error).__name__}{f': {error.filename}' if error.filename else ''}"
        typer.echo(f"the system refused ({what}); mend that and run again", err=True)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - a bug of ours: its place is told; its text may hold what none should see
        typer.echo(
            f"Tallybook stopped at a fault of its own ({type(error).__name__} in {_where(error)}). "
            "What is booked stays booked, and the next run goes on from there. Please report this sentence.",
            err=True,
        )
        sys.exit(1)


def _where(error: Exception) -> str:
    """Name the last lines of ours that an error came through, innermost first."""
    lines = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
        if Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    return ", from ".join(lines[:_FRAMES_NAMED])
