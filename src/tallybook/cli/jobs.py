"""`tallybook jobs`: the export jobs of the company, as Pleo sees them."""

import asyncio
import json
from typing import Annotated

import typer
from rich.table import Table

from tallybook import app as composition
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load
from tallybook.clock import SystemClock
from tallybook.pleo.models import ExportJob, JobStatus
from tallybook.settings import Settings
from tallybook.store.errors import StoreError
from tallybook.store.pauses import Pauses


def jobs(
    config: Config = None,
    company: Company = None,
    status: Annotated[list[JobStatus] | None, typer.Option(help="Only jobs in this state; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array instead of a table.")] = False,
) -> None:
    """List the company's export jobs, newest first."""
    settings = load(config, company)
    found = asyncio.run(_newest(settings, status or [], limit))
    if paused := asyncio.run(_paused(settings)):
        output.console(stderr=True).print(output.harmless(paused))
    if as_json:
        typer.echo(json.dumps([job.model_dump(mode="json", by_alias=True) for job in found]))
        return
    console = output.console()
    if not found:
        console.print("Pleo has no such export jobs.")
        return
    table = Table(output.ids("Job"), "Status", "Items", "Created", output.reasons())
    for job in found:
        table.add_row(
            job.id,
            output.harmless(job.status),
            str(job.number_of_items),
            f"{job.created_at:%Y-%m-%d %H:%M} UTC",
            output.reason(job.failure_reason_type, job.failure_reason),
        )
    console.print(table)


async def _paused(settings: Settings) -> str:
    """Say whether the company is paused; empty when it is not."""
    try:
        async with composition.posting_journal(settings) as journal:
            pause = journal and await Pauses(journal.connections).of(settings.pleo.company_id.lower())
    except StoreError as error:
        return f"Whether the company is paused is not known: {error}"
    return (
        f"Paused since {pause.paused_at:%Y-%m-%d %H:%M} UTC by {pause.paused_by}: no job is started." if pause else ""
    )


async def _newest(settings: Settings, statuses: list[JobStatus], limit: int) -> list[ExportJob]:
    client = composition.pleo_client(settings, SystemClock())
    try:
        # Pleo publishes no sorting keys, so all jobs are read and sorted here.
        found = [job async for job in client.jobs(company_id=settings.pleo.company_id, statuses=statuses)]
    finally:
        await client.aclose()
    return sorted(found, key=lambda job: (job.created_at, job.id), reverse=True)[:limit]
