"""The tables the code names are the tables the migrations make."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tallybook.store import database
from tallybook.store.errors import DatabaseUnusable
from tallybook.store.tables import metadata


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
