"""`tallybook plan JOB`: what the export of a job would book and report, before anything is."""

import asyncio
import json
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import typer

from tallybook import app as composition
from tallybook.accounting.entry import Document, Line, PostingState
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load, load_all
from tallybook.companies import name
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

    What cannot be tried beforehand, such as whether a receipt can be fetched, is taken to go well, and said.

    Exit code 0: the job would be completed, as far as can be known; 1: something would be refused, or is in the way of
    exporting the job at all, and then there is no hash; 2: bad settings.
    """
    settings = load(config, company)
    found = asyncio.run(_plan(settings, str(job), as_json=as_json))
    if as_json:
        typer.echo(json.dumps(plan_json(found)))
    else:
        _tell(found)
        if found.job.company_id != settings.pleo.company_id.lower():
            _tell_whose(found, load_all(config))
    if found.obstacle or found.final.event is not JobEvent.COMPLETED:
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
    why = f" ({found.final.reason}: {output.harmless(found.final.text).plain})" if found.final.reason else ""
    end = f"end as {found.final.event.value}"
    if found.obstacle and not found.waits:
        typer.echo(f"Export job {found.job.id} cannot be exported now: {output.harmless(found.obstacle).plain}.")
        reason = f" ({found.final.reason})" if found.final.reason else ""
        typer.echo(f"If it were exported, it would {end}{reason}. Mend that, and plan it again.")
        return
    counts = [f"{count} {_COUNTED[fate]}" for fate, count in found.fates.items()]
    if found.done_before:
        counts.append(f"{found.done_before} reported before")
    typer.echo(f"Export job {found.job.id}: {', '.join(counts) or 'no items'}.")
    typer.echo(f"It would {end}{why}{found.untried}.")
    if found.waits:
        typer.echo(f"But {found.obstacle} (tallybook resume). Plan it again then.")
        return
    typer.echo(f"Plan: {found.hash}")
    typer.echo(f"Export exactly this: tallybook run --job {found.job.id} --plan {found.hash}")


def _tell_whose(found: JobPlan, every: list[Settings]) -> None:
    for settings in every:
        if settings.pleo.company_id.lower() == found.job.company_id:
            typer.echo(f"It is a job of {name(settings)}: tallybook plan {found.job.id} --company {name(settings)}")


_COUNTED = {
    Fate.RECORD: "to record",
    Fate.CORRECT: "to correct",
    Fate.LINK: "in the books already",
    Fate.REFUSE: "refused",
}


def _lines(item: PlannedItem) -> list[str]:
    """Write an item as lines of text; each is made harmless when it is printed."""
    lines = [f"{item.entry_id} {_FATES[item.fate]}{_because(item)}"]
    if (entry := item.entry) is not None:
        moved = f", moved from {entry.original_on}" if entry.original_on != entry.posting_on else ""
        state = "posted" if entry.posting is PostingState.POSTED else "a draft"
        lines.append(
            f"  on {entry.posting_on} (period {entry.posting_on:%Y-%m}{moved}), {state}: {entry.details.description}"
        )
        if (paid := entry.details.supplier_amount) is not None:
            lines.append(
                f"  paid in another currency: {decimal_text(paid.amount_minor, paid.currency)} {paid.currency}"
            )
        for document in entry.documents:
            lines += [_heading(document), *(_line(line, document) for line in document.lines)]
    receipts = "would be added" if item.fate is Fate.LINK else "would be stored"
    lines += [
        f"  receipt {file.position} {receipts}: {file.declared_type or 'type not announced'}, "
        + ("size not announced" if file.declared_size_bytes is None else f"{file.declared_size_bytes} bytes")
        for file in item.files
    ]
    return [*lines, *(f"  left out: {sentence}" for sentence in item.left_out)]


def _heading(document: Document) -> str:
    facts = [
        document.kind.value.replace("_", " "),
        f"of vendor {document.vendor}" if document.vendor else "",
        f"number {document.invoice_number}" if document.invoice_number else "",
        f"of {document.invoice_on}" if document.invoice_on else "",
        f"due {document.due_on}" if document.due_on else "",
    ]
    return f"  {' '.join(filter(None, facts))}"


def _because(item: PlannedItem) -> str:
    if item.fate is Fate.REFUSE:
        return f": {item.result.reason}: {item.result.text}"
    if item.fate is Fate.LINK:
        return f" as {item.result.external_id}{', a draft that would be posted' * item.posts}"
    if item.fate is Fate.CORRECT:
        where = f", which was handed over in {item.handed_over}," if item.handed_over else ""
        return f": {item.corrects}{where} is reversed on {item.reversal_on}, then"
    return f", in place of {item.entry.replaces}" if item.entry and item.entry.replaces else ""


def _line(line: Line, document: Document) -> str:
    amount = decimal_text(abs(line.amount_minor), document.currency)
    columns = f"{amount:>14} {'':14}" if line.amount_minor >= 0 else f"{'':14} {amount:>14}"
    tax = f"  tax {line.tax_code}" if line.tax_code else ""
    tags = f"  tags {', '.join(f'{each.group} {each.code}' for each in line.dimensions)}" if line.dimensions else ""
    return f"    {line.account:<10} {columns} {document.currency}{tax}{tags}"


def item_json(item: PlannedItem) -> dict[str, Any]:
    """Give a planned item as JSON; amounts are decimals in text, debits positive."""
    entry = item.entry
    paid = entry and entry.details.supplier_amount
    return {
        "accountingEntryId": item.entry_id,
        "fate": item.fate.value,
        "externalId": item.result.external_id,
        "failureReasonType": item.result.reason,
        "failureReason": item.result.text,
        "posts": item.posts,
        "corrects": item.corrects,
        "reversalOn": _day(item.reversal_on),
        "handedOver": item.handed_over,
        "entry": entry
        and {
            "postingOn": entry.posting_on.isoformat(),
            "originalOn": entry.original_on.isoformat(),
            "period": f"{entry.posting_on:%Y-%m}",
            "posting": entry.posting.value,
            "sort": entry.details.sort,
            "subSort": entry.details.sub_sort,
            "description": entry.details.description,
            "supplierAmount": paid and decimal_text(paid.amount_minor, paid.currency),
            "supplierCurrency": paid and paid.currency,
            "replaces": entry.replaces,
            "documents": [_document_json(document) for document in entry.documents],
        },
        "attachments": [
            {"position": file.position, "type": file.declared_type, "sizeBytes": file.declared_size_bytes}
            for file in item.files
        ],
        "attachmentsLeftOut": list(item.left_out),
    }


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _document_json(document: Document) -> dict[str, Any]:
    return {
        "kind": document.kind.value,
        "currency": document.currency,
        "vendor": document.vendor,
        "invoiceNumber": document.invoice_number,
        "invoiceOn": _day(document.invoice_on),
        "dueOn": _day(document.due_on),
        "lines": [
            {
                "account": line.account,
                "amount": decimal_text(line.amount_minor, document.currency),
                "role": line.role.value,
                "taxCode": line.tax_code,
                "taxBase": None
                if line.tax_base_minor is None
                else decimal_text(line.tax_base_minor, document.currency),
                "tags": {each.group: each.code for each in line.dimensions},
            }
            for line in document.lines
        ],
    }


def plan_json(found: JobPlan) -> dict[str, Any]:
    """Give the end of a plan as JSON, without its items; a job that cannot be exported now has no hash."""
    return {
        "exportJobId": found.job.id,
        "fates": {fate.value: found.fates.get(fate, 0) for fate in Fate},
        "doneBefore": found.done_before,
        "event": found.final.event.value,
        "failureReasonType": found.final.reason,
        "failureReason": found.final.text,
        "receiptsNotTried": found.untried.receipts,
        "entriesNotTried": found.untried.entries,
        "reversalsNotTried": found.untried.reversals,
        "draftsNotTried": found.untried.drafts,
        "obstacle": found.obstacle,
        "waits": found.waits,
        "plan": None if found.obstacle else found.hash,
    }
