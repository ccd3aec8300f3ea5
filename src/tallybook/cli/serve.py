"""`tallybook serve`: find export jobs and export them, durably, until told to stop."""

import asyncio
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tallybook import companies
from tallybook.cli.settings_option import load_all
from tallybook.settings import Settings
from tallybook.telemetry import logs


class LogForm(StrEnum):
    """How the log is written."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


def serve(
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            "-c",
            help="Settings file; several serve the companies of all. By default TALLYBOOK_CONFIG, else tallybook.toml.",
            show_default=False,
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Export what is waiting, then exit.")] = False,
    log: Annotated[LogForm, typer.Option(help="Log as text or JSON; auto is text on a terminal.")] = LogForm.AUTO,
) -> None:
    """Export whatever appears in Pleo, until SIGTERM or Ctrl-C, which end between pages; a second one ends at once.

    A run that was cut off, however, goes on where it was with the next start.
    """
    files: list[Path | None] = [*config] if config else [None]
    settings = companies.unique([company for file in files for company in load_all(file)])
    logs.configure(as_json=log is LogForm.JSON or (log is LogForm.AUTO and not sys.stderr.isatty()))
    asyncio.run(_until_signalled(settings, once=once))


async def _until_signalled(settings: list[Settings], *, once: bool) -> None:
    from tallybook import service  # noqa: PLC0415 - the engine's package: half of what every other command would load

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        stopping.set()
        loop.remove_signal_handler(number)  # a second one ends at once

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    await service.serve(settings, stopping=stopping, once=once)
