"""A hostile server, a clock that is moved, and a client between them."""

from collections.abc import AsyncIterator
from random import Random

import pytest

from tallybook.pleo.auth import bearer
from tallybook.pleo.client import PleoClient, RetryPolicy, Timeouts
from tallybook.pleo.transport import CallRecord
from tests.unit.pleo.hostile import FakeClock, HostileServer

TOKEN = "tok-3b1f9c2d7e"


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock that stands still."""
    return FakeClock()


@pytest.fixture
async def server() -> AsyncIterator[HostileServer]:
    """Give a server on a free port."""
    async with HostileServer().serving() as running:
        yield running


@pytest.fixture
def records() -> list[CallRecord]:
    """Give the attempts the client told of."""
    return []


@pytest.fixture
async def client(server: HostileServer, clock: FakeClock, records: list[CallRecord]) -> AsyncIterator[PleoClient]:
    """Give a client that waits for an answer as long as a busy machine may need."""
    async with _client(server, clock, records, read_s=10.0) as made:
        yield made


@pytest.fixture
async def hasty(server: HostileServer, clock: FakeClock, records: list[CallRecord]) -> AsyncIterator[PleoClient]:
    """Give a client that gives up at once, for a server that does not answer."""
    async with _client(server, clock, records, read_s=0.1) as made:
        yield made


def _client(server: HostileServer, clock: FakeClock, records: list[CallRecord], *, read_s: float) -> PleoClient:
    return PleoClient(
        base_url=server.url,
        auth=bearer(TOKEN),
        clock=clock,
        random=Random(5),  # noqa: S311 - scatters pauses
        timeouts=Timeouts(connect_s=1.0, read_s=read_s, whole_call_s=30.0),
        retry=RetryPolicy(attempts=3),
        observer=records.append,
        answer_size_bytes_max=1024 * 1024,
    )
