import asyncio
import sqlite3
from dataclasses import replace
from datetime import date
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallybook.accounting.entry import (
    Dimension,
    Document,
    DocumentKind,
    Entry,
    EntryKey,
    Line,
    LineRole,
    PostingState,
    Recorded,
)
from tallybook.accounting.errors import (
    AccountUnknown,
    DimensionUnknown,
    EntryInvalid,
    EntryRejected,
    EntrySettingInvalid,
    PeriodClosed,
    TaxCodeUnknown,
    VendorUnknown,
)
from tallybook.accounting.system import Refused
from tallybook.adapters.book.system import Book


class Make(Protocol):
    company_id: str

    def entry(self, *documents: Document, name: str | None = None, on: date = ...) -> Entry: ...
    def batch(self, count: int, prefix: str) -> list[Entry]: ...
    def purchase(self, amount_minor: int, currency: str = ..., account: str = ...) -> Document: ...
    def bill(self, amount_minor: int, *refs: str, vendor: str | None = ..., currency: str = ...) -> Document: ...
    def line(self, **changes: object) -> Entry: ...


async def test_recorded_is_what_find_sees(book: Book, make: Make) -> None:
    """What record answers is what find answers later, to the microsecond."""
    entries = make.batch(3, "seen")
    answers = await book.record(entries)
    found = await book.find([entry.key for entry in entries])
    assert [found[entry.key] for entry in entries] == list(answers)
    assert [answer.external_id for answer in answers if isinstance(answer, Recorded)] == ["000001", "000002", "000003"]


async def test_entries_are_drafts(book: Book, make: Make) -> None:
    """An entry is recorded as a draft even if it is to be posted."""
    (answer,) = await book.record([make.entry()])
    assert isinstance(answer, Recorded)
    assert answer.state is PostingState.DRAFT


async def test_repeat_writes_nothing(book: Book, make: Make, stranger: sqlite3.Connection) -> None:
    """A key that is there is answered as it stands, also with other content, and nothing is written."""
    entries = make.batch(3, "twice")
    first = await book.record(entries)
    changed = [replace(entry, content_hash="cd" * 32) for entry in entries]
    assert await book.record(changed) == first
    assert stranger.execute("SELECT COUNT(*) FROM entries").fetchone() == (3,)


async def test_twice_in_one_batch(book: Book, make: Make) -> None:
    """A key twice in one batch is one entry with two equal answers."""
    entry = make.entry()
    one, other = await book.record([entry, entry])
    assert one == other
    assert len(await book.find([entry.key])) == 1


async def test_companies_number_their_own(book: Book, make: Make) -> None:
    """Keys and numbers are per company: the same entry id of another company is another entry."""
    entry = make.entry()
    other = replace(entry, key=EntryKey("another-company", entry.key.entry_id))
    answers = await book.record([entry, other])
    assert [answer.external_id for answer in answers if isinstance(answer, Recorded)] == ["000001", "000001"]


async def test_find_of_nothing(book: Book, make: Make) -> None:
    """Keys that are not there are left out of the answer."""
    assert await book.find([make.entry().key]) == {}
    assert await book.find([]) == {}
    assert await book.record([]) == []


