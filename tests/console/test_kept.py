"""What the console keeps in the database, on SQLite and on PostgreSQL: pauses, the audit log, sessions, tries."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tallybook.store.audit import Audit, Deed
from tallybook.store.errors import DatabaseUnusable
from tallybook.store.operators import Operators
from tallybook.store.pauses import Pause, Pauses
from tests.postings.conftest import connections, postgres_server, shared_url, url

__all__ = ["connections", "postgres_server", "shared_url", "url"]

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def test_a_pause_is_the_first_ones_until_it_ends(connections: sa.Engine) -> None:
    """A second one changes neither who nor when; ending it twice ends it once."""
    pauses = Pauses(connections)
    first = Pause(NOW, "Ada")
    assert await pauses.begin("one", first)
    assert not await pauses.begin("one", Pause(NOW + HOUR, "Grace"))
    assert await pauses.all() == {"one": first}
    assert (await pauses.of("one"), await pauses.of("other")) == (first, None)
    assert [await pauses.end("one"), await pauses.end("one")] == [True, False]
    assert await pauses.all() == {}


async def test_the_audit_log_is_read_newest_first_and_page_by_page(connections: sa.Engine) -> None:
    """A deed whose end was never written has no result; texts that a database cannot keep are kept all the same."""
    audit = Audit(connections)
    ids = [await audit.begin(Deed(NOW, f"Ada {number}\0", "paused the company", "one")) for number in range(3)]
    await audit.end(ids[2], "done")
    newest, second = await audit.newest(2)
    assert (newest.who, newest.result, newest.at) == ("Ada 2\N{REPLACEMENT CHARACTER}", "done", NOW)
    assert second.result is None
    assert [deed.id for deed in await audit.newest(2, before_id=second.id)] == [ids[0]]


async def test_a_session_lasts_as_long_as_it_was_given_and_as_its_password(connections: sa.Engine) -> None:
    """And what ran out is deleted when the next one begins."""
    operators = Operators(connections, "old")
    await operators.admit("a", "Ada", now=NOW, until=NOW + HOUR)
    assert await operators.name_of("a", NOW) == "Ada"
    assert await operators.name_of("a", NOW + HOUR) is None
    assert await Operators(connections, "new").name_of("a", NOW) is None
    await operators.admit("b", "Grace", now=NOW + 2 * HOUR, until=NOW + 3 * HOUR)
    with connections.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM console_session")) == 1
    await operators.dismiss("b")
    assert await operators.name_of("b", NOW) is None


async def test_tries_are_counted_by_address_and_forgotten_in_time(connections: sa.Engine) -> None:
    """What is refused is not counted, so that nobody is kept out longer by trying on."""
    operators = Operators(connections, "")

    async def may_try(address: str, at: datetime) -> bool:
        return await operators.may_try(address, at, since=at - HOUR, at_most=2)

    assert [await may_try("a", NOW) for _ in range(4)] == [True, True, False, False]
    assert await may_try("b", NOW)
    assert await may_try("a", NOW + HOUR)
    await operators.forget_tries("a")
    assert [await may_try("a", NOW + HOUR) for _ in range(2)] == [True, True]


async def test_a_database_that_is_away_is_one_error_without_what_was_asked(connections: sa.Engine) -> None:
    """No statement and no name in it."""
    with connections.begin() as connection:
        connection.execute(sa.text("DROP TABLE company_pause"))
    with pytest.raises(DatabaseUnusable) as refused:
        await Pauses(connections).begin("one", Pause(NOW, "Ada"))
    assert "Ada" not in str(refused.value)
