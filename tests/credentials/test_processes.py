"""Several processes with one login: one renewal among them all, whatever becomes of the one that does it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest
import sqlalchemy as sa
import structlog

from tallybook.store.database import Database
from tallybook.store.logins import LoginBusy, LoginStore
from tests.credentials.conftest import Desk

ROOT = Path(__file__).parents[2]


class Racer:
    """A process that asks for an access token when told to."""

    def __init__(self, desk: Desk, ahead_s: float) -> None:
        self._given = {
            "pleo": desk.pleo.url,
            "client_id": desk.pleo.client_id,
            "client_secret": desk.pleo.client_secret,
            "url": desk.url,
            "key": desk.key,
            "ahead_s": ahead_s,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.credentials.racer"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(json.dumps(self._given))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ready(self) -> "Racer":
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self

    def go(self) -> None:
        self._say("go")

    def got(self) -> str:
        """What it printed last: the token's digest, or the error."""
        said, _ = self.process.communicate(timeout=60)
        return said.splitlines()[-1]

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def asked(desk: Desk) -> None:
    """Wait until Pleo has the renewal that a fault was ordered for."""
    while desk.pleo.http.get("/_sandbox/faults").json()["faults"]:
        pass


def test_many_processes_renew_once(desk: Desk, stack: ExitStack) -> None:
    """Four processes find the token about to end at the same moment: Pleo sees one renewal, all have its token."""
    desk.pleo.lasting(100)
    desk.log_in()
    racers = [stack.enter_context(Racer(desk, 90)) for _ in range(4)]
    for racer in racers:
        racer.ready()
    for racer in racers:
        racer.go()
    assert len({racer.got() for racer in racers}) == 1
    assert desk.pleo.token_calls() == [200, 200]


def test_a_process_killed_before_pleo_has_done_it_costs_nothing(desk: Desk, stack: ExitStack) -> None:
    """Its lock goes with it, the old refresh token still works, and the next process renews."""
    desk.pleo.lasting(100)
    desk.log_in()
    desk.pleo.fault("timeout")
    first, second = (stack.enter_context(Racer(desk, 101)).ready() for _ in range(2))
    first.go()
    asked(desk)
    first.process.kill()
    second.go()
    assert len(second.got()) == 64
    assert desk.pleo.token_calls()[-1] == 200


def test_a_process_killed_after_pleo_has_done_it_ends_the_login_clearly(desk: Desk, stack: ExitStack) -> None:
    """The new tokens died with it: the next process is refused once, and says that somebody has to log in."""
    desk.pleo.lasting(100)
    desk.log_in()
    desk.pleo.fault("timeout", phase="after")
    first, second, third = (stack.enter_context(Racer(desk, 101)).ready() for _ in range(3))
    first.go()
    asked(desk)
    first.process.kill()
    for racer in (second, third):
        racer.go()
        assert "run `tallybook login`" in racer.got()
    assert desk.pleo.token_calls().count(400) == 1
    desk.log_in()
    again = stack.enter_context(Racer(desk, 0)).ready()
    again.go()
    assert len(again.got()) == 64


def test_a_frozen_process_keeps_its_turn_and_loses_nothing(desk: Desk, stack: ExitStack) -> None:
    """Nobody renews beside it; when it wakes, its answer is kept and all go on with it."""
    desk.pleo.lasting(100)
    desk.log_in()
    desk.pleo.fault("slow", delayMs=300)
    racer = stack.enter_context(Racer(desk, 101)).ready()
    racer.go()
    asked(desk)
    os.kill(racer.process.pid, signal.SIGSTOP)
    with pytest.raises(LoginBusy), LoginStore(Database(desk.url)).turn("acme", within_s=1):
        pass
    os.kill(racer.process.pid, signal.SIGCONT)
    assert len(racer.got()) == 64
    assert desk.pleo.token_calls() == [200, 200]
    assert desk.pleo.reaches(desk.login()[0].stored().access_token)


def test_a_database_that_is_away_when_the_answer_comes_is_waited_for(shared_desk: Desk) -> None:
    """The only working tokens are held until the database takes them."""
    desk = shared_desk
    tokens = desk.log_in()
    store = LoginStore(Database(desk.url))
    stored = store.read("acme")
    assert stored is not None
    kept: list[bool] = []
    refused = threading.Event()

    def told(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event["event"] == "login_not_stored_yet":
            refused.set()
        raise structlog.DropEvent

    before = structlog.get_config()
    engine = Database(desk.url).connect()
    try:
        structlog.configure(processors=[told])
        with engine.connect() as connection, connection.begin() as transaction:
            connection.execute(sa.text("LOCK TABLE oauth_login IN ACCESS EXCLUSIVE MODE"))
            keeping = threading.Thread(target=lambda: kept.append(store.renewed(stored, "new")))
            keeping.start()
            assert refused.wait(30)
            transaction.rollback()
        keeping.join(30)
    finally:
        structlog.configure(**before)
        engine.dispose()
    assert kept == [True]
    found = store.read("acme")
    assert found is not None
    assert (found.sealed, found.version) == ("new", stored.version + 1)
    assert tokens.access_token not in repr(stored)
