"""The tables the code names are the tables the migrations make; and what is shown of the database's address."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tallybook.engine.presence import present
from tallybook.errors import SettingsError
from tallybook.store import database, tables
from tallybook.store.errors import DatabaseInUse, DatabaseUnusable
from tallybook.store.tables import metadata
from tests.engine import postgres


def test_the_newest_migration_is_the_one_the_start_looks_for() -> None:
    """Otherwise every start would load Alembic, or none would migrate."""
    config = Config()
    config.set_main_option("script_location", "tallybook.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == database.HEAD


def test_migrating_an_empty_database_makes_the_tables_as_the_code_has_them(tmp_path: Path) -> None:
    """Every table, column and type; a second start changes nothing."""
    here = database.Database(f"sqlite:///{tmp_path}/one.sqlite")
    here.prepare_file()
    connections = here.connect()
    try:
        for _ in range(2):
            with database.migrated(here, connections):
                pass
        with connections.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": "tallybook_migrations"})
            assert compare_metadata(context, metadata) == []
            assert set(sa.inspect(connection).get_table_names()) == {*metadata.tables, "tallybook_migrations"}
    finally:
        connections.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def of_the_last_release(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[database.Database, sa.Engine]]:
    """A database as the migration before the newest left it, with an item of a job in its history."""
    with postgres.running() if request.param == "postgresql" else nullcontext() as server:
        here = database.Database(server.database() if server else f"sqlite:///{tmp_path}/one.sqlite")
        if not here.shared:
            here.prepare_file()
        connections = here.connect()
        try:
            with connections.connect() as connection:
                config = Config(attributes={"connection": connection, "version_table": "tallybook_migrations"})
                config.set_main_option("script_location", "tallybook.store:migrations")
                command.upgrade(config, "0006")
                at = datetime(2026, 11, 1, tzinfo=UTC)
                row = {"job_id": "job", "entry_id": "entry", "at": at, "planned": "[]"}
                connection.execute(sa.insert(tables.job_history_item), [row])
                connection.commit()
            yield here, connections
        finally:
            connections.dispose()


def test_a_database_of_the_last_release_is_brought_up_to_date_with_what_is_in_it(
    of_the_last_release: tuple[database.Database, sa.Engine],
) -> None:
    """On both databases: the tables are the code's, the row is kept, and what was not kept of it is not known."""
    here, connections = of_the_last_release
    database.bring_up_to_date(here, connections)
    with connections.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "tallybook_migrations"})
        assert compare_metadata(context, metadata) == []
        (row,) = connection.execute(sa.select(tables.job_history_item))
    assert (row.entry_id, row.planned, row.receipts) == ("entry", "[]", None)


def test_a_database_of_a_newer_release_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """An old worker that is started again after the upgrade neither changes it nor stumbles over it."""
    here = database.Database(f"sqlite:///{tmp_path}/one.sqlite")
    here.prepare_file()
    connections = here.connect()
    try:
        with database.migrated(here, connections):
            pass
        with connections.begin() as connection:
            connection.execute(sa.text("UPDATE tallybook_migrations SET version_num = '9999'"))
        with pytest.raises(DatabaseUnusable, match="newer Tallybook"), database.migrated(here, connections):
            pass
    finally:
        connections.dispose()


_DIES = """
import os, sys
import sqlalchemy as sa
from tallybook.store.database import Database, migrated

here, left = Database(sys.argv[1]), int(sys.argv[2])
here.prepare_file()
connections = here.connect()

def count(connection, cursor, statement, *rest):
    global left
    if statement.startswith(("\\nCREATE", "CREATE", "INSERT", "UPDATE")):
        left -= 1
        if left < 0:
            os._exit(9)

sa.event.listen(connections, "before_cursor_execute", count)
with migrated(here, connections):
    pass
"""


@pytest.mark.parametrize("written", [1, 2, 7])
def test_a_start_killed_while_it_makes_the_tables_keeps_no_later_one_from_making_them(
    tmp_path: Path, written: int
) -> None:
    """All or nothing: otherwise half the tables stay, and the database is refused for ever."""
    here = database.Database(f"sqlite:///{tmp_path}/one.sqlite")
    died = subprocess.run([sys.executable, "-c", _DIES, here.url, str(written)], check=False)
    assert died.returncode == 9
    connections = here.connect()
    try:
        with database.migrated(here, connections), connections.connect() as connection:
            assert set(sa.inspect(connection).get_table_names()) == {*metadata.tables, "tallybook_migrations"}
    finally:
        connections.dispose()


def test_no_password_is_shown_wherever_it_stands_in_the_address() -> None:
    """Before the host, or behind the question mark, where PostgreSQL takes one as well."""
    assert database.Database("postgresql://tally:hunter2@host/runs").shown == "postgresql://tally:***@host/runs"
    assert database.Database("postgresql://tally@host/runs?password=hunter2").shown == "postgresql://tally@host/runs"


def test_an_address_that_cannot_be_taken_apart_is_a_wrong_setting() -> None:
    """Not a fault of ours; and it is not repeated, since it may hold a password."""
    with pytest.raises(SettingsError, match=r"database\.url cannot be read") as refused:
        database.Database("postgresql://tally:hunter2@host:port/runs")
    assert "hunter2" not in str(refused.value)


def test_a_file_has_one_lock_by_whatever_name_it_is_reached(tmp_path: Path) -> None:
    """Two locks would let two processes at the same runs."""
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "one.sqlite")
    with present(database.Database(f"sqlite:///{tmp_path}/one.sqlite")):
        second = present(database.Database(f"sqlite:///{tmp_path}/link.sqlite"))
        with pytest.raises(DatabaseInUse), second:
            pass
