"""A login that stays good: renewed in time, once, whoever asks; and what is said when it cannot be."""

import asyncio
import copy
import pickle
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from tallybook.credentials.login import LoginAuth
from tallybook.credentials.vault import Vault
from tallybook.errors import SettingsError
from tallybook.failure_reasons import reasons
from tallybook.pleo.errors import (
    PleoAnswerUnreadable,
    PleoLoginNeeded,
    PleoLoginRefused,
    PleoNotAuthenticated,
    PleoRateLimited,
    PleoServerFault,
    PleoUnreachable,
)
from tallybook.pleo.models import JobFailureReason
from tallybook.store.database import Database
from tests.credentials.conftest import REDIRECT, Desk


def rows(desk: Desk) -> list[Any]:
    engine = Database(desk.url).connect()
    try:
        with engine.connect() as connection:
            return list(connection.execute(sa.text("SELECT * FROM oauth_login")))
    finally:
        engine.dispose()


def change(desk: Desk, statement: str) -> None:
    engine = Database(desk.url).connect()
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(statement))
    finally:
        engine.dispose()


async def test_a_login_opens_the_api(desk: Desk) -> None:
    """What somebody allowed in the browser is kept, and used by the next process."""
    desk.log_in()
    login, _ = desk.login()
    async with desk.client(login) as client:
        assert [job async for job in client.jobs()] == []
    assert desk.pleo.token_calls() == [200]


async def test_it_is_renewed_before_it_ends(desk: Desk) -> None:
    """A fifth of its life before the access token's end, both tokens are replaced and kept."""
    desk.pleo.lasting(100)
    first = desk.log_in()
    login, clock = desk.login(ahead_s=75)
    assert await login.access_token() == first.access_token
    clock.ahead_s = 85
    second = await login.access_token()
    assert second != first.access_token
    assert desk.pleo.reaches(second)
    assert desk.login()[0].stored().access_token == second
    assert desk.login()[0].stored().refresh_token != first.refresh_token


async def test_who_asks_at_the_same_moment_shares_one_renewal(desk: Desk) -> None:
    """In one login object, and in several that stand for the same login."""
    desk.pleo.lasting(100)
    desk.log_in()
    logins = [desk.login(ahead_s=90)[0] for _ in range(4)]
    tokens = await asyncio.gather(*(login.access_token() for login in logins for _ in range(5)))
    assert len(set(tokens)) == 1
    assert desk.pleo.token_calls() == [200, 200]


async def test_a_token_that_another_process_replaced_is_read_again(desk: Desk) -> None:
    """The API refuses the old one at once; the call is made again with the new one, and nothing is renewed."""
    desk.pleo.lasting(100)
    desk.log_in()
    ours, _ = desk.login()
    async with desk.client(ours) as client:
        await client.list_jobs()
        await desk.login(ahead_s=90)[0].access_token()
        await client.list_jobs()
    assert desk.pleo.token_calls() == [200, 200]


async def test_a_token_that_pleo_ended_early_is_renewed(desk: Desk) -> None:
    """Whatever our clock says."""
    desk.log_in()
    login, _ = desk.login()
    async with desk.client(login) as client:
        desk.pleo.ok(desk.pleo.http.post("/_sandbox/clock", json={"advanceSeconds": 3700}))
        await client.list_jobs()
    assert desk.pleo.token_calls() == [200, 200]


async def test_an_api_that_refuses_everything_is_not_answered_with_renewals(desk: Desk) -> None:
    """One renewal a minute at most; the refusal is what is told."""
    desk.log_in()
    login, clock = desk.login()
    refusal = {"operation": "getExportJobsListV3", "status": 401, "times": 100}
    desk.pleo.ok(desk.pleo.http.post("/_sandbox/faults", json={"kind": "status"} | refusal))
    async with desk.client(login) as client:
        for _ in range(3):
            with pytest.raises(PleoNotAuthenticated):
                await client.list_jobs()
        assert desk.pleo.token_calls() == [200, 200]
        clock.ahead_s += 61
        with pytest.raises(PleoNotAuthenticated):
            await client.list_jobs()
    assert desk.pleo.token_calls() == [200, 200, 200]


