"""`tallybook upgrade --check`: whether this release can go on with the runs another one began."""

from typing import Annotated

import typer

from tallybook.cli.settings_option import Config, load_all
from tallybook.errors import SettingsError
from tallybook.store.database import Database


def upgrade(
    config: Config = None,
    check: Annotated[bool, typer.Option("--check", help="Name the runs this release could not go on with.")] = False,
) -> None:
    """Say which unfinished runs this release could not go on with; exit code 1 if there are any.

    To be run from the new release before the old one is stopped. The tables themselves are brought up to date by the
    first start of the new release.
    """
    if not check:
        raise SettingsError(["upgrade: say --check; everything else is done when the new release starts"])
    from tallybook.engine.upgrade import stranded  # noqa: PLC0415 - the engine's package: see `serve`

    database = Database(load_all(config)[0].database.url)
    found = stranded(database)
    for run in found:
        typer.echo(f"{run.run} of company {run.company_id}: {run.why}")
    if found:
        typer.echo(
            f"{len(found)} {'run' if len(found) == 1 else 'runs'} would wait. Let the old release go on first: stop"
            " Pleo's exports or wait until `tallybook upgrade --check` names none, then stop it."
        )
        raise typer.Exit(1)
    typer.echo("This release goes on with every run that is under way.")
