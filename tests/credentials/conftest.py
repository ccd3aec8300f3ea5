"""The stage for logins: a real sandbox, a real database of either kind, and people who press Allow."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from tallybook.clock import SystemClock
from tallybook.credentials.login import Login, LoginAuth
from tallybook.credentials.vault import Vault
from tallybook.pleo.client import PleoClient, Timeouts
from tallybook.pleo.oauth import Application, AuthorizationServer, Tokens
from tallybook.sandbox.server import running
from tallybook.store.database import Database
from tallybook.store.logins import LoginStore
from tests.engine import postgres

REDIRECT = "http://127.0.0.1:53682/callback"
SCOPES = ("export-jobs:read", "export-jobs:write", "export-items:read")


class ShiftedClock:
    """The real time and more; waiting takes none."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self._system = SystemClock()
        self.ahead_s = ahead_s

    def now(self) -> datetime:
        return self._system.now() + timedelta(seconds=self.ahead_s)

    def monotonic_s(self) -> float:
        return self._system.monotonic_s() + self.ahead_s

    async def sleep(self, delay_s: float) -> None:
        self.ahead_s += delay_s


@dataclass
class Pleo:
    """A sandbox with an empty company, and its application with a secret."""

    url: str
    http: httpx.Client
    company_id: str = ""
    client_id: str = ""
    client_secret: str = ""

    def ok(self, answer: httpx.Response) -> Any:
        """Give the body of an answer that must be good."""
        assert answer.is_success, answer.text
        return answer.json()

    def found(self) -> None:
        """Begin anew."""
        world = self.ok(self.http.post("/_sandbox/worlds", json={"world": "empty", "seed": 1}))
        self.company_id = world["company"]["id"]
        known = self.ok(self.http.get("/_sandbox/oauth"))["applications"][0]
        self.client_id, self.client_secret = known["clientId"], known["clientSecret"]
        self.ok(self.http.delete("/_sandbox/faults"))

    def lasting(self, seconds: int) -> None:
        """Let access tokens last so long from now on."""
        self.ok(self.http.patch("/_sandbox/oauth", json={"accessTokenSeconds": seconds}))

    def allow(self, url: str, *, allow: bool = True) -> str:
        """Answer the question at an address; where the browser is sent."""
        answer = {"authorizationUrl": url, "allow": allow}
        where: str = self.ok(self.http.post("/_sandbox/consents", json=answer))["redirectTo"]
        return where

    def fault(self, kind: str, **order: Any) -> None:
        """Order a fault of the token endpoint."""
        self.ok(self.http.post("/_sandbox/faults", json={"operation": "token", "kind": kind} | order))

    def token_calls(self) -> list[int | None]:
        """Status of every call of the token endpoint so far."""
        calls = self.ok(self.http.get("/_sandbox/journal", params={"limit": 1000}))["data"]
        return [call["status"] for call in calls if call["path"] == "/oauth/token"]

    def reaches(self, access_token: str) -> bool:
        """Whether a token opens the API."""
        headers = {"authorization": f"Bearer {access_token}"}
        return self.http.get("/v3/export-jobs", headers=headers).status_code == 200


@dataclass
class Desk:
    """Where logins are used: a Pleo, a database and a key; each login made here is as in a process of its own."""

    pleo: Pleo
    url: str
    key: str = field(default_factory=lambda: Fernet.generate_key().decode())

    def server(self, clock: Any = None, **changes: Any) -> AuthorizationServer:
        """Pleo's authorization server, as our application knows it."""
        known: dict[str, Any] = {
            "client_id": self.pleo.client_id,
            "client_secret": self.pleo.client_secret,
            "authorize_url": f"{self.pleo.url}/oauth/authorize",
            "token_url": f"{self.pleo.url}/oauth/token",
            "scopes": SCOPES,
        }
        return AuthorizationServer(
            Application(**(known | changes)), clock=clock or SystemClock(), timeouts=Timeouts(5.0, 10.0, 20.0)
        )

    def login(
        self, *, ahead_s: float = 0.0, name: str = "acme", keys: tuple[str, ...] = ()
    ) -> tuple[Login, ShiftedClock]:
        """Make a login, and the clock it goes by."""
        clock = ShiftedClock(ahead_s)
        made = Login(
            name,
            store=LoginStore(Database(self.url)),
            vault=Vault(keys or (self.key,)),
            server=self.server(clock),
            clock=clock,
            random=Random(5),  # noqa: S311 - scatters pauses
        )
        return made, clock

    def tokens(self) -> Tokens:
        """Let somebody log in, without keeping anything."""
        server = self.server()
        question = server.question(REDIRECT)
        return server.exchange(question, self.pleo.allow(question.url))

    def log_in(self, name: str = "acme") -> Tokens:
        """Let somebody log in."""
        tokens = self.tokens()
        self.login(name=name)[0].keep(tokens)
        return tokens

    def client(self, login: Login) -> PleoClient:
        """Make a client that goes by a login."""
        random = Random(5)  # noqa: S311 - scatters pauses
        return PleoClient(base_url=self.pleo.url, auth=LoginAuth(login), clock=ShiftedClock(), random=random)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Pleo]:
    """One sandbox for all tests."""
    with running(world="empty") as address, httpx.Client(base_url=address.url, timeout=30) as http:
        yield Pleo(address.url, http)


@pytest.fixture
def pleo(sandbox: Pleo) -> Pleo:
    """A new, empty world."""
    sandbox.found()
    return sandbox


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    """One PostgreSQL server for all tests."""
    with postgres.running() as running_server:
        yield running_server


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, pleo: Pleo, tmp_path: Path) -> Desk:
    """A desk with an empty database of either kind."""
    if request.param == "postgresql":
        server: postgres.PostgresServer = request.getfixturevalue("postgres_server")
        return Desk(pleo, server.database())
    return Desk(pleo, f"sqlite:///{tmp_path}/logins.sqlite")


@pytest.fixture
def shared_desk(pleo: Pleo, postgres_server: postgres.PostgresServer) -> Desk:
    """A desk with an empty PostgreSQL database."""
    return Desk(pleo, postgres_server.database())