async def test_an_ended_login_stops_with_one_sentence_and_is_not_tried_again(desk: Desk) -> None:
    """Pleo is asked once; whoever asks later hears what to do, until somebody logs in, and then it goes on."""
    tokens = desk.log_in()
    desk.server().refresh(tokens.refresh_token)  # somebody else used it: the next use ends the login
    login, clock = desk.login(ahead_s=4000)
    for _ in range(3):
        with pytest.raises(PleoLoginNeeded, match=r"Pleo has ended the login .*; run `tallybook login`$") as caught:
            await login.access_token()
        assert tokens.refresh_token not in str(caught.value)
    with pytest.raises(PleoLoginNeeded):
        await desk.login()[0].access_token()
    assert desk.pleo.token_calls() == [200, 200, 400]
    assert reasons(caught.value).job is JobFailureReason.AUTHORIZATION_FAILURE
    clock.ahead_s = 0
    new = desk.log_in()
    assert await login.access_token() == new.access_token


async def test_without_a_login_one_is_asked_for(desk: Desk) -> None:
    """Also where there is no database yet; none is made for it."""
    login, _ = desk.login()
    with pytest.raises(PleoLoginNeeded, match="there is no login acme at Pleo yet; run `tallybook login`"):
        await login.access_token()
    if not Database(desk.url).shared:
        assert not Database(desk.url).file.exists()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 503}, PleoServerFault),
        ({"kind": "status", "status": 429, "retryAfter": 1}, PleoRateLimited),
        ({"kind": "not_json"}, PleoAnswerUnreadable),
        ({"kind": "reset"}, PleoUnreachable),
    ],
)
async def test_what_passes_is_waited_out(desk: Desk, fault: dict[str, Any], error: type[Exception]) -> None:
    """Two failures are tried again; while the old token works it is used; when it has ended, the failure is told."""
    desk.pleo.lasting(100)
    first = desk.log_in()
    login, clock = desk.login(ahead_s=85)
    assert (await desk.login()[0].access_token()) == first.access_token
    desk.pleo.fault(**fault, times=1)
    assert await login.access_token() == first.access_token  # it works for another 15 seconds
    clock.ahead_s = 101
    desk.pleo.fault(**fault, times=2)
    assert await login.access_token() != first.access_token
    clock.ahead_s = 400
    desk.pleo.fault(**fault, times=3)
    with pytest.raises(error):
        await login.access_token()
    assert await login.access_token()


async def test_an_answer_that_is_lost_ends_the_login(desk: Desk) -> None:
    """Pleo has replaced the tokens and nobody has the new ones: the second try tells, and a person has to log in."""
    desk.pleo.lasting(100)
    desk.log_in()
    desk.pleo.fault("reset", phase="after")
    login, _ = desk.login(ahead_s=101)
    with pytest.raises(PleoLoginNeeded, match="run `tallybook login`"):
        await login.access_token()


async def test_a_wrong_client_is_told_and_the_login_stays(desk: Desk) -> None:
    """It is not the login's fault, so with the right secret it goes on."""
    desk.log_in()
    secret, desk.pleo.client_secret = desk.pleo.client_secret, "another"
    with pytest.raises(PleoLoginRefused, match=r"invalid_client.*check oauth\.client_id"):
        await desk.login(ahead_s=4000)[0].access_token()
    desk.pleo.client_secret = secret
    assert await desk.login(ahead_s=4000)[0].access_token()


async def test_stopping_to_wait_does_not_stop_a_renewal(desk: Desk) -> None:
    """Who asked is cut off while Pleo is answering; the new tokens are kept all the same."""
    desk.pleo.lasting(100)
    first = desk.log_in()
    login, _ = desk.login(ahead_s=90)
    desk.pleo.fault("slow", delayMs=500)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await login.access_token()
    other, _ = desk.login(ahead_s=90)
    assert await other.access_token() != first.access_token  # waited for its turn, and found it done
    assert desk.pleo.token_calls() == [200, 200]


