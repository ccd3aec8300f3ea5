"""`tallybook check`: settings, Pleo and the books, everything that is wrong at once."""

import asyncio

import typer

from tallybook import app as composition
from tallybook.cli import output
from tallybook.cli.settings_option import Config, load


def check(config: Config = None) -> None:
    """Try settings, Pleo and the books without changing anything; exit code 1 if one is not ready, 2 for settings."""
    parts = asyncio.run(composition.check(load(config)))
    for part, problems in parts:
        for problem in problems or ["ready"]:
            typer.echo(f"{part}: {output.harmless(problem)}")
    if any(problems for _, problems in parts):
        (_, wrong_settings), *_ = parts
        raise typer.Exit(2 if wrong_settings else 1)
