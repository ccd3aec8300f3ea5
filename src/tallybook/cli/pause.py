"""`tallybook pause` and `tallybook resume`: as the buttons of the console."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import typer

from tallybook import app as composition
from tallybook.cli.settings_option import Company, Config, load
from tallybook.clock import SystemClock
from tallybook.companies import name
from tallybook.errors import SettingsError
from tallybook.settings import Settings
from tallybook.store.audit import Audit, Deed, user_of_command_line
from tallybook.store.pauses import Pause, Pauses


def pause(config: Config = None, company: Company = None) -> None:
    """Start no more export jobs of a company until it is resumed; one that was begun goes on to its end."""
    settings = load(config, company)
    by = user_of_command_line()

    async def begin(pauses: Pauses, company_id: str) -> bool:
        return await pauses.begin(company_id, Pause(SystemClock().now(), by))

    changed = asyncio.run(_done(settings, by, "paused the company", begin))
    typer.echo(f"{name(settings)} is paused" if changed else f"{name(settings)} was paused already")


def resume(config: Config = None, company: Company = None) -> None:
    """Start a company's export jobs again; those that waited are found by the next look."""
    settings = load(config, company)
    by = user_of_command_line()
    changed = asyncio.run(_done(settings, by, "resumed the company", Pauses.end))
    typer.echo(f"{name(settings)} is resumed" if changed else f"{name(settings)} was not paused")


async def _done(settings: Settings, by: str, action: str, deed: Callable[[Pauses, str], Awaitable[bool]]) -> bool:
    async with composition.posting_journal(settings) as journal:
        if journal is None:
            raise SettingsError(["there is no database yet at database.url; start `tallybook serve` first"])
        company_id, audit = settings.pleo.company_id.lower(), Audit(journal.connections)
        begun = Deed(SystemClock().now(), by, action, company_id)
        work = partial(deed, Pauses(journal.connections), company_id)
        return await audit.over(begun, work, lambda changed: "done" if changed else "nothing to do")
