"""`tallybook adapter new NAME`: the project of a new adapter, with tests that prove it."""

from pathlib import Path
from typing import Annotated

import typer

from tallybook.accounting import registry
from tallybook.testkit import skeleton

app = typer.Typer(help="Write an adapter for an accounting system of your own.", no_args_is_help=True)


@app.callback()
def _adapter() -> None:
    """Keep `new` a command of its own."""


@app.command()
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What the settings will call it: my_ledger.", show_default=False)
    ],
    to: Annotated[Path, typer.Option("--to", help="Folder to write the project into.")] = Path(),
) -> None:
    """Write a project that works: a small ledger in a file, its adapter, and tests that inherit the kit and pass."""
    project = skeleton.write(name, to, registry.names())
    typer.echo(f"Wrote {project}. Next:\n  cd {project}\n  pip install --editable '.[dev]'\n  pytest")
