"""A posting: what is known of one accounting entry's way into the books."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tallybook.accounting.entry import Entry, EntryKey, PostingState, Recorded, Reversal


class JournalState(StrEnum):
    """How far an entry came; only `intent` and `uncertain` leave it open whether it is in the books."""

    INTENT = "intent"  # about to be written, or written and the answer lost: the books are searched for it
    RECORDED = "recorded"  # in the books, under `external_id`
    FAILED = "failed"  # not in the books: refused, searched for in vain, or a person said so
    UNDONE = "undone"  # taken back on purpose, by the reversal `external_id` of the entry `replaces`
    UNCERTAIN = "uncertain"  # may be in the books, which cannot be searched: a person settles it


@dataclass(frozen=True, slots=True)
class Posting:
    """What is known of one entry; there is one posting for an entry, whichever job carried it.

    `version` is 0 before the journal has it. `books` are the adapter's name and which books it writes to. `error` is
    the class of the last error. `recorded_at` and `attempted_at` are aware UTC instants.
    """

    key: EntryKey
    state: JournalState
    books: str
    job_id: str
    content_hash: str
    attempted_at: datetime
    version: int = 0
    recorded_at: datetime | None = None
    external_id: str | None = None
    external_url: str | None = None
    replaces: str | None = None  # number of the entry that this one corrects
    settled: bool = False  # a person said so
    error: str | None = None

    def says(self, recorded: Recorded) -> bool:
        """Whether this is what the books say of an entry."""
        return (
            self.state is JournalState.RECORDED
            and not self.settled
            and (self.external_id, self.external_url, self.content_hash)
            == (recorded.external_id, recorded.external_url, recorded.content_hash)
        )

    def as_recorded(self) -> Recorded:
        """What the journal remembers of a recorded entry, for books that cannot be searched.

        Whether it was posted, and which files it has, the journal does not know: a draft without files, so that both
        are asked for again. Of an entry that a person settled, everything is taken to be done.
        """
        return Recorded(
            key=self.key,
            external_id=self.external_id or "",
            recorded_at=self.recorded_at or self.attempted_at,
            state=PostingState.POSTED if self.settled else PostingState.DRAFT,
            content_hash=self.content_hash,
            external_url=self.external_url,
        )


@dataclass(frozen=True, slots=True)
class Booking:
    """What is to be written for one entry: its newest version, and first, perhaps, the reversal of the one before.

    `key` is the entry's identity; `entry.key` differs from it where an earlier version keeps that in the books.
    `reversed_by` is the reversal of that version, where an earlier run recorded it; `reversed_draft`: it is a draft.
    """

    key: EntryKey
    entry: Entry
    posting: Posting | None = None  # as it was read
    reversal: Reversal | None = None
    reversed_by: Recorded | None = None
    reversed_draft: bool = False
