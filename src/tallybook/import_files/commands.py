"""`tallybook datev ...`, `tallybook sie ...`, `tallybook csv ...`: sets of import files, listed and written."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from tallybook import settings as tallybook_settings
from tallybook.errors import SettingsError, TallybookError
from tallybook.import_files.system import FileBooks
from tallybook.import_files.texts import one_line

Answer = TypeVar("Answer")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="TALLYBOOK_CONFIG", help="The settings file that names the book.")
]
CONFIG = Path("tallybook.toml")

Opened = Callable[[Mapping[str, Any]], FileBooks]


def _run(name: str, opened: Opened, config: Path, work: Callable[[FileBooks, str], Awaitable[Answer]]) -> Answer:
    """Open the books that the settings name; what goes wrong becomes sentences, and 2 for the user's, else 1."""

    async def opened_and_closed() -> Answer:
        told = tallybook_settings.load(config, os.environ)
        books = opened(told.books.section(name))
        try:
            return await work(books, told.pleo.company_id.lower())
        finally:
            await books.aclose()

    try:
        return asyncio.run(opened_and_closed())
    except TallybookError as error:
        for problem in error.problems if isinstance(error, SettingsError) else [str(error)]:
            typer.echo(one_line(problem), err=True)
        raise typer.Exit(2 if isinstance(error, SettingsError) else 1) from None


def commands(name: str, opened: Opened) -> typer.Typer:
    """Make the commands of one format; `opened` opens its books by their section of the settings."""
    app = typer.Typer(name=name, help=f"Import files for {name}.", no_args_is_help=True)

    @app.command("sets", epilog=f"\b\nExamples:\n  tallybook {name} sets")
    def list_sets(config: ConfigOption = CONFIG) -> None:
        """List the sets of import files: number, period, entries, when, for which job, and why again."""
        for made in _run(name, opened, config, lambda books, company_id: books.hand_overs.sets(company_id)):
            state = "" if made.sha256 else "  not written yet"
            again = f"  again {made.again_of:06d}: {one_line(made.reason)}" if made.again_of is not None else ""
            typer.echo(
                f"{made.number:06d}  {made.period.name}  {made.entries} entries  "
                f"{made.made_at:%Y-%m-%d %H:%M}  {one_line(made.job_id)}{again}{state}"
            )

    @app.command("export", epilog=f"\b\nExamples:\n  tallybook {name} export")
    def export(config: ConfigOption = CONFIG) -> None:
        """Hand over what waits now, without an export job, and write the files that are missing."""

        async def hand_over(books: FileBooks, company_id: str) -> int:
            before = {made.number for made in await books.hand_overs.sets(company_id) if made.sha256}
            await books.finish(company_id, "by hand")
            return len([made for made in await books.hand_overs.sets(company_id) if made.number not in before])

        typer.echo(f"{_run(name, opened, config, hand_over)} sets written")

    @app.command("again", epilog=f"\b\nExamples:\n  tallybook {name} again 7 --reason 'The importer lost it'")
    def again(
        number: Annotated[int, typer.Argument(min=1, help="The number of a set.")],
        reason: Annotated[str, typer.Option(help="Why it is written again; kept with the new set.")],
        config: ConfigOption = CONFIG,
    ) -> None:
        """Write the entries of a set again, under a new number; the importing system will see them twice."""
        if not reason.strip():
            raise typer.BadParameter("say why, so that it can be told later", param_hint="--reason")
        made = _run(name, opened, config, lambda books, _: books.again(number, one_line(reason)))
        typer.echo(f"{made.number:06d} written, with the {made.entries} entries of {made.again_of:06d}")

    return app
