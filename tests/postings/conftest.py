"""The journal on both kinds of database, by the engine tests' own PostgreSQL server."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tallybook.store.database import Database, migrated
from tests.engine.conftest import postgres_server, shared_url, url

__all__ = ["postgres_server", "shared_url", "url"]


@pytest.fixture
def connections(url: str) -> Iterator[sa.Engine]:
    """Connections to an empty database with our tables, of either kind."""
    database = Database(url)
    if not database.shared:
        database.prepare_file()
    made = database.connect()
    try:
        with migrated(database, made):
            pass
        yield made
    finally:
        made.dispose()
