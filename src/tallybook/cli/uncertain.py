"""`tallybook uncertain`: entries that may be in the books or not, and what a person found out about them."""

import asyncio
import json
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
from tallybook.postings.errors import NoPosting
from tallybook.postings.journal import Journal
from tallybook.postings.posting import JournalState, Posting
from tallybook.postings.settling import settle as settle_posting
from tallybook.settings import Settings

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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of a table.")] = False,
) -> None:
    """Show entries that may be in the books or not: a run began to write them, and nobody knows how it ended."""
    if context.invoked_subcommand is not None:
        return
    found = asyncio.run(_open(load(config, company)))
    if as_json:
        for posting in found:
            typer.echo(json.dumps(_json(posting)))
        return
    console = output.console()
    if not found:
        console.print("Nothing is uncertain.")
        return
    table = Table(output.ids("Accounting entry"), "Attempted", "State", "What is known", "What to do")
    for posting in found:
        table.add_row(
            posting.key.entry_id,
            f"{posting.attempted_at:%Y-%m-%d %H:%M} UTC",
            posting.state.value,
            output.harmless(f"{posting.error or 'its run ended before the answer'}; {posting.books}"),
            _NEXT[posting.state],
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
        await settle_posting(journal, key, booked_as=number, seen_version=seen)


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