REFUSALS: list[tuple[str, type[Exception], str, Any]] = [
    ("account", AccountUnknown, "'4711'", lambda make: make.line(account="4711")),
    ("closed account", AccountUnknown, "'9999'", lambda make: make.line(account="9999")),
    ("currency of account", EntrySettingInvalid, "SEK", lambda make: make.line(account="1930")),
    ("tax code", TaxCodeUnknown, "'19'", lambda make: make.line(tax_code="19")),
    ("dimension", DimensionUnknown, "'team'", lambda make: make.line(dimensions=(Dimension("team", "1"),))),
    ("value", DimensionUnknown, "'300'", lambda make: make.line(dimensions=(Dimension("project", "300"),))),
    ("vendor", VendorUnknown, "'V9'", lambda make: make.entry(make.bill(5, vendor="V9"))),
    ("blocked vendor", VendorUnknown, "blocked", lambda make: make.entry(make.bill(5, vendor="V2"))),
    ("no vendor", VendorUnknown, "names none", lambda make: make.entry(make.bill(5, vendor=None))),
    ("closed period", PeriodClosed, "2025-01-31", lambda make: make.entry(on=date(2025, 1, 31))),
    ("no period", PeriodClosed, "0001-01-01", lambda make: make.entry(on=date(1, 1, 1))),
    ("unbalanced", EntryInvalid, "10.01", lambda make: make.line(amount_minor=801)),
    ("currency", EntryInvalid, "'XXX'", lambda make: make.entry(make.purchase(100, "XXX"))),
    ("no documents", EntryInvalid, "no documents", lambda make: replace(make.entry(), documents=())),
    (
        "one line",
        EntryInvalid,
        "two lines",
        lambda make: make.entry(Document(DocumentKind.JOURNAL_ENTRY, "EUR", (Line("6071", 0, LineRole.COST),))),
    ),
    ("beyond 64 bits", EntryInvalid, "64 bits", lambda make: make.entry(make.purchase(2**63))),
    ("tax base beyond 64 bits", EntryInvalid, "64 bits", lambda make: make.line(tax_base_minor=-(2**63) - 1)),
    ("NUL in the key", EntryInvalid, "key", lambda make: replace(make.entry(), key=EntryKey("c", "a\0b"))),
    ("half a surrogate pair", EntryInvalid, "key", lambda make: replace(make.entry(), key=EntryKey("c", "\ud800"))),
    ("account with NUL", AccountUnknown, "6071", lambda make: make.line(account="6071\0")),
    ("account with half a pair", AccountUnknown, "6071", lambda make: make.line(account="6071\ud800")),
]


@pytest.mark.parametrize(("error", "words", "entry"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
async def test_bad_entry_is_refused_alone(
    book: Book, make: Make, error: type[Exception], words: str, entry: Any
) -> None:
    """A bad entry is refused by its own error with the value in it, and its neighbours are recorded without a gap."""
    before, bad, after = make.entry(), entry(make), make.entry()
    answers = await book.record([before, bad, after])
    assert [type(answer) for answer in answers] == [Recorded, Refused, Recorded]
    refused = answers[1]
    assert isinstance(refused, Refused)
    assert type(refused.error) is error
    assert words in str(refused.error)
    assert refused.key == bad.key
    assert [answer.external_id for answer in answers if isinstance(answer, Recorded)] == ["000001", "000002"]


async def test_rule_of_the_file_refuses_alone(book: Book, make: Make, stranger: sqlite3.Connection) -> None:
    """What only a rule in the file refuses is refused alone as well, and the others get numbers without a gap."""
    stranger.execute(
        "CREATE TRIGGER own_rule BEFORE INSERT ON entries WHEN NEW.description = 'Forbidden'"
        " BEGIN SELECT RAISE(ABORT, 'ask the boss'); END"
    )
    entries = make.batch(5, "rule")
    entries[2] = replace(entries[2], details=replace(entries[2].details, description="Forbidden"))
    answers = await book.record(entries)
    refused = answers[2]
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, EntryRejected)
    assert "ask the boss" in str(refused.error)
    numbers = [answer.external_id for answer in answers if isinstance(answer, Recorded)]
    assert numbers == ["000001", "000002", "000003", "000004"]


async def test_dimensions_ignore_case(book: Book, make: Make, stranger: sqlite3.Connection) -> None:
    """A dimension is found whatever its case, also beyond ASCII, and is kept under the book's own code."""
    await book.record([make.entry()])
    assert stranger.execute("SELECT dimension, value FROM line_dimensions").fetchall() == [("cost centre", "zürich")]


async def test_largest_amounts(book: Book, make: Make, stranger: sqlite3.Connection) -> None:
    """The largest 64-bit amount is kept to the last unit."""
    (answer,) = await book.record([make.entry(make.bill(2**63 - 1))])
    assert isinstance(answer, Recorded)
    assert stranger.execute("SELECT MAX(amount_minor) FROM lines").fetchone() == (2**63 - 1,)


async def test_texts_nobody_can_store(book: Book, make: Make, stranger: sqlite3.Connection) -> None:
    """Text no UTF-8 file can hold does not stop an entry; the details keep it as it was."""
    entry = make.line(text="half \ud83d and \0 nothing")
    entry = replace(entry, details=replace(entry.details, description="d\ud800", note="n\udfff\0"))
    (answer,) = await book.record([entry])
    assert isinstance(answer, Recorded)
    kept = stranger.execute("SELECT description, details ->> 'description' IS NOT NULL FROM entries").fetchone()
    assert kept == ("d\N{REPLACEMENT CHARACTER}", 1)


amounts = st.one_of(st.integers(-(2**65), 2**65), st.integers(-1000, 1000))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(groups=st.lists(st.lists(amounts, min_size=1, max_size=5), min_size=1, max_size=4), balanced=st.booleans())
async def test_only_balanced_documents_are_recorded(
    book: Book, make: Make, groups: list[list[int]], balanced: bool
) -> None:
    """Whatever the amounts: an entry is recorded if, and only if, each of its documents balances and fits 64 bits."""
    documents = []
    for group in groups:
        lines = [Line("6071", amount, LineRole.COST) for amount in group]
        lines.append(Line("1920", -sum(group) if balanced else 1, LineRole.COUNTER))
        documents.append(Document(DocumentKind.JOURNAL_ENTRY, "EUR", tuple(lines)))
    (answer,) = await book.record([make.entry(*documents)])
    fits = all(
        sum(line.amount_minor for line in document.lines) == 0
        and sum(line.amount_minor for line in document.lines if line.amount_minor > 0) < 2**63
        for document in documents
    )
    assert isinstance(answer, Recorded) is fits


async def test_posting(book: Book, make: Make) -> None:
    """Posting finalises drafts; a second posting and a posted entry's repeat answer the same."""
    entries = make.batch(2, "post")
    drafts = [answer for answer in await book.record(entries) if isinstance(answer, Recorded)]
    posted = await book.post(drafts)
    assert [answer.state for answer in posted if isinstance(answer, Recorded)] == [PostingState.POSTED] * 2
    assert await book.post(drafts) == posted
    assert await book.record(entries) == posted


async def test_posting_into_a_closed_period(book: Book, make: Make, stranger: sqlite3.Connection) -> None:
    """A draft whose period was closed meanwhile is refused alone; an entry the book does not have as well."""
    early, late = await book.record([make.entry(on=date(2026, 1, 31)), make.entry(on=date(2026, 2, 1))])
    assert isinstance(early, Recorded)
    assert isinstance(late, Recorded)
    stranger.execute("INSERT INTO closed_periods VALUES ('2026-01-01', '2026-01-31')")
    foreign = replace(late, key=make.entry().key)
    refused, posted, unknown = await book.post([early, late, foreign])
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, PeriodClosed)
    assert isinstance(posted, Recorded)
    assert posted.state is PostingState.POSTED
    assert isinstance(unknown, Refused)
    assert isinstance(unknown.error, EntryRejected)


