"""Searching the books for an uncertain entry: what was found stands beside the two buttons."""

import asyncio
import re
import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from tallybook.accounting.entry import EntryKey
from tallybook.postings.journal import Journal
from tallybook.postings.posting import JournalState, Posting
from tallybook.store.database import Database
from tests.console.conftest import Browser, Place

NOWHERE = "3f0e8c1a-6d3b-4f60-9a53-1c6f0a7b2d11"


@pytest.fixture(scope="module")
def exported(place: Place) -> str:
    """An entry that is in the books."""
    (entry,) = place.stage.add({})
    job = place.stage.press_export()
    with Browser(place.served) as browser:
        browser.fill_in(f"/companies/{place.company_id}/look")
    assert place.served.worker.wait_for("job_ended", job_id=job)["outcome"] == "completed"
    return entry


@pytest.fixture
def doubt(place: Place, exported: str) -> Callable[..., Posting]:
    """Leaves an entry in the journal as a run that was cut off leaves it, in the books that it was exported to."""

    def leave(entry: str, **fields: object) -> Posting:
        connections = Database(f"sqlite:///{place.database}").connect()
        try:
            journal = Journal(connections)
            keys = [EntryKey(place.company_id, exported), EntryKey(place.company_id, entry)]
            there = asyncio.run(journal.read(keys))
            version = there[keys[1]].version if keys[1] in there else 0
            cut_off = replace(
                there[keys[0]],
                key=keys[1],
                version=version,
                state=JournalState.INTENT,
                external_id=None,
                external_url=None,
                recorded_at=None,
                settled=False,
            )
            posting = replace(cut_off, **fields)  # type: ignore[arg-type]
            assert asyncio.run(journal.write([posting])) == {keys[1]}
            return posting
        finally:
            connections.dispose()

    return leave


def article(browser: Browser, place: Place, entry: str) -> str:
    """Press the button of an entry; what the page then says of it."""
    path = f"/uncertain/{place.company_id}/{entry}/search"
    found = re.search(
        rf'<article [^>]*aria-labelledby="entry-{entry}">.*?</article>',
        browser.fill_in(path, page="/uncertain").text,
        re.DOTALL,
    )
    assert found is not None
    return found[0]


def last_deed(place: Place) -> tuple[object, ...]:
    (row,) = place.rows("SELECT action, entry_id, result FROM console_audit ORDER BY id DESC LIMIT 1")
    return row


def test_what_the_books_hold_stands_beside_the_buttons(
    place: Place, browser: Browser, exported: str, doubt: Callable[..., Posting]
) -> None:
    """Number, day, state and amounts; the number is filled in; nothing has changed but the audit log."""
    doubt(exported)
    before = place.rows("SELECT state, version FROM posting"), place.stage.booked()
    told = article(browser, place, exported)
    ((_, number),) = [row for row in place.stage.booked() if row[0] == exported]
    assert "It is in the books" in told
    assert f'value="{number}"' in told
    assert re.search(r"<dt>Day</dt><dd>\d{4}-\d\d-\d\d</dd>", told)
    assert "<dt>State</dt><dd>posted</dd>" in told
    assert told.count('<td class="amount">100.00</td>') == 2
    assert (place.rows("SELECT state, version FROM posting"), place.stage.booked()) == before
    assert last_deed(place) == ("searched the books for an entry", exported, f"in the books as {number}")


def test_what_is_not_there_is_not_filled_in(place: Place, browser: Browser, doubt: Callable[..., Posting]) -> None:
    """The page says that nothing was found under the entry's key."""
    doubt(NOWHERE)
    told = article(browser, place, NOWHERE)
    assert "Nothing found under this key" in told
    assert re.search(r'name="number"[^>]* value=', told) is None
    assert last_deed(place) == ("searched the books for an entry", NOWHERE, "nothing found under its key")


def test_that_other_books_do_not_have_an_entry_says_nothing(
    place: Place, browser: Browser, doubt: Callable[..., Posting]
) -> None:
    """It may be where it went; the page names both, and does not say that nothing was found."""
    doubt(NOWHERE, books="book:another")
    told = article(browser, place, NOWHERE)
    assert "but it went to book:another" in told
    assert "Nothing found" not in told
    assert last_deed(place) == ("searched the books for an entry", NOWHERE, "cannot be told")


def test_books_that_were_moved_since_are_searched_all_the_same(
    place: Place, browser: Browser, exported: str, doubt: Callable[..., Posting]
) -> None:
    """The entry is found under its key, whatever the books were called when it went there."""
    doubt(exported, books="book:another")
    assert "It is in the books" in article(browser, place, exported)


def test_books_that_do_not_answer_are_said_to(place: Place, browser: Browser, doubt: Callable[..., Posting]) -> None:
    """At the entry, with what helps; the two buttons stay."""
    doubt(NOWHERE)
    book = place.stage.place.book
    away = book.with_suffix(".away")
    shutil.move(book, away)
    try:
        told = article(browser, place, NOWHERE)
    finally:
        shutil.move(away, book)
    assert "The books could not be searched" in told
    assert "It is not booked, record it" in told
    assert str(last_deed(place)[2]).startswith("refused: Accounting")


def test_an_entry_that_was_settled_meanwhile_is_not_searched(
    place: Place, browser: Browser, doubt: Callable[..., Posting]
) -> None:
    """A page left open; it says so, and nothing is written to the audit log."""
    doubt(NOWHERE)
    deeds = place.rows("SELECT count(*) FROM console_audit")
    doubt(NOWHERE, state=JournalState.FAILED, settled=True)
    answer = browser.fill_in(f"/uncertain/{place.company_id}/{NOWHERE}/search")
    assert "not open any more" in answer.text
    assert place.rows("SELECT count(*) FROM console_audit") == deeds
