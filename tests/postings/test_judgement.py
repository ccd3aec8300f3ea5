"""The table of postings/judgement.py, row by row."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tallybook.accounting.entry import EntryKey, PostingState, Recorded
from tallybook.accounting.errors import AccountingTimeout, EntryChanged
from tallybook.accounting.system import Capabilities
from tallybook.bookkeeping.content_hash import Content
from tallybook.postings.judgement import Link, Record, Standing, judge
from tallybook.postings.posting import JournalState, Posting
from tallybook.settings import OnChanged

KEY = EntryKey("company", "entry")
AT = datetime(2026, 3, 1, tzinfo=UTC)
NOW, BEFORE, EARLIER, PLAIN = "now", "before", "as an earlier version hashed it", "without vendor"
FINDS = Capabilities(reversals=True)
CANNOT_FIND = Capabilities(can_find=False)
BOOKS = "book:/one"


def recorded(content_hash: str) -> Recorded:
    return Recorded(KEY, "000001", AT, PostingState.DRAFT, content_hash)


def posting(state: JournalState, content_hash: str = NOW) -> Posting:
    number = "000001" if state is JournalState.RECORDED else None
    return Posting(KEY, state, BOOKS, "job", content_hash, AT, external_id=number)


def verdict(
    standing: Standing, system: Capabilities, on_changed: OnChanged = OnChanged.FAIL, books: str = BOOKS
) -> Link | Record:
    return judge(standing, Content(NOW, EARLIER, PLAIN), on_changed, system, books)


@pytest.mark.parametrize("system", [FINDS, CANNOT_FIND])
def test_an_entry_nobody_knows_is_recorded(system: Capabilities) -> None:
    """The usual case."""
    assert verdict(Standing(), system) == Record()


@pytest.mark.parametrize("system", [FINDS, CANNOT_FIND])
def test_an_entry_known_not_to_be_booked_is_recorded(system: Capabilities) -> None:
    """Refused before, or settled so by a person."""
    failed = posting(JournalState.FAILED)
    for each in (failed, replace(failed, settled=True)):
        assert verdict(Standing(each), system) == Record()


@pytest.mark.parametrize("state", [None, *JournalState])
def test_what_the_books_have_is_linked_whatever_the_journal_says(state: JournalState | None) -> None:
    """The books win."""
    known = posting(state, BEFORE) if state else None
    assert verdict(Standing(known, found=recorded(NOW)), FINDS) == Link(recorded(NOW))


@pytest.mark.parametrize("state", list(JournalState))
def test_what_the_books_lost_is_recorded_anew_whatever_the_journal_says(state: JournalState) -> None:
    """Somebody deleted it there and exports it again, so it is wanted there."""
    assert verdict(Standing(posting(state)), FINDS) == Record()


def test_a_persons_word_counts_where_the_books_find_nothing() -> None:
    """It was booked by hand, so no search by key finds it; nothing is attached to it or posted."""
    settled = replace(posting(JournalState.RECORDED), settled=True)
    decided = verdict(Standing(settled), FINDS)
    assert isinstance(decided, Link)
    assert decided.complete
    assert decided.recorded.external_id == "000001"


def test_a_persons_word_counts_where_an_earlier_version_was_taken_back() -> None:
    """Undone, then booked by hand: it is not booked a second time beside that."""
    settled = replace(posting(JournalState.RECORDED), settled=True)
    decided = verdict(Standing(settled, reversed=recorded(BEFORE)), FINDS)
    assert isinstance(decided, Link)
    assert decided.recorded.external_id == "000001"


@pytest.mark.parametrize("state", [JournalState.INTENT, JournalState.UNCERTAIN])
def test_what_may_be_booked_and_cannot_be_searched_for_waits_for_a_person(state: JournalState) -> None:
    """The sentence names the command that settles it."""
    with pytest.raises(AccountingTimeout, match=r"may be in the books.*tallybook uncertain settle entry"):
        verdict(Standing(posting(state)), CANNOT_FIND)


def test_the_journal_links_where_the_books_cannot_be_searched() -> None:
    """The number comes from the journal."""
    decided = verdict(Standing(posting(JournalState.RECORDED)), CANNOT_FIND)
    assert isinstance(decided, Link)
    assert (decided.recorded.external_id, decided.complete) == ("000001", False)


@pytest.mark.parametrize("system", [FINDS, CANNOT_FIND])
@pytest.mark.parametrize("state", [JournalState.INTENT, JournalState.RECORDED, JournalState.UNCERTAIN])
def test_other_books_are_a_question_for_a_person(state: JournalState, system: Capabilities) -> None:
    """Moved, mistyped or another system: what they do not find may stand in those it went to."""
    with pytest.raises(AccountingTimeout, match="book:/one, and now goes to csv:/two"):
        verdict(Standing(posting(state)), system, books="csv:/two")


@pytest.mark.parametrize("system", [FINDS, CANNOT_FIND])
def test_a_persons_word_counts_in_other_books_too(system: Capabilities) -> None:
    """They were asked because of the other books, and are not asked again."""
    settled = replace(posting(JournalState.RECORDED), settled=True)
    decided = verdict(Standing(settled), system, books="csv:/two")
    assert isinstance(decided, Link)
    assert decided.complete


@pytest.mark.parametrize("state", [JournalState.FAILED, JournalState.UNDONE])
def test_what_other_books_do_not_have_is_recorded(state: JournalState) -> None:
    """It was refused there, or taken back."""
    assert verdict(Standing(posting(state)), FINDS, books="csv:/two") == Record()


def test_a_book_that_was_moved_is_found_where_it_is_now() -> None:
    """Then it does not matter where it was."""
    standing = Standing(posting(JournalState.RECORDED), found=recorded(NOW))
    assert isinstance(verdict(standing, FINDS, books="book:/moved"), Link)


@pytest.mark.parametrize(
    ("standing", "system"),
    [
        (Standing(found=recorded(BEFORE)), FINDS),
        (Standing(posting(JournalState.RECORDED, BEFORE)), CANNOT_FIND),
        (Standing(replace(posting(JournalState.RECORDED, BEFORE), settled=True)), FINDS),
    ],
)
def test_a_changed_entry_fails_or_is_linked_as_the_setting_says(standing: Standing, system: Capabilities) -> None:
    """Whoever it was that knew of it."""
    with pytest.raises(EntryChanged, match="000001"):
        verdict(standing, system)
    linked = verdict(standing, system, OnChanged.LINK)
    assert isinstance(linked, Link)
    assert linked.recorded.external_id == "000001"


def test_a_changed_entry_is_corrected_where_the_setting_says_so() -> None:
    """The version in the books is reversed and replaced."""
    decided = verdict(Standing(found=recorded(BEFORE)), FINDS, OnChanged.CORRECT)
    assert decided == Record(replaces=recorded(BEFORE), reverse=True)


@pytest.mark.parametrize("system", [Capabilities(), replace(CANNOT_FIND, reversals=True)])
def test_books_that_cannot_reverse_or_search_refuse_to_correct(system: Capabilities) -> None:
    """What cannot be searched for could be reversed twice."""
    standing = Standing(posting(JournalState.RECORDED, BEFORE), recorded(BEFORE) if system.can_find else None)
    with pytest.raises(EntryChanged, match="cannot reverse"):
        verdict(standing, system, OnChanged.CORRECT)


@pytest.mark.parametrize("on_changed", list(OnChanged))
def test_a_correction_that_was_begun_is_finished_whatever_the_setting(on_changed: OnChanged) -> None:
    """The reversal is in the books, so the entry is missing there: it is recorded, and nothing is reversed again."""
    standing = Standing(posting(JournalState.RECORDED), reversed=recorded(NOW))
    assert verdict(standing, FINDS, on_changed) == Record(replaces=recorded(NOW))


@pytest.mark.parametrize("stored", [NOW, EARLIER])
def test_an_unchanged_entry_is_linked_by_the_hash_of_an_earlier_version_too(stored: str) -> None:
    """An upgrade changes no entry."""
    assert verdict(Standing(found=recorded(stored)), FINDS) == Link(recorded(stored))


def test_an_entry_that_is_only_booked_otherwise_now_is_said_to_be() -> None:
    """Nobody looks in Pleo for a change that is none."""
    with pytest.raises(EntryChanged, match="as 000001 without a Vendor, and is exported with one now; correct 000001"):
        verdict(Standing(found=recorded(PLAIN)), FINDS)