async def test_budget(book: Book, make: Make) -> None:
    """A call costs one transaction and a number of statements that does not grow with the entries."""
    await book.find([])
    costs = []
    for count in (2, 100):
        entries = make.batch(count, f"budget-{count}")
        before = (book.counts.statements, book.counts.commits)
        recorded = [answer for answer in await book.record(entries) if isinstance(answer, Recorded)]
        await book.find([entry.key for entry in entries])
        await book.post(recorded)
        costs.append((book.counts.statements - before[0], book.counts.commits - before[1]))
    assert costs[0] == costs[1]
    statements, commits = costs[1]
    assert statements <= 27
    assert commits == 2


async def test_cancelled_call(book: Book, make: Make, stranger: sqlite3.Connection) -> None:
    """A call that is cancelled while it waits is done as a whole or not at all, and the book works on."""
    await book.find([])
    stranger.execute("BEGIN IMMEDIATE")
    entries = make.batch(20, "cancelled")
    call = asyncio.ensure_future(book.record(entries))
    await asyncio.wait([call], timeout=0.05)
    call.cancel()
    stranger.execute("ROLLBACK")
    assert len(await book.find([entry.key for entry in entries])) in {0, 20}
    assert len(await book.record(entries)) == 20
    assert stranger.execute("SELECT COUNT(*), MAX(number) FROM entries").fetchone() == (20, 20)


async def test_external_url(make: Make, book: Book) -> None:
    """With the address of a viewer an entry carries a link to itself, else none."""
    (plain,) = await book.record([make.entry(name="linked")])
    assert isinstance(plain, Recorded)
    assert plain.external_url is None
    linked = Book(book.settings.model_copy(update={"view_url": "http://127.0.0.1:5000/acme/"}), book._clock)
    found = await linked.find([plain.key])
    await linked.aclose()
    assert found[plain.key].external_url == f"http://127.0.0.1:5000/acme/journal/?filter=%5E{plain.key.entry_id}"
