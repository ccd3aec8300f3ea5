"""Settling: what a person found in the books stands in the journal for what we cannot know."""

from dataclasses import replace

from tallybook.accounting.entry import EntryKey
from tallybook.postings.errors import NoPosting
from tallybook.postings.journal import Journal
from tallybook.postings.posting import JournalState, Posting


async def settle(journal: Journal, key: EntryKey, *, booked_as: str | None, seen_version: int | None = None) -> Posting:
    """Note that an entry is in the books as `booked_as`, or, with None, that it is not there.

    Booked, the next export links it, also where the books cannot find it by its key. Not booked, the next export
    records it, unless the books can be searched and have it after all. `seen_version` is the version of the posting
    that the person looked at: one that has changed since is left alone.

    Repeat: safe; with a `seen_version` refused.
    Raises:
        NoPosting: nothing was ever attempted for the entry, or a run has just written about it.
        JournalUnusable: the database does not answer.
    """
    posting = (await journal.read([key])).get(key)
    if posting is None:
        raise NoPosting(
            f"The posting journal has no entry {key.entry_id} of company {key.company_id}: nothing was ever written "
            "for it, so there is nothing to settle; `tallybook uncertain` lists what is open"
        )
    if seen_version is not None and posting.version != seen_version:
        raise _changed(key)
    settled = replace(
        posting,
        state=JournalState.FAILED if booked_as is None else JournalState.RECORDED,
        external_id=booked_as,
        external_url=posting.external_url if booked_as == posting.external_id else None,
        recorded_at=None if booked_as is None else posting.recorded_at or posting.attempted_at,
        settled=True,
        error=None,
    )
    if not await journal.write([settled]):
        raise _changed(key)
    return replace(settled, version=settled.version + 1)


def _changed(key: EntryKey) -> NoPosting:
    return NoPosting(f"Somebody, or a run, has written about entry {key.entry_id} meanwhile; look at it again")
