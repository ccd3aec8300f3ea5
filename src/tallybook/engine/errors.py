"""What can go wrong with the engine as a whole; a job's own troubles are told by the workflow."""

from tallybook.errors import TallybookError


class EngineError(TallybookError):
    """The engine cannot start or go on."""


class DatabaseInUse(EngineError):
    """Another process is at work on the same database, and this one may not be at the same time."""


class DatabaseUnusable(EngineError):
    """The database cannot be opened, or its program is too old or wrongly built."""
