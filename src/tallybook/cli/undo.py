"""`tallybook undo JOB|ITEM`: take back what an export booked, by reversal entries."""

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Column, Table

from tallybook import app as composition
from tallybook import undo as core
from tallybook.accounting.entry import EntryKey
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load
from tallybook.errors import SettingsError
from tallybook.settings import Settings
from tallybook.store.audit import Audit, Deed, user_of_command_line


def undo(
    job_or_item: Annotated[
        UUID, typer.Argument(metavar="JOB|ITEM", help="Id of an export job, or of one accounting entry.")
    ],
    on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="DATE", help="Day of the reversals; by default each entry's own.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    config: Config = None,
    company: Company = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an entry instead of a table.")] = False,
) -> None:  # fmt: skip
    """Reverse what an export booked, as far as it still is as it was written; asks before anything is written.

    What was changed, corrected or handed over since is left alone, and the reason is told. An entry that was undone is
    booked anew when it is exported again in Pleo, where it goes on being shown as exported until then.

    Exit code 0: everything is undone; 1: something is not; 2: bad settings, or nobody to ask.
    """
    settings, target, day = load(config, company), str(job_or_item), on and on.date()
    looked = asyncio.run(_look(settings, target, day))
    wanted = [each for each in looked if each.reversal is not None]
    begun = [each for each in looked if each.undone_by is not None]
    if not as_json:
        _show(looked)
    if wanted or begun:
        if not yes:
            _ask(len(wanted), len(begun))
        agreed = {each.reversal.key for each in wanted if each.reversal is not None}
        done = asyncio.run(_undo(settings, target, agreed, day))
    else:  # nothing is opened for writing
        done = [core.Undone(each.entry_id, each.number, problem=each.refusal) for each in looked]
    for one in done:
        if as_json:
            typer.echo(json.dumps(undone_json(one)))
        elif one.reversed_by or one.entry_id in {each.entry_id for each in wanted}:
            typer.echo(output.harmless(_sentence(one)).plain)
    if any(each.problem for each in done):
        raise typer.Exit(1)


def _ask(wanted: int, begun: int) -> None:
    if not sys.stdin.isatty():
        raise SettingsError(["undo asks before it writes, and there is no terminal to ask on; say --yes"])
    count = "this entry" if wanted == 1 else f"these {wanted} entries"
    question = f"Write reversals of {count}{', and finish what was begun' * bool(begun)}?"
    if not wanted:
        question = "Finish what was begun, where it was not finished?"
    typer.confirm(question, abort=True, err=True)


async def _look(settings: Settings, target: str, day: date | None) -> list[core.Undoing]:
    async with composition.onlooker(settings) as company:
        return await core.look(company, target, on=day)


async def _undo(settings: Settings, target: str, agreed: set[EntryKey], day: date | None) -> list[core.Undone]:
    async with composition.company(settings) as company:
        begun = Deed(company.clock.now(), user_of_command_line(), "undid", company.company_id, detail=target)
        work = partial(core.undo, company, target, agreed, on=day)
        return await Audit(company.journal.connections).over(begun, work, _count)


def _count(done: Sequence[core.Undone]) -> str:
    return f"{sum(each.reversed_by is not None for each in done)} of {len(done)} entries are reversed"


def _show(looked: Sequence[core.Undoing]) -> None:
    if not looked:
        typer.echo("The job exported nothing, so there is nothing to undo.")
        return
    table = Table(output.ids("Accounting entry"), "Booked as", Column("What would be done", overflow="fold"))
    for each in looked:
        table.add_row(each.entry_id, output.harmless(each.number), output.harmless(_what(each)))
    output.console().print(table)


def _what(each: core.Undoing) -> str:
    if each.reversal is not None:
        return f"reversed on {each.reversal.posting_on}"
    return f"undone already, by {each.undone_by}" if each.undone_by else f"left alone: {each.refusal}"


def _sentence(each: core.Undone) -> str:
    done = f"{each.number} is reversed by {each.reversed_by}" if each.reversed_by else f"{each.number} is not reversed"
    return f"{each.entry_id}: {done}{f'; {each.problem}' if each.problem else ''}"


def undone_json(each: core.Undone) -> dict[str, Any]:
    """Give what became of an entry as JSON."""
    return {
        "accountingEntryId": each.entry_id,
        "externalId": each.number,
        "reversedBy": each.reversed_by,
        "problem": each.problem,
    }
