"""The history on both kinds of database, by the journal tests' own connections."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tallybook.clock import SystemClock
from tallybook.history.recorder import Recorder
from tests.postings.conftest import connections, postgres_server, shared_url, url

__all__ = ["connections", "postgres_server", "shared_url", "url"]


class SetClock(SystemClock):
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SetClock:
    """Half past nine on a Monday."""
    return SetClock()


@pytest.fixture
def recorders(connections: sa.Engine, clock: SetClock) -> Iterator[Callable[[], Recorder]]:
    """Makes recorders, as every process has one; a test closes one to have all its notes written."""
    made: list[Recorder] = []

    def make() -> Recorder:
        made.append(Recorder(connections, clock, keep_days=90, written_every_s=0.01, again_after_s=0.01))
        return made[-1]

    yield make
    for recorder in made:
        recorder.close()
