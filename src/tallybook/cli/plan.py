"""`tallybook plan JOB`: what the export of a job would book and report, before anything is."""

import asyncio
import json
from typing import Annotated, Any
from uuid import UUID

import typer

from tallybook import app as composition
from tallybook.accounting.entry import Document, Line, PostingState
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load
from tallybook.dry_run import Fate, JobPlan, PlannedItem, plan_job
from tallybook.money import decimal_text
from tallybook.pleo.models import JobEvent
from tallybook.settings import Settings

_FATES = {
    Fate.RECORD: "would be recorded",
    Fate.CORRECT: "would be corrected",
    Fate.LINK: "is in the books already",
    Fate.REFUSE: "would be refused",
}


def plan(
    job: Annotated[UUID, typer.Argument(help="Id of an export job that is pending or in progress.")],
    config: Config = None,
    company: Company = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: an item a line, at last the plan.")] = False,
) -> None:
    """Show what the export of a job would book and tell Pleo, entry by entry; nothing is written anywhere.

    The plan ends with a hash. Give it to `tallybook run`, and the job is exported only if it would do exactly this.

    A reversal, where something would be corrected, cannot be tried beforehand: the plan says so, and counts on it.

    Exit code 0: the job would be completed, as far as can be known; 1: something would be refused; 2: bad settings.
    """
    found = asyncio.run(_plan(load(config, company), str(job), as_json=as_json))
    if as_json:
        typer.echo(json.dumps(plan_json(found)))
    else:
        _tell(found)
    if found.final.event is not JobEvent.COMPLETED:
        raise typer.Exit(1)


async def _plan(settings: Settings, job_id: str, *, as_json: bool) -> JobPlan:
    def show(item: PlannedItem) -> None:
        if as_json:
            typer.echo(json.dumps(item_json(item)))
            return
        for line in _lines(item):
            typer.echo(output.harmless(line).plain)

    async with composition.onlooker(settings) as company:
        return await plan_job(company, job_id, planned=show)


def _tell(found: JobPlan) -> None:
    counts = [f"{count} {_COUNTED[fate]}" for fate, count in found.fates.items()]
    if found.done_before:
        counts.append(f"{found.done_before} reported before")
    typer.echo(f"Export job {found.job.id}: {', '.join(counts) or 'no items'}.")
    why = f" ({found.final.reason}: {output.harmless(found.final.text).plain})" if found.final.reason else ""
    typer.echo(f"It would end as {found.final.event.value}{why}{_provided(found)}.")
    typer.echo(f"Plan: {found.hash}")
    typer.echo(f"Export exactly this: tallybook run --job {found.job.id} --plan {found.hash}")


def _provided(found: JobPlan) -> str:
    if not found.untried:
        return ""
    reversals = "the reversal" if found.untried == 1 else f"the {found.untried} reversals"
    return f", provided that the books take {reversals}, which cannot be tried beforehand"


_COUNTED = {
    Fate.RECORD: "to record",
    Fate.CORRECT: "to correct",
    Fate.LINK: "in the books already",
    Fate.REFUSE: "refused",
}


def _lines(item: PlannedItem) -> list[str]:
    """Write an item as lines of text; each is made harmless when it is printed."""
    lines = [f"{item.entry_id} {_FATES[item.fate]}{_because(item)}"]
    if item.entry is not None:
        entry = item.entry
        moved = f", moved from {entry.original_on}" if entry.original_on != entry.posting_on else ""
        state = "posted" if entry.posting is PostingState.POSTED else "a draft"
        lines.append(
            f"  {entry.posting_on} (period {entry.posting_on:%Y-%m}{moved}), {state}: {entry.details.description}"
        )
        for document in entry.documents:
            lines.append(
                f"  {document.kind.value.replace('_', ' ')}{f' of vendor {document.vendor}' * bool(document.vendor)}"
            )
            lines += [_line(line, document) for line in document.lines]
    lines += [
        f"  receipt {file.position}: {file.declared_type or 'type not announced'}, "
        + ("size not announced" if file.declared_size_bytes is None else f"{file.declared_size_bytes} bytes")
        for file in item.files
    ]
    return lines


def _because(item: PlannedItem) -> str:
    if item.fate is Fate.REFUSE:
        return f": {item.result.reason}: {item.result.text}"
    if item.fate is Fate.LINK:
        return f" as {item.result.external_id}{', a draft that would be posted' * item.posts}"
    if item.fate is Fate.CORRECT:
        return f": {item.corrects} is reversed on {item.reversal_on}, then"
    return f", in place of {item.entry.replaces}" if item.entry and item.entry.replaces else ""


def _line(line: Line, document: Document) -> str:
    amount = decimal_text(abs(line.amount_minor), document.currency)
    columns = f"{amount:>14} {'':14}" if line.amount_minor >= 0 else f"{'':14} {amount:>14}"
    tax = f"  tax {line.tax_code}" if line.tax_code else ""
    tags = "".join(f"  {each.group} {each.code}" for each in line.dimensions)
    return f"    {line.account:<10} {columns} {document.currency}{tax}{tags}"


def item_json(item: PlannedItem) -> dict[str, Any]:
    """Give a planned item as JSON; amounts are decimals in text, debits positive."""
    entry = item.entry
    return {
        "accountingEntryId": item.entry_id,
        "fate": item.fate.value,
        "externalId": item.result.external_id,
        "failureReasonType": item.result.reason,
        "failureReason": item.result.text,
        "posts": item.posts,
        "corrects": item.corrects,
        "reversalOn": item.reversal_on and item.reversal_on.isoformat(),
        "entry": entry
        and {
            "postingOn": entry.posting_on.isoformat(),
            "originalOn": entry.original_on.isoformat(),
            "period": f"{entry.posting_on:%Y-%m}",
            "posting": entry.posting.value,
            "description": entry.details.description,
            "replaces": entry.replaces,
            "documents": [_document_json(document) for document in entry.documents],
        },
        "attachments": [
            {"position": file.position, "type": file.declared_type, "sizeBytes": file.declared_size_bytes}
            for file in item.files
        ],
    }


def _document_json(document: Document) -> dict[str, Any]:
    return {
        "kind": document.kind.value,
        "currency": document.currency,
        "vendor": document.vendor,
        "lines": [
            {
                "account": line.account,
                "amount": decimal_text(line.amount_minor, document.currency),
                "role": line.role.value,
                "taxCode": line.tax_code,
                "tags": {each.group: each.code for each in line.dimensions},
            }
            for line in document.lines
        ],
    }


def plan_json(found: JobPlan) -> dict[str, Any]:
    """Give the end of a plan as JSON, without its items."""
    return {
        "exportJobId": found.job.id,
        "fates": {fate.value: found.fates.get(fate, 0) for fate in Fate},
        "doneBefore": found.done_before,
        "event": found.final.event.value,
        "failureReasonType": found.final.reason,
        "failureReason": found.final.text,
        "reversalsNotTried": found.untried,
        "plan": found.hash,
    }
