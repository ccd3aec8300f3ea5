"""The stage for the service: `tallybook serve` in a process of its own, asked over HTTP as its neighbours ask it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallybook.sandbox import server
from tests.engine.conftest import postgres_server, shared_url, stage, stages, url
from tests.engine.worker import Worker
from tests.flow.conftest import Stage

__all__ = ["postgres_server", "shared_url", "stage", "stages", "url"]

TOKEN = "a-token-of-the-tests-0123456789"


@dataclass
class Served:
    """A server that says it serves, and its address."""

    worker: Worker
    address: str

    def get(self, path: str, token: str | None = None) -> httpx.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return httpx.get(self.address + path, headers=headers, trust_env=False, timeout=30)

    def post(self, path: str, *, token: str | None = None, **content: Any) -> httpx.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return httpx.post(self.address + path, headers=headers, trust_env=False, timeout=30, **content)

    def metric(self, line: str) -> float:
        """The value of a metric, by its name and labels as they stand in the text."""
        values = [
            row.rpartition(" ")[2] for row in self.get("/metrics").text.splitlines() if row.startswith(f"{line} ")
        ]
        assert len(values) == 1, (line, values)
        return float(values[0])


Serve = Callable[..., Served]


@contextmanager
def starting(folder: Path) -> Iterator[Serve]:
    """Start servers that poll once an hour, so that what happens sooner happens for another reason."""
    with ExitStack() as stack:

        def start(
            *configs: Path,
            database_url: str = f"sqlite:///{folder}/serve.sqlite",
            program: str | None = None,
            **variables: str,
        ) -> Served:
            given = {
                "TALLYBOOK_DATABASE_URL": database_url,
                "TALLYBOOK_DATABASE_LEASE_S": "4",
                "TALLYBOOK_SERVE_POLL_EVERY_S": "3600",
                "TALLYBOOK_SERVE_LISTEN": "127.0.0.1:0",
                "TALLYBOOK_SERVE_TOKEN": TOKEN,
                **variables,
            }
            worker = stack.enter_context(
                Worker(configs, {name: value for name, value in given.items() if value}, program=program)
            )
            serving = worker.wait_for("serving")
            served = Served(worker, f"http://127.0.0.1:{serving['address'].rpartition(':')[2]}")
            while served.get("/metrics", TOKEN).text.count("\ntallybook_polls_total{") < len(serving["companies"]):
                pass  # until it has looked for the first time
            return served

        yield start


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers, which end with the test."""
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def served(stage: Stage, serve: Serve) -> Served:
    """One server for one company, which has looked once and found nothing."""
    return serve(stage.place.config)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server without work for the tests of a module that only ask it something."""
    folder = tmp_path_factory.mktemp("idle")
    with server.running(world="empty") as pleo, starting(folder) as start:
        stage = Stage(pleo, folder)
        stage.found()
        yield start(stage.place.config)
        stage.http.close()
