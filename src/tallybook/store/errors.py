"""What can go wrong with the database as a whole."""

from tallybook.errors import TallybookError


class StoreError(TallybookError):
    """The database cannot be worked with."""


class DatabaseInUse(StoreError):
    """Another process is at work on the same database, and this one may not be at the same time."""


class DatabaseUnusable(StoreError):
    """The database cannot be opened, or its program is too old or wrongly built."""
