"""`tallybook tie-out JOB`: what Pleo has of a job against what the books hold, read back from the books."""

import asyncio
import json
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Column, Table

from tallybook import app as composition
from tallybook import tie_out as core
from tallybook.cli import output
from tallybook.cli.settings_option import Company, Config, load
from tallybook.errors import TallybookError
from tallybook.settings import Settings


def tie_out(
    job: Annotated[UUID, typer.Argument(help="Id of the export job.")],
    config: Config = None,
    company: Company = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Also write it as CSV.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Compare what Pleo has of an export job with what the books hold now, read back from the books.

    Amounts are added up by period, currency, account and tax code; entries that are missing, extra, altered or taken
    back in the books are named.

    Exit code 0: they agree, or there was nothing to compare; 1: they differ, or could not be compared; 2: bad settings.
    """
    found = asyncio.run(_compare(load(config, company), str(job)))
    if csv is not None:
        _write(csv, core.csv_text(found))
    if as_json:
        typer.echo(json.dumps(tie_out_json(found)))
    else:
        _show(found)
    if not found.ties_out:
        raise typer.Exit(1)


async def _compare(settings: Settings, job_id: str) -> core.TieOut:
    async with composition.onlooker(settings) as company:
        return await core.tie_out(company, job_id)


def _show(found: core.TieOut) -> None:
    console = output.console()
    if found.sums:
        table = Table(
            "Period", "Currency", "Account", "Tax code",
            _amounts("Pleo"), _amounts("Books"), _amounts("Difference"),
        )  # fmt: skip
        for each in found.sums:
            place = each.place
            amounts = [each.text(amount) for amount in (each.pleo_minor, each.books_minor, each.difference_minor)]
            if not each.difference_minor:
                amounts[-1] = ""
            table.add_row(
                place.period, place.currency, output.harmless(place.account), output.harmless(place.tax_code), *amounts
            )
        console.print(table)
    for difference in found.differences:
        typer.echo(output.harmless(f"{difference.entry_id} {difference.kind}: {difference.text}").plain)
    for remark in found.remarks:
        typer.echo(output.harmless(f"{remark.entry_id}: {remark.text}").plain)
    for sentence in core.sentences(found):
        typer.echo(sentence)


def _amounts(title: str) -> Column:
    return Column(title, justify="right", no_wrap=True)


def tie_out_json(found: core.TieOut) -> dict[str, Any]:
    """Give a tie-out as JSON; amounts are decimals in text, debits positive."""
    return {
        "exportJobId": found.job.id,
        "readAt": found.read_at.isoformat(),
        "tiesOut": found.ties_out,
        "nothingToCompare": found.is_empty,
        "compared": found.compared,
        "amountsNotCompared": found.uncompared,
        "aspectsNotCompared": {aspect.value: count for aspect, count in found.untold.items()},
        "withoutResult": found.unended,
        "sums": [
            {
                "period": each.place.period,
                "currency": each.place.currency,
                "account": each.place.account,
                "taxCode": each.place.tax_code or None,
                "pleo": each.text(each.pleo_minor),
                "books": each.text(each.books_minor),
                "difference": each.text(each.difference_minor),
            }
            for each in found.sums
        ],
        "differences": [
            {
                "accountingEntryId": each.entry_id,
                "kind": each.kind.value,
                "externalId": each.external_id,
                "text": each.text,
            }
            for each in found.differences
        ],
        "remarks": [{"accountingEntryId": each.entry_id, "text": each.text} for each in found.remarks],
    }


def _write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all, in place of one that is there."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise TallybookError(f"{path} cannot be written ({error.strerror}); name another file with --csv") from error
