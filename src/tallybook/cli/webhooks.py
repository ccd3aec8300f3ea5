"""`tallybook webhooks`: the subscription by which Pleo tells of a new export job, and the secret it signs with."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Column, Table

from tallybook import app as composition
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load
from tallybook.clock import SystemClock
from tallybook.errors import TallybookError
from tallybook.pleo.subscriptions import Subscription, Subscriptions, SubscriptionWish, checked_address
from tallybook.pleo.vocabulary import SubscriptionStatus, WebhookEvent

app = typer.Typer(help="Be told of new export jobs by Pleo.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The subscription's id.", show_default=False)]
_T = TypeVar("_T")


@app.command()
def subscribe(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where Pleo shall send to: https.", show_default=False)],
    config: Config = None,
    company: Company = None,
) -> None:
    """Let Pleo send to URL when an export job is created; a subscription that is there already is used."""
    subscription, what = _ask(config, company, lambda subscriptions: _subscribed(subscriptions, checked_address(url)))
    typer.echo(f"{what} {subscription.id} to {output.harmless(subscription.endpoint_url)}")
    typer.echo(f"Its secret: tallybook webhooks secret {subscription.id} --to FILE, then webhooks.secret_file = FILE")


async def _subscribed(subscriptions: Subscriptions, url: str) -> tuple[Subscription, str]:
    event = WebhookEvent.EXPORT_JOB_CREATED
    there = [each async for each in subscriptions.all(event_types=[event]) if each.endpoint_url == url]
    if active := [each for each in there if each.status == SubscriptionStatus.ACTIVE]:
        return active[0], "There is already subscription"
    if there:  # somebody switched it off; switching it on would lose the password Pleo shows nobody
        raise TallybookError(
            f"subscription {there[0].id} to this address is inactive; activate it where it was made inactive, or"
            f" remove it first: tallybook webhooks remove {there[0].id}"
        )
    return await subscriptions.create(SubscriptionWish(url, [event])), "Created subscription"


@app.command("list")
def list_(config: Config = None, company: Company = None) -> None:
    """List the subscriptions this credential sees."""

    async def everything(subscriptions: Subscriptions) -> list[Subscription]:
        return [each async for each in subscriptions.all()]

    found = _ask(config, company, everything)
    console = output.console()
    if not found:
        console.print("Pleo has no webhook subscriptions.")
        return
    table = Table(Column("Subscription", no_wrap=True), "Status", "Events", Column("Address", overflow="fold"))
    for each in found:
        events = output.harmless(", ".join(each.event_types))
        table.add_row(each.id, output.harmless(each.status), events, output.harmless(each.endpoint_url))
    console.print(table)


@app.command()
def remove(subscription_id: Id, config: Config = None, company: Company = None) -> None:
    """Remove a subscription; Pleo is asked for new jobs all the same."""
    _ask(config, company, lambda subscriptions: subscriptions.remove(subscription_id))
    typer.echo(f"Removed subscription {subscription_id}")


@app.command()
def secret(
    subscription_id: Id,
    config: Config = None,
    company: Company = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write it to this new file, for its owner alone.", show_default=False)
    ] = None,
) -> None:
    """Show the secret that a subscription's notifications are signed with."""
    shown = _ask(config, company, lambda subscriptions: subscriptions.secret(subscription_id)).get_secret_value()
    if to is None:
        typer.echo(shown)
        return
    try:
        # Made by us with these rights, or not at all: an older file may be readable to others, or a link elsewhere.
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{shown}\n")
    except OSError as error:
        raise TallybookError(f"the secret cannot be written to {to}: {error.strerror}; name a new file") from error
    typer.echo(f"The secret is in {to}", err=True)


def _ask(config: Path | None, company: str | None, question: Callable[[Subscriptions], Awaitable[_T]]) -> _T:
    settings = load(config, company)

    async def asked() -> _T:
        client = composition.pleo_client(settings, SystemClock())
        try:
            return await question(client.subscriptions)
        finally:
            await client.aclose()

    return asyncio.run(asked())
