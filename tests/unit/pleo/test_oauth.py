"""The authorization server's answers, when they are not what they should be; and what we ask it."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from tallybook.pleo.errors import (
    PleoAnswerUnreadable,
    PleoError,
    PleoLoginNeeded,
    PleoLoginRefused,
    PleoRateLimited,
    PleoServerFault,
    PleoTimeout,
    PleoUnreachable,
)
from tallybook.pleo.oauth import Application, AuthorizationServer, Tokens
from tallybook.pleo.retry import Timeouts
from tests.unit.pleo import hostile
from tests.unit.pleo.hostile import FakeClock, HostileServer

OLD, SECRET = "refresh-s3cret", "cl1ent&s3cret="
GOOD = {"access_token": "a1", "token_type": "bearer", "expires_in": 3600, "refresh_token": "r1"}


def authorization_server(
    server: HostileServer, clock: FakeClock, *, secret: str | None = SECRET, header: bool = False
) -> AuthorizationServer:
    application = Application(
        "tally book",
        secret,
        f"{server.url}/oauth/authorize",
        f"{server.url}/oauth/token",
        ("a:read", "b:write"),
        header,
    )
    return AuthorizationServer(application, clock=clock, timeouts=Timeouts(1.0, 0.5, 2.0))


async def refreshed(server: HostileServer, clock: FakeClock, *answers: hostile.Answer) -> Tokens:
    server.answers[:] = answers
    return await asyncio.to_thread(authorization_server(server, clock).refresh, OLD)


def test_the_question_carries_a_challenge_and_never_the_verifier(server: HostileServer, clock: FakeClock) -> None:
    """S256, a state, and all that Pleo asks for; no two questions are alike."""
    made = authorization_server(server, clock)
    one, other = made.question("http://127.0.0.1:1/callback"), made.question("http://127.0.0.1:1/callback")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(one.url).query).items()}
    assert asked.pop("code_challenge") not in other.url
    assert asked.pop("state") == one.state != other.state
    assert asked == {
        "response_type": "code",
        "client_id": "tally book",
        "redirect_uri": "http://127.0.0.1:1/callback",
        "scope": "a:read b:write",
        "code_challenge_method": "S256",
    }
    assert one.code_verifier not in one.url
    assert 43 <= len(one.code_verifier) <= 128


async def test_a_renewal_is_asked_for_as_pleo_has_it(server: HostileServer, clock: FakeClock) -> None:
    """A form, with the client in the body whatever letters its secret has; times count from before we asked."""
    tokens = await refreshed(server, clock, hostile.says(GOOD))
    assert (tokens.access_token, tokens.refresh_token) == ("a1", "r1")
    assert (tokens.expires_at - clock.at).total_seconds() == 3600
    assert (tokens.expires_at - tokens.renew_at).total_seconds() == 120
    (request,) = server.requests
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": [OLD],
        "client_id": ["tally book"],
        "client_secret": ["cl1ent&s3cret="],
    }


async def test_a_client_may_show_itself_in_the_header_or_have_no_secret(
    server: HostileServer, clock: FakeClock
) -> None:
    """Basic takes the secret out of the body; a public client sends its id alone."""
    server.answers[:] = [hostile.says(GOOD)]
    await asyncio.to_thread(authorization_server(server, clock, header=True).refresh, OLD)
    await asyncio.to_thread(authorization_server(server, clock, secret=None).refresh, OLD)
    in_header, public = server.requests
    assert in_header.headers["authorization"].startswith("Basic ")
    assert b"client_secret" not in in_header.body
    assert "authorization" not in public.headers
    assert parse_qs(public.body.decode())["client_id"] == ["tally book"]
    assert b"client_secret" not in public.body


async def test_a_refresh_token_that_is_not_replaced_stays(server: HostileServer, clock: FakeClock) -> None:
    """OAuth allows an answer without one. Source: RFC 6749 section 6."""
    answer = {name: value for name, value in GOOD.items() if name != "refresh_token"}
    assert (await refreshed(server, clock, hostile.says(answer))).refresh_token == OLD


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "a\r\nX-Evil: 1"},
        {"access_token": "ä"},
        {"access_token": "a" * 10_000},
        {"token_type": "mac"},
        {"expires_in": None},
        {"expires_in": 0},
        {"expires_in": -5},
        {"expires_in": 10**30},
        {"expires_in": "soon"},
        {"refresh_token": "r r"},
        {"refresh_token": ["r"]},
    ],
)
async def test_tokens_of_the_wrong_form_are_not_taken(
    server: HostileServer, clock: FakeClock, change: dict[str, object]
) -> None:
    """The sentence names the member and repeats nothing of it."""
    with pytest.raises(PleoAnswerUnreadable, match=next(iter(change))) as caught:
        await refreshed(server, clock, hostile.says(GOOD | change))
    assert "X-Evil" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (hostile.http(200, b"<html>"), PleoAnswerUnreadable),
        (hostile.http(200, b"[]"), PleoAnswerUnreadable),
        (hostile.http(200, b"[" * 50_000), PleoAnswerUnreadable),
        (hostile.http(200, b'{"a":' + b"9" * 60_000 + b"}"), PleoAnswerUnreadable),
        (hostile.http(200, b" " * 200_000), PleoAnswerUnreadable),
        (hostile.http(302, b"", {"Location": "http://127.0.0.1:1/"}), PleoLoginRefused),
        (hostile.http(404, b"<html>"), PleoLoginRefused),
        (hostile.http(429, b"", {"Retry-After": "7"}), PleoRateLimited),
        (hostile.http(502, b"<html>"), PleoServerFault),
        (hostile.resets, PleoUnreachable),
        (hostile.stays_silent, PleoTimeout),
        (hostile.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"), PleoUnreachable),
        (hostile.raw(b"nonsense\r\n\r\n"), PleoUnreachable),
        (hostile.says({"error": "invalid_grant"}, 400), PleoLoginNeeded),
        (hostile.says({"error": "invalid_client"}, 401), PleoLoginRefused),
        (hostile.says({"error": ["invalid_grant"]}, 400), PleoLoginRefused),
    ],
)
async def test_every_odd_answer_is_an_error_of_ours(
    server: HostileServer, clock: FakeClock, answer: hostile.Answer, error: type[PleoError]
) -> None:
    """And asked for once: who asks again is decided where the turn is kept."""
    with pytest.raises(error):
        await refreshed(server, clock, answer)
    assert len(server.requests) == 1


async def test_an_answer_that_drips_is_given_up(server: HostileServer) -> None:
    """Each piece comes in time, the whole never."""

    class Hurried(FakeClock):
        def monotonic_s(self) -> float:
            self.elapsed_s += 0.5
            return self.elapsed_s

    head = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"
    with pytest.raises(PleoTimeout):
        await refreshed(server, Hurried(), hostile.drips(head, b" "))


async def test_what_a_refusal_says_is_shown_without_secrets_and_harmless(
    server: HostileServer, clock: FakeClock
) -> None:
    """A server that quotes our token or secret back, or sends control characters."""
    said = f"the token {OLD} of cl1ent&s3cret= \x1b[31m is\nbad"
    answer = hostile.says({"error": "invalid_request", "error_description": said}, 400)
    with pytest.raises(PleoLoginRefused) as caught:
        await refreshed(server, clock, answer)
    shown = f"{caught.value}{caught.value.message}"
    assert "the token … of …" in shown
    assert not any(part in shown for part in (OLD, "cl1ent&s3cret=", "\x1b", "\n"))


@pytest.mark.parametrize(
    "answered",
    ["", "nonsense", "http://127.0.0.1:1/callback", "http://[", "http://127.0.0.1:1/callback?state=other&code=c"],
)
async def test_an_address_that_is_no_answer_is_refused_before_anything_is_sent(
    server: HostileServer, clock: FakeClock, answered: str
) -> None:
    """Whatever was pasted."""
    made = authorization_server(server, clock)
    question = made.question("http://127.0.0.1:1/callback")
    with pytest.raises(PleoLoginRefused):
        await asyncio.to_thread(made.exchange, question, answered)
    with pytest.raises(PleoLoginRefused, match="carries no code"):
        await asyncio.to_thread(made.exchange, question, f"http://127.0.0.1:1/callback?state={question.state}")
    assert server.requests == []


async def test_a_login_without_a_refresh_token_is_no_login(server: HostileServer, clock: FakeClock) -> None:
    """It would end within the hour."""
    server.answers[:] = [hostile.says({name: value for name, value in GOOD.items() if name != "refresh_token"})]
    made = authorization_server(server, clock)
    question = made.question("http://127.0.0.1:1/callback")
    with pytest.raises(PleoAnswerUnreadable, match="no refresh token"):
        await asyncio.to_thread(made.exchange, question, f"http://127.0.0.1:1/?state={question.state}&code=c")
