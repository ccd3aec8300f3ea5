"""The log of `tallybook serve`: text for a person at a terminal, else one JSON object a line."""

import logging
import sys

import structlog

from tallybook.errors import TallybookError

_MESSAGE_LENGTH_MAX = 500
log = structlog.get_logger()


def configure(*, as_json: bool) -> None:
    """Let everything logged go to stderr, as JSON or as text.

    Repeat: the last one counts.
    """
    timestamp = structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json)
    shown = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[structlog.processors.add_log_level, timestamp, shown],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def told(error: BaseException) -> str:
    """Name an error for the log: its class and, where an answer came, the HTTP status.

    Never its sentence: it may quote Pleo or the books, and those quote expenses and people.
    """
    status = getattr(error, "status", None)
    return f"{type(error).__name__} ({status})" if isinstance(status, int) else type(error).__name__


def reason(error: TallybookError) -> str:
    """Name what made a run end early: the cause's class, or the sentence where it is our own and has no cause."""
    return str(error) if error.__cause__ is None else told(error.__cause__)


class _Bridge(logging.Handler):
    """Passes what a package logs on to our log, where it is text or JSON like everything else."""

    def __init__(self, unless: str) -> None:
        super().__init__(logging.WARNING)
        self._unless = unless

    def emit(self, record: logging.LogRecord) -> None:
        if not self._unless or self._unless not in str(record.msg):
            log.warning("package_says", package=record.name, says=record.getMessage()[:_MESSAGE_LENGTH_MAX])


def bridge(package: str, *, unless: str = "") -> None:
    """Take the warnings of a package that logs by itself into our log, `unless` their text has these words.

    Repeat: safe.
    """
    logger = logging.getLogger(package)
    if not any(isinstance(handler, _Bridge) for handler in logger.handlers):
        logger.addHandler(_Bridge(unless))
        logger.propagate = False
