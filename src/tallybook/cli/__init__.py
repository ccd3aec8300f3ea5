"""The command line: one file per command; arguments in, text and exit code out, no decisions.

Exit codes: 0 all went well, 1 something did not (the text says what), 2 bad settings or arguments, 130 interrupted.
"""

import importlib
import sys
from importlib.metadata import entry_points

import structlog
import typer

from tallybook import __version__
from tallybook.accounting import registry
from tallybook.cli import check, demo, items, jobs, run, sandbox, serve, webhooks
from tallybook.errors import SettingsError, TallybookError

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
app.command("check")(check.check)
app.command("demo")(demo.demo)
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(webhooks.app, name="webhooks")


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


def main() -> None:
    """Run the command; an error meant for people becomes its sentence on stderr and an exit code."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
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
