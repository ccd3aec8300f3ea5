"""Searching: what the books hold of entries that may be in them, for a person who has to say whether they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from tallybook.accounting.entry import EntryKey, Held, Recorded
from tallybook.accounting.system import ReadableSystem
from tallybook.postings.posting import Posting
from tallybook.postings.writing import EntryWriter, Version


@dataclass(frozen=True, slots=True)
class Search:
    """What came of searching the books for one entry: its versions there, the oldest first.

    `held` is what the books hold of each, by the version's own key, where they can be read back. `inconclusive` says in
    a sentence why nothing follows from there being none.
    """

    versions: Sequence[Version] = ()
    held: Mapping[EntryKey, Held] = field(default_factory=dict)
    inconclusive: str | None = None

    @property
    def standing(self) -> Recorded | None:
        """The version that counts now; None: nothing was found, or what was found was taken back."""
        newest = self.versions[-1] if self.versions else None
        return newest.recorded if newest is not None and newest.reversal is None else None

    def told(self) -> str:
        """Say it in a few words."""
        if self.inconclusive is not None:
            return "cannot be told"
        if self.standing is not None:
            return f"in the books as {self.standing.external_id}"
        return "taken back in the books" if self.versions else "nothing found under its key"


async def search(writer: EntryWriter, postings: Sequence[Posting]) -> dict[EntryKey, Search]:
    """Ask the books of a writer for these entries, by identity; nothing is written.

    Repeat: safe.
    Raises:
        AccountingError: the books did not answer.
    """
    versions = await writer.versions([each.key for each in postings])
    keys = [version.recorded.key for each in versions.values() for version in each]
    held: dict[EntryKey, Held] = {}
    if writer.system.capabilities.reads_back:
        books = cast("ReadableSystem", writer.system)
        for batch in writer.batches(keys):
            held |= await writer.patiently(partial(books.read_back, batch))
    found: dict[EntryKey, Search] = {}
    for each in postings:
        of_entry = versions.get(each.key, [])
        lines = {key: held[key] for version in of_entry if (key := version.recorded.key) in held}
        found[each.key] = Search(of_entry, lines, None if of_entry else _doubt(writer, each))
    return found


def _doubt(writer: EntryWriter, posting: Posting) -> str | None:
    """Why an entry may be in books all the same when these do not have it."""
    if not writer.system.capabilities.can_find:
        return f"These books cannot be asked which entries they hold; look for it by hand in {posting.books}"
    if posting.books != writer.books:
        return f"It is not in {writer.books}, which the settings name now, but it went to {posting.books}; look there"
    return None
