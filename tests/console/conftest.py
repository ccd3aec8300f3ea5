"""The stage for the console: `tallybook serve` in a process of its own, and somebody with a browser's habits."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import argon2
import httpx
import pytest

from tallybook.sandbox import server
from tests.engine.conftest import postgres_server, shared_url, stage, stages, url
from tests.flow.conftest import Stage
from tests.serve.conftest import Served, serve, starting

__all__ = ["postgres_server", "serve", "shared_url", "stage", "stages", "url"]

PASSWORD = "a password of the tests"
EVERYWHERE = "0.0.0.0:0"
# Weaker than the command makes them, so that a test need not wait: the hash says itself how it was made.
PASSWORD_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD)
TOKEN_IN_A_FORM = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


class Browser(httpx.Client):
    """Keeps cookies, follows redirects, and sends a page's own forms; `address` is where it comes from."""

    def __init__(self, served: Served, address: str = "127.0.0.1") -> None:
        transport = httpx.HTTPTransport(local_address=address)
        super().__init__(base_url=served.address, transport=transport, timeout=60, follow_redirects=True)

    def token(self, page: str) -> str:
        """The token that the forms of a page carry."""
        found = TOKEN_IN_A_FORM.search(self.get(page).text)
        assert found is not None, f"{page} has no form"
        return found[1]

    def fill_in(self, path: str, *, page: str = "/companies", **fields: str) -> httpx.Response:
        """Send a form of a page, as its button does."""
        return self.post(path, data={"form_token": self.token(page), **fields})

    def log_in(self, name: str = "Ada", password: str = PASSWORD, wanted: str = "/") -> httpx.Response:
        return self.fill_in("/login", page="/login", name=name, password=password, next=wanted)


@dataclass
class Place:
    """A server with its company, and the file of its database."""

    served: Served
    stage: Stage
    database: Path

    @property
    def company_id(self) -> str:
        return self.stage.settings().pleo.company_id.lower()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the database past the server."""
        with closing(sqlite3.connect(self.database)) as database:
            return list(database.execute(query))


@contextmanager
def placed(folder: Path, **variables: str) -> Iterator[Place]:
    """A server for a company without expenses, while the block lasts."""
    with server.running(world="empty") as pleo, starting(folder) as start:
        stage = Stage(pleo, folder)
        try:
            stage.found()
            yield Place(start(stage.place.config, **variables), stage, folder / "serve.sqlite")
        finally:
            stage.http.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server on 127.0.0.1, for the tests of a module that leave it as it was."""
    with placed(tmp_path_factory.mktemp("open")) as made:
        yield made


@pytest.fixture
def browser(place: Place) -> Iterator[Browser]:
    """Somebody at the machine the server runs on."""
    with Browser(place.served) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server for everybody who knows the password."""
    variables = {"TALLYBOOK_SERVE_LISTEN": EVERYWHERE, "TALLYBOOK_CONSOLE_PASSWORD_HASH": PASSWORD_HASH}
    with placed(tmp_path_factory.mktemp("guarded"), **variables) as made:
        yield made


@pytest.fixture
def stranger(guarded: Place) -> Iterator[Browser]:
    """Somebody who has not logged in yet."""
    with Browser(guarded.served) as made:
        yield made
