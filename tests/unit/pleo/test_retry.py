"""How long the client waits, and on whose word."""

from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.pleo.client import PleoClient, RetryPolicy
from tallybook.pleo.errors import PleoNotFound, PleoRateLimited, PleoServerFault
from tallybook.pleo.models import JobEvent
from tallybook.pleo.retry import retry_after_s
from tests.unit.pleo.hostile import JOB_ID, FakeClock, HostileServer, http, job, refuses, says

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


async def test_retry_after_in_seconds_is_waited(client: PleoClient, server: HostileServer, clock: FakeClock) -> None:
    """The pause is at least what Pleo asks for."""
    server.will(refuses(429, "", headers={"Retry-After": "7"}), says({"data": job()}))
    await client.job(JOB_ID)
    assert [7 <= pause <= 7.5 for pause in clock.sleeps] == [True]


async def test_retry_after_as_a_date_is_waited(client: PleoClient, server: HostileServer, clock: FakeClock) -> None:
    """An HTTP date is read against our clock."""
    at = format_datetime(NOW.replace(second=9), usegmt=True)
    server.will(http(503, headers={"Retry-After": at}), says({"data": job()}))
    await client.job(JOB_ID)
    assert [9 <= pause <= 9.5 for pause in clock.sleeps] == [True]


async def test_an_event_is_repeated_after_429_when_the_job_says_it_was_not_done(
    client: PleoClient, server: HostileServer, clock: FakeClock
) -> None:
    """As long as Pleo asks is waited, the job is read, and the event is sent again."""
    server.will(refuses(429, "", headers={"Retry-After": "7"}), says({"data": job(status="pending")}), http(202))
    await client.move_job(JOB_ID, JobEvent.STARTED)
    assert [request.method for request in server.requests] == ["POST", "GET", "POST"]
    assert [7 <= pause <= 7.5 for pause in clock.sleeps] == [True]


async def test_an_event_is_not_repeated_after_429_when_the_job_says_it_was_done(
    client: PleoClient, server: HostileServer
) -> None:
    """Whatever stood between Pleo and us said "too many requests" after the effect."""
    server.will(refuses(429, "", headers={"Retry-After": "1"}), says({"data": job(status="in_progress")}))
    await client.move_job(JOB_ID, JobEvent.STARTED)
    assert [request.method for request in server.requests] == ["POST", "GET"]


async def test_patience_ends_before_the_whole_call_does(
    client: PleoClient, server: HostileServer, clock: FakeClock
) -> None:
    """A pause that would outlast the whole call is not begun; the error says how long Pleo wanted."""
    server.will(refuses(429, "", headers={"Retry-After": "45"}))
    with pytest.raises(PleoRateLimited) as caught:
        await client.job(JOB_ID)
    assert (caught.value.retry_after_s, clock.sleeps, len(server.requests)) == (45, [], 1)


async def test_pauses_grow(client: PleoClient, server: HostileServer, clock: FakeClock) -> None:
    """Without a word from Pleo the pauses double, each between half and whole."""
    server.will(http(500))
    with pytest.raises(PleoServerFault):
        await client.job(JOB_ID)
    first, second = clock.sleeps
    assert 0.25 <= first <= 0.5 <= second <= 1.0


async def test_a_refusal_is_not_repeated(client: PleoClient, server: HostileServer, clock: FakeClock) -> None:
    """What will be refused again is asked once."""
    server.will(refuses(404, "EXPORT_NOT_FOUND"))
    with pytest.raises(PleoNotFound):
        await client.job(JOB_ID)
    assert (len(server.requests), clock.sleeps) == (1, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        (" 12 ", 12.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sunday, 01-Mar-26 12:00:05 GMT", 5.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 400, None),
        ("soon", None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, expected: float | None) -> None:
    """Seconds and HTTP dates are read, the past is now, and nonsense is nothing."""
    assert retry_after_s({"retry-after": text}, NOW) == expected


@given(st.text(max_size=60))
def test_no_retry_after_breaks_anything(text: str) -> None:
    """Whatever stands in the header, it is a number of seconds or nothing."""
    found = retry_after_s({"retry-after": text}, NOW)
    assert found is None or found >= 0


@given(st.integers(1, 10_000), st.none() | st.floats(0, 1e12), st.integers(0, 2**32))
def test_no_pause_is_longer_than_allowed(failed: int, asked_s: float | None, seed: int) -> None:
    """However often a call failed and whatever Pleo asks for, the pause stays in its bounds."""
    policy = RetryPolicy()
    pause = policy.delay_s(failed, Random(seed), asked_s)  # noqa: S311 - scatters pauses
    assert 0 <= pause <= policy.retry_after_s_max + policy.first_delay_s
