"""`tallybook check`: settings, Pleo, the books and what pending exports need of them, everything wrong at once."""

import asyncio
from collections.abc import Sequence

import typer

from tallybook import app as composition
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load_some
from tallybook.companies import name
from tallybook.settings import Settings


def check(config: Config = None, company: Company = None) -> None:
    """Try settings, Pleo, books and what pending exports name; changes nothing. Exit code 1: not ready, 2: settings."""
    every = load_some(config, company)
    code = 0
    for each in every:
        of = f"{name(each)}: " if len(every) > 1 else ""
        parts = asyncio.run(_checked(each))
        for part, problems in parts:
            for problem in problems or ["ready"]:
                typer.echo(f"{of}{part}: {output.harmless(problem)}")
        if any(problems for _, problems in parts):
            (_, wrong_settings), *_ = parts
            code = max(code, 2 if wrong_settings else 1)
    if code:
        raise typer.Exit(code)


async def _checked(settings: Settings) -> Sequence[tuple[str, Sequence[str]]]:
    """Give each part with all that is wrong with it, the settings first: others may be wrong for their sake."""
    *others, of_settings = [part async for part in composition.check(settings)]
    return [of_settings, *others]
