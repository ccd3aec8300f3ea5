from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engine import postgres
from tests.faults import processes, scene
from tests.faults.databases import Databases, PostgresDatabases, SqliteFiles
from tests.faults.processes import House
from tests.faults.scene import Scene

LANES = 3  # so many kills are tried at once: a worker waits more than it computes


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The books server and the launcher."""
    with processes.opened(tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.fixture(scope="session")
def scenes(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], list[Scene]]]:
    """Gives so many companies, the same ones to every test."""
    folder = tmp_path_factory.mktemp("scenes")
    made: list[Scene] = []
    with ExitStack() as stack:

        def give(number: int) -> list[Scene]:
            while len(made) < number:
                name = f"company{len(made)}"
                made.append(stack.enter_context(scene.played(house, folder / name, name)))
            return made[:number]

        yield give


@pytest.fixture
def company(scenes: Callable[[int], list[Scene]]) -> Scene:
    """One company; a test begins it anew."""
    return scenes(1)[0]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    """One PostgreSQL server for all tests."""
    with postgres.running() as running:
        yield running


@pytest.fixture(scope="session")
def migrate(scenes: Callable[[int], list[Scene]]) -> Callable[[str], None]:
    """Lets a worker make its tables in a database, by serving a company that has nothing to export."""

    def run(url: str) -> None:
        (company,) = scenes(1)
        company.begin(url)
        assert company.serve_once().wait() == 0, company.said()

    return run


@pytest.fixture(scope="session")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory, migrate: Callable[[str], None]) -> SqliteFiles:
    """SQLite databases that have their tables."""
    return SqliteFiles(Path(tmp_path_factory.mktemp("databases")) / "sqlite", migrate)


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: postgres.PostgresServer, migrate: Callable[[str], None]) -> PostgresDatabases:
    """PostgreSQL databases that have their tables."""
    return PostgresDatabases(postgres_server, migrate)


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Databases of either kind."""
    made: Databases = request.getfixturevalue("sqlite_files" if request.param == "sqlite" else "postgres_databases")
    return made
