"""`tallybook items JOB`: the items of one export job with their results."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Column, Table

from tallybook import app as composition
from tallybook.cli import output
from tallybook.cli.settings_option import Config, load
from tallybook.clock import SystemClock
from tallybook.pleo.models import ExportJobItem, ItemStatus
from tallybook.settings import Settings


def items(
    job: Annotated[UUID, typer.Argument(help="Id of the export job.")],
    config: Config = None,
    status: Annotated[ItemStatus | None, typer.Option(help="Only items in this state.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of a table.")] = False,
) -> None:
    """Show the items of an export job: what was booked under which number, and why the rest failed."""
    asyncio.run(_show(load(config), str(job), status, as_json=as_json))


async def _show(settings: Settings, job: str, status: ItemStatus | None, *, as_json: bool) -> None:
    table = Table(output.ids("Accounting entry"), "Status", Column("Booked as", overflow="fold"), output.reasons())
    count = 0
    async for item in _items(settings, job, status):
        count += 1
        if as_json:
            typer.echo(item.model_dump_json(by_alias=True))
            continue
        table.add_row(
            item.accounting_entry_id,
            output.harmless(item.status),
            output.harmless(item.external_id),
            output.reason(item.failure_reason_type, item.failure_reason),
        )
    if not as_json:
        output.console().print(table if count else "The job has no such items.")


async def _items(settings: Settings, job: str, status: ItemStatus | None) -> AsyncIterator[ExportJobItem]:
    client = composition.pleo_client(settings.pleo, SystemClock())
    try:
        async for item in client.job_items(job, status=status, page_size=settings.pleo.page_size):
            yield item
    finally:
        await client.aclose()
