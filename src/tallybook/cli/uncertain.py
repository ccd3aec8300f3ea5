"""`tallybook uncertain`: entries that may be in the books or not, and what a person found out about them."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from tallybook import app as composition
from tallybook.accounting.entry import EntryKey
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load
from tallybook.clock import SystemClock
from tallybook.errors import SettingsError
from tallybook.history.history import History
from tallybook.money import Money
from tallybook.postings.errors import NoPosting
from tallybook.postings.journal import Journal
from tallybook.postings.posting import JournalState, Posting
from tallybook.postings.searching import Search
from tallybook.postings.searching import search as search_books
from tallybook.postings.settling import settle as settle_posting
from tallybook.postings.writing import EntryWriter
from tallybook.settings import Settings
from tallybook.store.audit import Audit, Deed, user_of_command_line

_NUMBER_LENGTH_MAX = 200
_NEXT = {
    JournalState.INTENT: "the next export that carries it looks for it in the books",
    JournalState.UNCERTAIN: "look for it in the books, then settle it",
}

app = typer.Typer(help="Show entries that may be in the books or not, and settle them.", invoke_without_command=True)


@app.callback()
def uncertain(
    context: typer.Context,
    config: Config = None,
    company: Company = None,
    search: Annotated[
        bool, typer.Option("--search", help="Search the books for each, and show what they hold.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of a table.")] = False,
) -> None:
    """Show entries that may be in the books or not: a run began to write them, and nobody knows how it ended."""
    if context.invoked_subcommand is not None:
        return
    settings = load(config, company)
    found = asyncio.run(_open(settings))
    searched = asyncio.run(_searched(settings, found)) if search and found else {}
    if as_json:
        for posting in found:
            typer.echo(json.dumps(_json(posting) | _found_json(searched.get(posting.key))))
        return
    console = output.console()
    if not found:
        console.print("Nothing is uncertain.")
        return
    table = Table(
        output.ids("Accounting entry"),
        "Attempted",
        "State",
        "What is known",
        "In the books" if searched else "What to do",
    )
    for posting in found:
        table.add_row(
            posting.key.entry_id,
            f"{posting.attempted_at:%Y-%m-%d %H:%M} UTC",
            posting.state.value,
            output.harmless(f"{posting.error or 'its run ended before the answer'}; {posting.books}"),
            output.harmless(_found_text(searched[posting.key])) if searched else _NEXT[posting.state],
        )
    console.print(table)


@app.command()
def settle(
    entry: Annotated[UUID, typer.Argument(help="Id of the accounting entry.")],
    booked: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="It is in the books, under this number.", show_default=False)
    ] = None,
    not_booked: Annotated[bool, typer.Option("--not-booked", help="It is not in the books.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is so.")] = False,
    config: Config = None,
    company: Company = None,
) -> None:
    """Say what you found: a booked entry is linked by the next export that carries it, another one is recorded."""
    number = None if booked is None else booked.strip()
    if (number is None) != not_booked or (number is not None and not _is_number(number)):
        raise SettingsError(["say either --booked NUMBER, with the number it has in the books, or --not-booked"])
    what = "not in the books" if number is None else f"in the books as {number}"
    if not yes:
        typer.confirm(f"You have looked, and entry {entry} is {what}?", abort=True)
    asyncio.run(_settle(load(config, company), str(entry), number))
    then = "records it" if number is None else "links it"
    typer.echo(f"Entry {entry} is {what}; the next export that carries it {then}.")


def _is_number(text: str) -> bool:
    return bool(text) and text.isprintable() and len(text) <= _NUMBER_LENGTH_MAX


async def _open(settings: Settings) -> list[Posting]:
    async with composition.posting_journal(settings) as journal:
        return [] if journal is None else await journal.open_postings(settings.pleo.company_id.lower())


async def _searched(settings: Settings, postings: Sequence[Posting]) -> Mapping[EntryKey, Search]:
    async with composition.onlooker(settings) as company:
        writer = EntryWriter(company.books, company.journal, company.books_name, "", company.clock)
        return await search_books(writer, postings)


def _found_text(found: Search) -> str:
    if found.inconclusive is not None:
        return found.inconclusive
    newest = found.versions[-1] if found.versions else None
    if newest is None or found.standing is None:
        return found.told()
    held = found.held.get(newest.recorded.key)
    day = held.posting_on if held else newest.recorded.posting_on
    said = f"{newest.recorded.external_id}, {newest.recorded.state.value}" + (f", {day}" if day else "")
    lines = [f"{line.account} {Money(line.amount_minor, line.currency)}" for line in held.lines] if held else []
    return "; ".join([said, *lines])


def _found_json(found: Search | None) -> dict[str, Any]:
    if found is None:
        return {}
    if found.inconclusive is not None:
        return {"found": None, "inconclusive": found.inconclusive}
    return {
        "found": [
            {
                "externalId": each.recorded.external_id,
                "state": each.recorded.state.value,
                "takenBackBy": each.reversal and each.reversal.external_id,
                "postingOn": held.posting_on.isoformat() if held else None,
                "lines": held
                and [
                    {"account": line.account, "amountMinor": line.amount_minor, "currency": line.currency}
                    for line in held.lines
                ],
            }
            for each in found.versions
            for held in [found.held.get(each.recorded.key)]
        ]
    }


async def _settle(settings: Settings, entry_id: str, number: str | None) -> None:
    async with composition.posting_journal(settings) as journal:
        if journal is None:
            raise SettingsError(
                ["there is no posting journal yet at the database of database.url; nothing was settled"]
            )
        key = EntryKey(settings.pleo.company_id.lower(), entry_id)
        posting = (await journal.read([key])).get(key)
        if posting is not None and posting.state is JournalState.INTENT:
            await _require_nobody_at_work(journal, posting)
        seen = posting.version if posting else None
        what = "not in the books" if number is None else f"in the books as {number}"
        begun = Deed(
            SystemClock().now(), user_of_command_line(), "settled an entry", key.company_id, None, entry_id, what
        )
        work = partial(settle_posting, journal, key, booked_as=number, seen_version=seen)
        await Audit(journal.connections).over(begun, work)


async def _require_nobody_at_work(journal: Journal, posting: Posting) -> None:
    """See that no export is writing the entry at this moment.

    Raises:
        NoPosting: one is.
    """
    if await History(journal.connections).at_work([posting.job_id], SystemClock().now()):
        raise NoPosting(
            f"An export is writing entry {posting.key.entry_id} at this moment: nothing was settled; look again when"
            " it has ended"
        )


def _json(posting: Posting) -> dict[str, Any]:
    return {
        "companyId": posting.key.company_id,
        "accountingEntryId": posting.key.entry_id,
        "exportJobId": posting.job_id,
        "attemptedAt": posting.attempted_at.isoformat(),
        "books": posting.books,
        **output.posting_json(posting),
    }
