"""`tallybook items JOB`: the items of one export job with their results."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Column, Table

from tallybook import app as composition
from tallybook.accounting.entry import EntryKey
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load
from tallybook.clock import SystemClock
from tallybook.pleo.models import ExportJobItem, ItemStatus
from tallybook.settings import Settings


def items(
    job: Annotated[UUID, typer.Argument(help="Id of the export job.")],
    config: Config = None,
    company: Company = None,
    status: Annotated[ItemStatus | None, typer.Option(help="Only items in this state.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of a table.")] = False,
) -> None:
    """Show the items of an export job: what was booked under which number, and why the rest failed.

    Posting is what our own journal knows of the entry's way into the books.
    """
    asyncio.run(_show(load(config, company), str(job), status, as_json=as_json))


async def _show(settings: Settings, job: str, status: ItemStatus | None, *, as_json: bool) -> None:
    number = Column("Booked as", overflow="fold")
    table = Table(
        output.ids("Accounting entry"), "Status", number, Column("Posting", overflow="fold"), output.reasons()
    )
    count, whole = 0, False
    async with composition.posting_journal(settings) as journal, aclosing(_items(settings, job, status)) as items:
        async for page in _pages(items):
            keys = [EntryKey(settings.pleo.company_id.lower(), item.accounting_entry_id) for item in page]
            postings = {} if journal is None else await journal.read(keys)
            count += len(page)
            whole |= any(item.status == ItemStatus.ABANDONED for item in page)
            for item, key in zip(page, keys, strict=True):
                posting = postings.get(key)
                if as_json:
                    shown = item.model_dump(mode="json", by_alias=True)
                    typer.echo(json.dumps(shown | {"posting": posting and output.posting_json(posting)}))
                    continue
                table.add_row(
                    item.accounting_entry_id,
                    output.harmless(item.status),
                    output.harmless(item.external_id),
                    output.posting_text(posting),
                    output.reason(item.failure_reason_type, item.failure_reason),
                )
    if not as_json:
        output.console().print(table if count else "The job has no such items.")
        if whole or not count:  # why is not said of the items, but of the job as a whole
            await _show_reason(settings, job)


async def _show_reason(settings: Settings, job: str) -> None:
    async with composition.pleo_client(settings, SystemClock()) as client:
        shown = await client.job(job)
    if shown.failure_reason_type or shown.failure_reason:
        why = output.reason(shown.failure_reason_type, shown.failure_reason)
        output.console().print(output.harmless(f"The job as a whole ended as {shown.status}: {why}"))


async def _pages(items: AsyncIterator[ExportJobItem], size: int = 100) -> AsyncIterator[list[ExportJobItem]]:
    page: list[ExportJobItem] = []
    async for item in items:
        page.append(item)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page


async def _items(settings: Settings, job: str, status: ItemStatus | None) -> AsyncGenerator[ExportJobItem]:
    client = composition.pleo_client(settings, SystemClock())
    try:
        async for item in client.job_items(job, status=status, page_size=settings.pleo.page_size):
            yield item
    finally:
        await client.aclose()
