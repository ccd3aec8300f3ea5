"""`tallybook serve`: find export jobs and export them, durably, until told to stop."""

import asyncio
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tallybook import service
from tallybook.cli.settings_option import load
from tallybook.settings import Settings


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
            help="Settings file, one per company; by default TALLYBOOK_CONFIG, else tallybook.toml.",
            show_default=False,
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Export what is waiting, then exit.")] = False,
    log: Annotated[LogForm, typer.Option(help="Log as text or JSON; auto is text on a terminal.")] = LogForm.AUTO,
) -> None:
    """Export whatever appears in Pleo, until SIGTERM or Ctrl-C, which end between pages; a second one ends at once.

    A run that was cut off, however, goes on where it was with the next start.
    """
    settings = [load(path) for path in config] if config else [load(None)]
    _configure_log(as_json=log is LogForm.JSON or (log is LogForm.AUTO and not sys.stderr.isatty()))
    asyncio.run(_until_signalled(settings, once=once))


async def _until_signalled(settings: list[Settings], *, once: bool) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        stopping.set()
        loop.remove_signal_handler(number)  # a second one ends at once

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    await service.serve(settings, stopping=stopping, once=once)


def _configure_log(*, as_json: bool) -> None:
    timestamp = structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json)
    shown = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[structlog.processors.add_log_level, timestamp, shown],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
