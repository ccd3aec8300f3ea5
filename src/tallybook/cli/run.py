"""`tallybook run`: export what is pending, oldest first, and exit."""

import asyncio
import json
import re
import signal
from collections import Counter
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tallybook import app as composition
from tallybook import workflow
from tallybook.cli import output, run_now
from tallybook.cli.settings_option import Company, Config, load_some
from tallybook.companies import chosen, name
from tallybook.dry_run import PlanDiffers, require_plan
from tallybook.errors import SettingsError, TallybookError
from tallybook.outcome import JobReport
from tallybook.pleo.client import CallRecord
from tallybook.settings import Settings

PLAN_DIFFERS = 3  # exit code
_HASH = re.compile(r"[0-9a-f]{64}(-[0-9a-f]+)?")


def run(
    config: Config = None,
    company: Company = None,
    job: Annotated[UUID | None, typer.Option(help="Only this export job.", show_default=False)] = None,
    agreed: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="HASH",
            help="Export the job only if it would do what the plan of this hash says.",
            show_default=False,
        ),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Let the server that is running look at once instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Export what is pending in Pleo, oldest first, and exit; refused while `tallybook serve` does so.

    With several companies in the settings one after the other, or the one named. With --now nothing is exported here:
    the server is asked to look for jobs.

    Exit code 0: every job completed; 1: some job did not; 2: bad settings; 3: the job would differ from the plan, and
    was not begun; 130: stopped at once by a second Ctrl-C.
    """
    every = load_some(config, company)
    if agreed is not None:
        _require_hash(agreed, job)
    if now:
        if job is not None:
            raise SettingsError(["run: --now looks for all jobs; name no --job with it"])
        looking = run_now.look_now(every[0].serve, every[0].pleo.company_id if company else None)
        companies = "1 company" if len(looking) == 1 else f"{len(looking)} companies"
        typer.echo(f"The server looks for export jobs now, for {companies}: {', '.join(looking)}")
        return
    if job is not None and len(every) > 1:
        chosen(every, None)  # a job is one company's
    calls: Counter[str] = Counter()
    reports: list[JobReport] = []
    code = 0
    try:
        code = _export_each(every, str(job) if job else None, calls, agreed, reports)
    except PlanDiffers as differs:
        typer.echo(str(differs), err=True)
        raise typer.Exit(PLAN_DIFFERS) from None
    except KeyboardInterrupt:
        typer.echo("Stopped at once; what is booked stays booked, and the next run goes on from there.", err=True)
        code = 130  # what other companies' jobs came to is shown all the same
    if as_json:
        typer.echo(json.dumps({"jobs": [output.report_json(report) for report in reports], "calls": dict(calls)}))
    elif reports or not code:
        show(reports)
    if code or not all(report.completed for report in reports):
        raise typer.Exit(code or 1)


def _require_hash(agreed: str, job: UUID | None) -> None:
    if job is None:
        raise SettingsError(["run: --plan is about one export job; name it with --job"])
    if not _HASH.fullmatch(agreed):
        raise SettingsError(["run: --plan takes the whole hash that `tallybook plan` printed; copy it again"])


def _export_each(
    every: list[Settings], job_id: str | None, calls: Counter[str], agreed: str | None, reports: list[JobReport]
) -> int:
    """Export for one company after another, adding to `reports`; gives the exit code of the worst that was refused.

    One that is refused is no matter of the others.
    """
    stopping = asyncio.Event()
    code = 0
    for each in every:
        if stopping.is_set():
            break
        try:
            reports += asyncio.run(export(each, job_id=job_id, calls=calls, stopping=stopping, agreed=agreed))
        except TallybookError as error:
            if len(every) == 1:
                raise
            typer.echo(output.harmless(f"company {name(each)}: {error}"), err=True)
            code = max(code, 2 if isinstance(error, SettingsError) else 1)
    return code


def show(reports: list[JobReport]) -> None:
    """Print what a run did, with the reason wherever a job did not complete."""
    console = output.console()
    if not reports:
        console.print("Nothing is waiting to be exported.")
        return
    console.print(output.report_table(reports))
    for report in reports:
        if report.event and report.event.text:
            typer.echo(output.harmless(f"{report.job_id}: {report.event.reason}: {report.event.text}"))
        elif report.event and report.failed:
            console.print(f"See why items failed: tallybook items {report.job_id}")
        if report.note:
            typer.echo(output.harmless(f"{report.job_id}: {report.note}"))


async def export(
    settings: Settings,
    *,
    job_id: str | None,
    calls: Counter[str],
    stopping: asyncio.Event | None = None,
    agreed: str | None = None,
) -> list[JobReport]:
    """Export with progress bars on a terminal; the first Ctrl-C ends between pages, the second at once.

    `agreed` is the hash of the job's plan, without which it is not begun.

    Repeat: safe; what is done is found done.
    Raises:
        PlanDiffers: the job would not do what was agreed to; it was not begun.
    """
    stopping = stopping or asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        loop.remove_signal_handler(signal.SIGINT)  # a second Ctrl-C interrupts at once
        typer.echo("Stopping after this page; press Ctrl-C again to stop at once.", err=True)

    def count(call: CallRecord) -> None:
        calls[call.operation] += 1

    console = output.console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[failed]}"),
        console=console,
        disable=not console.is_terminal,
    )
    tasks: dict[str, TaskID] = {}

    def progress(told: workflow.Progress) -> None:
        if told.job_id not in tasks:
            tasks[told.job_id] = bars.add_task(f"Job {told.job_id[:8]}", total=told.items, failed="")
        failed = f"{told.failed} failed" if told.failed else ""
        bars.update(tasks[told.job_id], completed=told.successful + told.failed, failed=failed)

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        with bars:
            async with composition.company(settings, observer=count) as company:
                if job_id is not None and agreed is not None:
                    await require_plan(company, job_id, agreed.strip().lower())
                return await composition.export_pending(
                    company, job_id=job_id, stopping=stopping.is_set, progress=progress
                )
    finally:
        loop.remove_signal_handler(signal.SIGINT)
