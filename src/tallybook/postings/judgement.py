"""What is to become of an entry, by what the journal and the books know of it: the rules of one table, no I/O.

| books search | in the books | journal | what is done |
| --- | --- | --- | --- |
| yes | as it is now | whatever it says | linked |
| yes | otherwise | whatever it says | `books.on_changed` |
| yes | reversed, its correction missing | recorded, by a person's word | linked |
| yes | reversed, its correction missing | anything else | the correction is recorded |
| yes | no | recorded, by a person's word | linked |
| yes | no | nothing, failed or undone | recorded |
| yes | no | anything else, in these books | recorded: who deleted it there and exports it again wants it there |
| yes | no | anything else, in other books | a person has to settle it |
| no | unknown | nothing, failed or undone | recorded |
| no | unknown | intent or uncertain, or in other books | a person has to settle it |
| no | unknown | recorded | linked, or `books.on_changed` if it changed |

Source: docs/decisions.md 19 and 20.
"""

from dataclasses import dataclass

from tallybook.accounting.entry import Recorded
from tallybook.accounting.errors import AccountingTimeout, EntryChanged
from tallybook.accounting.system import Capabilities
from tallybook.bookkeeping.content_hash import Content
from tallybook.postings.posting import JournalState, Posting
from tallybook.settings import OnChanged

MAYBE_BOOKED = "This entry may be in the books already; look for it there before you export it again."


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one entry. `found` is its newest version in the books, by the books' own word.

    `reversed` is the version that an earlier run took back without recording the one that corrects it; `reversal` is
    what took back the version before the newest, which `reversed_draft` says is a draft.
    """

    posting: Posting | None = None
    found: Recorded | None = None
    reversed: Recorded | None = None
    reversal: Recorded | None = None
    reversed_draft: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """The entry is in the books; `complete`: nothing of it is to be attached or posted."""

    recorded: Recorded
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """The entry is to be written; `replaces` is a version to correct, `reverse` says that it still stands."""

    replaces: Recorded | None = None
    reverse: bool = False


def judge(
    standing: Standing, content: Content, on_changed: OnChanged, system: Capabilities, books: str
) -> Link | Record:
    """Decide about an entry whose content is now `content`; `books` are those it is exported to.

    Raises:
        EntryChanged: it is in the books with other content, and that is to be corrected by hand.
        AccountingTimeout: it may be in the books, and only a person can tell.
    """
    posting = standing.posting
    by_hand = posting is not None and posting.settled and posting.state is JournalState.RECORDED
    if standing.reversed is not None and not by_hand:
        return Record(replaces=standing.reversed)
    if standing.found is not None:
        return _changed(standing.found, content, on_changed, system) or Link(standing.found)
    if posting is None or posting.state in {JournalState.FAILED, JournalState.UNDONE}:
        return Record()
    if not by_hand:
        if system.can_find and posting.books == books:
            return Record()
        # Other books, searched or not, say nothing of those it went to: a mistyped path would book everything twice.
        _require_certainty(posting, books)
    recorded = posting.as_recorded()
    return _changed(recorded, content, on_changed, system) or Link(recorded, complete=posting.settled)


def _changed(recorded: Recorded, content: Content, on_changed: OnChanged, system: Capabilities) -> Record | None:
    if recorded.content_hash in {content.hash, content.as_sent} or on_changed is OnChanged.LINK:
        return None
    number = recorded.external_id
    only_vendor = recorded.content_hash == content.without_vendor
    how = "without a Vendor, and is exported with one now" if only_vendor else "and has changed in Pleo since"
    what = f"This entry is in the books already as {number} {how}"
    if on_changed is OnChanged.FAIL:
        raise EntryChanged(
            f"{what}; correct {number} in the accounting system by hand, or set books.on_changed in the Settings"
        )
    if not (system.reversals and system.can_find):
        raise EntryChanged(
            f"{what}; this accounting system cannot reverse entries for us, so correct {number} there by hand, then "
            'set books.on_changed to "link"'
        )
    return Record(replaces=recorded, reverse=True)


def _require_certainty(posting: Posting, books: str) -> None:
    settle = f"then tell Tallybook: tallybook uncertain settle {posting.key.entry_id} --booked NUMBER or --not-booked"
    if posting.books != books:
        number = f" as {posting.external_id}" if posting.external_id else ""
        raise AccountingTimeout(
            f"{MAYBE_BOOKED} It was exported{number} to {posting.books}, and now goes to {books}; see whether it is "
            f"in one of them, {settle}"
        )
    if posting.state is not JournalState.RECORDED:
        raise AccountingTimeout(
            f"{MAYBE_BOOKED} Writing it began on {posting.attempted_at:%Y-%m-%d %H:%M} UTC and its end is not known, "
            f"and this accounting system cannot be searched; {settle}"
        )
