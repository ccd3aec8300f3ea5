import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from tallybook.accounting.entry import EntryKey
from tallybook.postings.errors import AnotherWriter, JournalUnusable, NoPosting
from tallybook.postings.journal import Journal
from tallybook.postings.posting import JournalState, Posting
from tallybook.postings.settling import settle
from tallybook.store.database import Database

COMPANY = "3f2b8a52-6c1d-4a11-9c40-0a5ad5a1f001"
AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def intent(number: int, company_id: str = COMPANY) -> Posting:
    return Posting(
        key=EntryKey(company_id, f"{number:08d}-0000-4000-8000-000000000000"),
        state=JournalState.INTENT,
        books="book:/books.sqlite",
        job_id="job",
        content_hash="ab" * 32,
        attempted_at=AT,
    )


@contextmanager
def commits(connections: sa.Engine) -> Iterator[list[object]]:
    """Collects what is committed inside."""
    made: list[object] = []

    def commit(connection: sa.Connection) -> None:
        made.append(connection)

    sa.event.listen(connections, "commit", commit)
    yield made
    sa.event.remove(connections, "commit", commit)


async def test_what_is_written_is_read_back_field_by_field(connections: sa.Engine) -> None:
    """On both databases, instants to the microsecond and in UTC."""
    journal = Journal(connections, run="one")
    full = replace(
        intent(1),
        state=JournalState.RECORDED,
        recorded_at=AT,
        external_id="000001",
        external_url="https://books.example/1",
        replaces="000000",
        settled=True,
        error="AccountingTimeout",
    )
    assert await journal.write([full, intent(2)]) == {full.key, intent(2).key}
    keys = [full.key, intent(2).key, intent(3).key]
    assert await journal.read(keys) == {
        full.key: replace(full, version=1),
        intent(2).key: replace(intent(2), version=1),
    }


async def test_numbers_no_database_can_keep_are_kept_as_far_as_they_can(connections: sa.Engine) -> None:
    """NUL and half surrogates from an accounting system stop no export."""
    journal = Journal(connections)
    odd = replace(intent(1), external_id="A\0B\ud800C\N{SNOWMAN}", external_url="")
    await journal.write([odd])
    read = (await journal.read([odd.key]))[odd.key]
    assert (read.external_id, read.external_url) == ("A\N{REPLACEMENT CHARACTER}B?C\N{SNOWMAN}", "")


async def test_a_group_is_one_commit_whatever_its_size(connections: sa.Engine) -> None:
    """A thousand intents cost what one costs, and are read again without any."""
    journal = Journal(connections)
    postings = [intent(number) for number in range(1000)]
    with commits(connections) as made:
        await journal.claim(postings)
        assert len(made) == 1
        assert len(await journal.read([each.key for each in postings])) == 1000


async def test_of_two_writers_that_saw_the_same_one_gets_the_entry(connections: sa.Engine) -> None:
    """Also when both write at the same moment, entry for entry in the opposite order."""
    postings = [intent(number) for number in range(200)]
    outcomes = await asyncio.gather(
        Journal(connections, run="one").claim(postings),
        Journal(connections, run="two").claim(postings[::-1]),
        return_exceptions=True,
    )
    assert {type(outcome) for outcome in outcomes} == {AnotherWriter, type(None)}
    with connections.connect() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(DISTINCT run) FROM posting")) == 1


async def test_who_lost_one_entry_holds_none(connections: sa.Engine) -> None:
    """A claim is of all entries or of none, so none is left open by somebody who will not write it."""
    journal = Journal(connections)
    await journal.claim([intent(2)])
    with pytest.raises(AnotherWriter, match="00000002-"):
        await journal.claim([intent(1), intent(2), intent(3)])
    assert set(await journal.read([intent(1).key, intent(2).key, intent(3).key])) == {intent(2).key}


async def test_an_old_version_changes_nothing(connections: sa.Engine) -> None:
    """Whoever read a row before it was changed is told, and the row stays."""
    journal = Journal(connections)
    await journal.write([intent(1)])
    newer = replace(intent(1), version=1, state=JournalState.RECORDED, external_id="000001")
    assert await journal.write([newer]) == {newer.key}
    assert await journal.write([replace(newer, state=JournalState.FAILED)]) == set()
    assert await journal.write([intent(1)]) == set()
    assert (await journal.read([newer.key]))[newer.key].state is JournalState.RECORDED


async def test_open_postings_are_those_nobody_knows_the_end_of(connections: sa.Engine) -> None:
    """Of one company, the oldest first."""
    journal = Journal(connections)
    states = list(JournalState)
    rows = [replace(intent(n), state=state, attempted_at=AT.replace(hour=23 - n)) for n, state in enumerate(states)]
    await journal.write([*rows, intent(9, "another")])
    assert [each.state for each in await journal.open_postings(COMPANY)] == [
        JournalState.UNCERTAIN,
        JournalState.INTENT,
    ]


@pytest.mark.parametrize("booked_as", ["000017", None])
async def test_a_settled_entry_is_what_the_person_said(connections: sa.Engine, booked_as: str | None) -> None:
    """Booked under a number, or not booked; either way it is open no more."""
    journal = Journal(connections)
    await journal.write([replace(intent(1), state=JournalState.UNCERTAIN, error="AccountingTimeout")])
    settled = await settle(journal, intent(1).key, booked_as=booked_as)
    assert (await journal.read([intent(1).key]))[intent(1).key] == settled
    expected = (JournalState.RECORDED, AT) if booked_as else (JournalState.FAILED, None)
    assert (settled.state, settled.recorded_at) == expected
    assert (settled.external_id, settled.settled) == (booked_as, True)
    assert await journal.open_postings(COMPANY) == []


async def test_what_was_never_attempted_cannot_be_settled(connections: sa.Engine) -> None:
    """The answer says so."""
    with pytest.raises(NoPosting, match="nothing was ever written"):
        await settle(Journal(connections), intent(1).key, booked_as="1")


async def test_a_database_without_room_or_tables_is_a_sentence_without_data(url: str) -> None:
    """No statement, no parameter, no id."""
    database = Database(url)
    connections = database.connect()
    try:
        with pytest.raises(JournalUnusable) as caught:
            await Journal(connections).write([intent(1)])
        assert "database.url" in str(caught.value)
        assert "00000001" not in str(caught.value)
        assert caught.value.__suppress_context__
    finally:
        connections.dispose()


def test_an_sqlite_commit_is_on_the_disk(tmp_path: object) -> None:
    """Write-ahead log, synced at every commit."""
    database = Database(f"sqlite:///{tmp_path}/one.sqlite")
    database.prepare_file()
    connections = database.connect()
    try:
        with connections.connect() as connection:
            assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
            assert connection.scalar(sa.text("PRAGMA synchronous")) == 2
    finally:
        connections.dispose()
