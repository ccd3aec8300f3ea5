"""Empty databases of either kind, quickly: copies of one that has its tables."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.engine.postgres import PostgresServer

Migrate = Callable[[str], None]


class SqliteFiles:
    """SQLite databases in a folder."""

    kind = "sqlite"

    def __init__(self, folder: Path, migrate: Migrate) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._template = folder / "template.sqlite"
        migrate(f"sqlite:///{self._template}")

    def fresh(self) -> str:
        """Copy the template; the copy's URL."""
        path = self._folder / f"{uuid.uuid4().hex[:12]}.sqlite"
        shutil.copy(self._template, path)
        return f"sqlite:///{path}"


class PostgresDatabases:
    """Databases of one PostgreSQL server."""

    kind = "postgresql"

    def __init__(self, server: PostgresServer, migrate: Migrate) -> None:
        url = server.database()
        self._template, _, self._where = url.partition("@/")[2].partition("?")
        migrate(url)

    def fresh(self) -> str:
        """Copy the template; the copy's URL."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(f"postgresql://tallybook@/postgres?{self._where}", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}".encode())
        return f"postgresql://tallybook@/{name}?{self._where}"


Databases = SqliteFiles | PostgresDatabases
