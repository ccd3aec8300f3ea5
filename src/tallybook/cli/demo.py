"""`tallybook demo`: a first export in one command, against a local Pleo, into a book that other programs verify."""

import asyncio
import json
import signal
import textwrap
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tallybook import demo as scene
from tallybook import workflow
from tallybook.cli import output
from tallybook.outcome import JobReport
from tallybook.pleo.models import ExportJobItem, JobEvent

FAILED_SHOWN_MAX = 20


class Books(StrEnum):
    """Which books the demo exports into."""

    BOOK = "book"
    TRYTON = "tryton"


def demo(
    items: Annotated[int, typer.Option(min=1, help="How many expenses the company has.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Which company: the same seed makes the same one.")] = 1,
    folder: Annotated[Path, typer.Option("--dir", help="Where everything goes.")] = Path("tallybook-demo"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the sandbox running at the end, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    books: Annotated[
        Books, typer.Option(help="Where to: the embedded book, or a Tryton, installed on first use.")
    ] = Books.BOOK,
) -> None:
    """Export a made-up company's expenses from a local Pleo into a book, mend what failed, and export it again.

    Exit code 0: both exports ended as they should and book and Pleo agree on every entry; 1 otherwise.
    """
    playing = _Demo(scene.place(folder), items, seed, books, keep=keep, as_json=as_json)
    try:
        ended_well = asyncio.run(playing.play())
    except (asyncio.CancelledError, KeyboardInterrupt):
        typer.echo("Stopped at once.", err=True)
        raise typer.Exit(130) from None
    if not ended_well:
        raise typer.Exit(1)


class _Demo:
    def __init__(self, place: scene.Place, items: int, seed: int, books: Books, *, keep: bool, as_json: bool) -> None:
        self.place, self.items, self.seed, self.keep, self.as_json = place, items, seed, keep, as_json
        self.books = books
        self.out = Console(quiet=True) if as_json else output.console()
        self.stopping = asyncio.Event()
        self.reports: list[JobReport] = []

    async def play(self) -> bool:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self.stopping.set()
            loop.remove_signal_handler(signal.SIGINT)  # a second Ctrl-C interrupts at once

        loop.add_signal_handler(signal.SIGINT, stop)
        async with scene.sandbox_process(self.place.pleo) as sandbox:
            expenses = _counted(self.items, "expense")
            self.out.print(f"A local Pleo is running at {sandbox.url}; its company has {expenses} to export.")
            world = await scene.prepare(self.place, sandbox, items=self.items, seed=self.seed)
            async with scene.books(self.place, sandbox, world, self.books) as serve_again:
                first = await self._export(sandbox, "First export", only_failed=False)
                if first is not None and first.failed and first.event is not None:
                    await self._mend(sandbox)
                    await self._export(sandbox, "Second export", only_failed=True)
                differ = [] if self.stopping.is_set() else await scene.disagreements(self.place, sandbox, self.books)
                self._tell(sandbox.url, differ, serve_again)
                if self.keep and not self.stopping.is_set():
                    self.out.print("The sandbox keeps running; press Ctrl-C to stop it.")
                    await self.stopping.wait()
        last = self.reports[-1].event if self.reports else None
        return not differ and last is not None and last.event is JobEvent.COMPLETED

    async def _export(self, sandbox: scene.Sandbox, title: str, *, only_failed: bool) -> JobReport | None:
        job_id = await scene.press_export(sandbox, only_failed=only_failed)
        bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=output.console(stderr=True),
            disable=self.as_json or not output.console(stderr=True).is_terminal,
        )
        with bars:
            task = bars.add_task(title, total=None)

            def progress(told: workflow.Progress) -> None:
                bars.update(task, total=told.items, completed=told.successful + told.failed)

            report = await scene.run(self.place, job_id, progress, self.stopping.is_set)
        if report is None:
            return None
        self.reports.append(report)
        self.out.print()
        self.out.print(_report_text(title, report))
        if report.failed and report.event is not None:
            self.out.print(_failed_table(await scene.failed_items(self.place, job_id)))
        return report

    async def _mend(self, sandbox: scene.Sandbox) -> None:
        mended = (await sandbox.call("POST", "/mend"))["mended"]
        self.out.print("\nA bookkeeper mends them in Pleo:")
        for mend in mended[:FAILED_SHOWN_MAX]:
            sentence = output.harmless(f"  {mend['id'][:8]}  {mend['what']}").plain
            # Broken here, since rich leaves a blank at the end of the lines it breaks.
            self.out.print(textwrap.fill(sentence, self.out.width))
        if len(mended) > FAILED_SHOWN_MAX:
            self.out.print(f"  ... and {len(mended) - FAILED_SHOWN_MAX} more")

    def _tell(self, url: str, differ: Sequence[str], serve_again: str | None) -> None:
        if self.as_json:
            result: dict[str, Any] = {
                "jobs": [output.report_json(report) for report in self.reports],
                self.books.value: str((self.place.tryton if self.books is Books.TRYTON else self.place.book).resolve()),
                "sandbox": url,
            }
            typer.echo(json.dumps(result | ({"differ": list(differ)} if differ else {})))
            return
        if self.stopping.is_set():
            self.out.print(f"Stopped. Start again with: tallybook demo --items {self.items} --seed {self.seed}")
            return
        self.out.print()
        for sentence in differ[:FAILED_SHOWN_MAX]:
            self.out.print(output.harmless(sentence))
        if not differ:
            self.out.print(f"Pleo and {'Tryton' if self.books is Books.TRYTON else 'the book'} agree on every entry.")
        if serve_again is not None:
            self.out.print(f"The company in Tryton is kept in {self.place.tryton}; run it again and look at it:")
            # Not broken, since it is copied as it stands.
            self.out.print(f"  {serve_again}   # with any client of Tryton 8.0, as the user admin", soft_wrap=True)
            self._tell_pleo(url)
            return
        folder = self.place.folder
        self.out.print(f"The book is {self.place.book}, the settings are {self.place.config}. Look at it:")
        for command, meaning in (
            (f"tallybook book balances --book {self.place.book}", "balances per account and currency"),
            (f"tallybook book export {folder / 'ledger'} --book {self.place.book}", "as a Beancount ledger"),
            (f"tallybook book view --book {self.place.book}", "in a browser (needs the extra [view])"),
        ):
            self.out.print(f"  {command}   # {meaning}")
        self._tell_pleo(url)

    def _tell_pleo(self, url: str) -> None:
        if not self.keep:
            port = url.rpartition(":")[2]
            self.out.print(
                "The local Pleo is stopped; start it again: "
                f"tallybook sandbox serve --port {port} --data {self.place.pleo}"
            )


def _report_text(title: str, report: JobReport) -> str:
    ended = f"Final event sent to Pleo: {report.event.event}" if report.event else f"No final event yet: {report.note}"
    return (
        f"{title}: {_counted(report.items, 'item')}, {report.successful} successful, {report.failed} failed "
        f"in {report.seconds:.1f} s. {ended}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _failed_table(items: Sequence[ExportJobItem]) -> Table:
    table = Table("Entry", "Reason", "What the bookkeeper reads")
    for item in items[:FAILED_SHOWN_MAX]:
        table.add_row(
            item.accounting_entry_id[:8],
            output.harmless(item.failure_reason_type),
            output.harmless(item.failure_reason),
        )
    if len(items) > FAILED_SHOWN_MAX:
        table.add_row("...", "", f"and {len(items) - FAILED_SHOWN_MAX} more")
    return table
