"""`tallybook check`: settings, Pleo, the books and what pending exports need of them, everything wrong at once."""

import asyncio

import typer

from tallybook import app as composition
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load_some
from tallybook.companies import name


def check(config: Config = None, company: Company = None) -> None:
    """Try settings, Pleo, books and what pending exports name; changes nothing. Exit code 1: not ready, 2: settings."""
    every = load_some(config, company)
    code = 0
    for each in every:
        of = f"{name(each)}: " if len(every) > 1 else ""
        parts = asyncio.run(composition.check(each))
        for part, problems in parts:
            for problem in problems or ["ready"]:
                typer.echo(f"{of}{part}: {output.harmless(problem)}")
        if any(problems for _, problems in parts):
            (_, wrong_settings), *_ = parts
            code = max(code, 2 if wrong_settings else 1)
    if code:
        raise typer.Exit(code)
