"""A real Tryton server of the tests' own, installed once, with its company founded once a session."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallybook.adapters.tryton.local import DATABASE, Server, Site, install, running
from tallybook.testkit.proxy import FaultProxy
from tests.adapters.tryton import trial
from tests.engine import postgres

CACHE = Path(__file__).parents[3] / ".cache" / "tallybook" / "tryton"


@contextmanager
def _running(site: Site) -> Iterator[Server]:
    site.found(CACHE)
    with running(site) as server:
        asyncio.run(trial.found(server.url, site.folder))
        yield server


@pytest.fixture(scope="session")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run Tryton on SQLite."""
    with _running(Site(install(CACHE), tmp_path_factory.mktemp("tryton"), trial.PASSWORD)) as server:
        yield server


@pytest.fixture(scope="session")
def rows(tryton: Server) -> trial.Rows:
    """Read Tryton's database with sqlite3."""

    def read(sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(tryton.site.folder / f"{DATABASE}.sqlite", timeout=30)) as database:
            found = database.execute(sql).fetchall()
            database.commit()
            return found

    return read


@pytest.fixture
def tryton_bench(tryton: Server, rows: trial.Rows, request: pytest.FixtureRequest) -> Iterator[trial.TrytonBench]:
    """The bench for the running Tryton, through a proxy that can disturb; patient, but where silence is the point."""
    proxy = FaultProxy(tryton.url)
    yield trial.bench(tryton, rows, lambda: _forget(rows), proxy, read_timeout_s=_patience_s(request))
    proxy.close()


@pytest.fixture(scope="session")
def postgres_where() -> Iterator[str]:
    """Run a PostgreSQL with an empty database for Tryton; gives how to connect to it."""
    with postgres.running() as server:
        anywhere = server.database()
        with psycopg.connect(anywhere, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        yield anywhere.partition("host=")[2]


@pytest.fixture(scope="session")
def tryton_on_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_where: str) -> Iterator[Server]:
    """Run Tryton on PostgreSQL."""
    site = Site(
        install(CACHE),
        tmp_path_factory.mktemp("tryton-postgres"),
        trial.PASSWORD,
        uri="postgresql://tallybook@",
        variables=(("PGHOST", postgres_where),),
    )
    with _running(site) as server:
        yield server


@pytest.fixture
def postgres_bench(
    tryton_on_postgres: Server, postgres_where: str, request: pytest.FixtureRequest
) -> Iterator[trial.TrytonBench]:
    """The bench for the Tryton on PostgreSQL."""

    def read(sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(f"host={postgres_where} user=tallybook dbname={DATABASE}") as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    proxy = FaultProxy(tryton_on_postgres.url)
    patience_s = _patience_s(request)
    yield trial.bench(tryton_on_postgres, read, lambda: _forget(read), proxy, read_timeout_s=patience_s)
    proxy.close()


def _patience_s(request: pytest.FixtureRequest) -> int:
    return 4 if "silent" in request.node.name else 120


def _forget(rows: trial.Rows) -> None:
    rows("DELETE FROM ir_session")
