"""What can go wrong with the posting journal."""

from tallybook.errors import TallybookError


class JournalUnusable(TallybookError):
    """The posting journal's database does not answer, or refuses: nothing may be written to the books then."""


class AnotherWriter(TallybookError):
    """Another run is at work on the same entries: this one writes nothing."""


class NoPosting(TallybookError):
    """The journal has no posting of an entry, or it changed while a person looked at it."""