async def test_a_login_kept_meanwhile_counts(desk: Desk) -> None:
    """Somebody logs in while the old login is being renewed: the new one is used, the renewed one dropped."""
    desk.pleo.lasting(100)
    desk.log_in()
    login, _ = desk.login(ahead_s=90)
    desk.pleo.fault("slow", delayMs=500)
    asking = asyncio.create_task(login.access_token())
    while (await asyncio.to_thread(desk.pleo.http.get, "/_sandbox/faults")).json()["faults"]:
        pass  # Pleo has not begun to answer yet
    new = await asyncio.to_thread(desk.log_in)
    assert await asking == new.access_token


def test_nothing_is_kept_in_clear(desk: Desk) -> None:
    """Neither token stands in the database."""
    tokens = desk.log_in()
    (row,) = rows(desk)
    for secret in (tokens.access_token, tokens.refresh_token):
        assert secret not in str(row)
        if not Database(desk.url).shared:
            for file in Database(desk.url).file.parent.iterdir():
                assert secret.encode() not in file.read_bytes()


async def test_another_key_opens_nothing(desk: Desk) -> None:
    """One sentence says so; nothing is sent to Pleo, and nothing is lost."""
    desk.log_in()
    other = Fernet.generate_key().decode()
    with pytest.raises(PleoLoginNeeded, match="cannot be opened: it was sealed with another key"):
        await desk.login(keys=(other,))[0].access_token()
    assert await desk.login(keys=(other, desk.key))[
        0
    ].access_token()  # a key is replaced by standing before the old one


async def test_what_was_changed_or_swapped_is_not_used(desk: Desk) -> None:
    """A changed letter, another login's row, and nonsense."""
    desk.log_in()
    desk.log_in("other")
    change(desk, "UPDATE oauth_login SET sealed = (SELECT sealed FROM oauth_login WHERE name = 'other')")
    with pytest.raises(PleoLoginNeeded, match="it belongs to another login"):
        await desk.login()[0].access_token()
    change(desk, "UPDATE oauth_login SET sealed = substr(sealed, 1, 50) || 'A' || substr(sealed, 52)")
    with pytest.raises(PleoLoginNeeded, match="or changed since"):
        await desk.login(name="other")[0].access_token()
    empty = Vault([desk.key]).seal({"name": "acme"})
    change(desk, f"UPDATE oauth_login SET sealed = '{empty}'")
    with pytest.raises(PleoLoginNeeded, match="it is not whole"):
        await desk.login()[0].access_token()


def test_a_key_that_is_none_is_refused() -> None:
    """Without repeating it."""
    with pytest.raises(SettingsError, match="32 bytes") as caught:
        Vault(["not-a-key-at-all"])
    assert "not-a-key" not in str(caught.value)


def test_secrets_do_not_show(desk: Desk) -> None:
    """Printing, pickling and copying reveal nothing."""
    tokens = desk.log_in()
    login, _ = desk.login()
    auth = LoginAuth(login)
    question = desk.server().question(REDIRECT)
    shown = f"{tokens!r}{login!r}{auth!r}{question!r}{Vault([desk.key])!r}{login.stored()!r}"
    for secret in (tokens.access_token, tokens.refresh_token, question.code_verifier, question.state, desk.key):
        assert secret not in shown
    for store in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="not to be stored"):
            store(auth)


def test_forgetting_leaves_nothing(desk: Desk) -> None:
    """A second time there is nothing to forget."""
    desk.log_in()
    assert desk.login()[0].forget()
    assert not desk.login()[0].forget()
    assert rows(desk) == []


def test_an_answer_to_another_question_is_refused(desk: Desk) -> None:
    """The state must be the one that was sent; the code is not even tried."""
    server = desk.server()
    mine, theirs = server.question(REDIRECT), server.question(REDIRECT)
    with pytest.raises(PleoLoginRefused, match="does not answer the question"):
        server.exchange(mine, desk.pleo.allow(theirs.url))
    assert desk.pleo.token_calls() == []


def test_a_person_may_say_no(desk: Desk) -> None:
    """That is told as what it is."""
    server = desk.server()
    question = server.question(REDIRECT)
    with pytest.raises(PleoLoginRefused, match=r"access_denied.*press Allow"):
        server.exchange(question, desk.pleo.allow(question.url, allow=False))
