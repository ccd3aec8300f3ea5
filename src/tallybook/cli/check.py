"""`tallybook check`: settings, Pleo and the books, everything that is wrong at once."""

import asyncio

import typer

from tallybook import app as composition
from tallybook.cli import output
from tallybook.cli.settings_option import Config, load


def check(config: Config = None) -> None:
    """Try settings, Pleo and the books without changing anything; exit code 1 if one is not ready, 2 for settings."""
    settings = load(config)
    console = output.console()
    console.print("Settings: ready")
    results = asyncio.run(composition.check(settings))
    for part, problem in results:
        console.print(output.harmless(f"{part}: {problem or 'ready'}"))
    if any(problem for _, problem in results):
        raise typer.Exit(1)
