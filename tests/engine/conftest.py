import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from tallybook.sandbox import server
from tallybook.store.database import Database
from tests.engine import postgres
from tests.engine.worker import Worker
from tests.flow.conftest import Stage


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    """One PostgreSQL server for all tests."""
    with postgres.running() as running:
        yield running


@pytest.fixture
def shared_url(postgres_server: postgres.PostgresServer) -> str:
    """An empty PostgreSQL database."""
    return postgres_server.database()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "postgresql":
        made: str = request.getfixturevalue("shared_url")
        return made
    return f"sqlite:///{tmp_path}/engine.sqlite"


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[Callable[[], Stage]]:
    """Makes stages: each a sandbox of its own with an empty company, a settings file and a book."""
    with ExitStack() as stack:
        count = iter(range(1000))

        def make() -> Stage:
            folder = tmp_path / f"company-{next(count)}"
            folder.mkdir()
            made = Stage(stack.enter_context(server.running(world="empty")), folder)
            stack.callback(made.http.close)
            made.found()
            return made

        yield make


@pytest.fixture
def stage(stages: Callable[[], Stage]) -> Stage:
    """One company."""
    return stages()


@pytest.fixture
def serve(url: str) -> Iterator[Callable[..., Worker]]:
    """Starts servers on one database, for these stages, and ends them with the test."""
    with ExitStack() as stack:

        def start(*stages: Stage, options: tuple[str, ...] = (), database_url: str = url, lease_s: float = 4) -> Worker:
            variables = {
                "TALLYBOOK_DATABASE_URL": database_url,
                "TALLYBOOK_DATABASE_LEASE_S": str(lease_s),
                "TALLYBOOK_SERVE_POLL_EVERY_S": "1",
                "TALLYBOOK_SERVE_LISTEN": "127.0.0.1:0",
                "TALLYBOOK_PLEO_PAGE_SIZE": "10",
            }
            return stack.enter_context(Worker([stage.place.config for stage in stages], variables, *options))

        yield start


def stored(url: str, query: str) -> list[tuple[object, ...]]:
    """Read from an engine's database with its plain driver, not through the engine."""
    database = Database(url)
    if database.shared:
        with psycopg.connect(url, options="-c search_path=dbos,public") as connection:
            return list(connection.execute(query.encode()))
    with closing(sqlite3.connect(database.file)) as connection:
        return list(connection.execute(query))


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, the engine's and ours."""
    tables = (
        "SELECT table_name FROM information_schema.tables WHERE table_schema IN ('dbos', 'public')"
        if Database(url).shared
        else "SELECT name FROM sqlite_schema WHERE type = 'table'"
    )
    return {str(name): stored(url, f'SELECT * FROM "{name}"') for (name,) in stored(url, tables)}
