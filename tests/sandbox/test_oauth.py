"""Logins as OAuth 2.0 has them: consent, codes with PKCE, tokens that rotate, and each refusal by its name."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT = "http://127.0.0.1:53682/callback"
SCOPES = "export-jobs:read export-jobs:write export-items:read"


class Application:
    """An application that logs in at a sandbox, by hand; `http` carries no credentials."""

    def __init__(self, pleo: Any, http: httpx.Client, *, public: bool = False) -> None:
        self.pleo, self.http = pleo, http
        known = pleo.ok(pleo.http.get("/_sandbox/oauth"))["applications"]
        self.id, self.secret = known[1 if public else 0]["clientId"], known[1 if public else 0]["clientSecret"]

    def question(self, **changes: str | None) -> dict[str, str]:
        """Parameters of an authorization request; None leaves one out."""
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": REDIRECT,
            "scope": SCOPES,
            "state": "s1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changes
        return {name: value for name, value in asked.items() if value is not None}

    def ask(self, **changes: str | None) -> httpx.Response:
        """Open the page."""
        answer: httpx.Response = self.pleo.http.get("/oauth/authorize", params=self.question(**changes))
        return answer

    def code(self, **changes: str | None) -> str:
        """Let somebody agree."""
        url = str(httpx.URL(f"{self.pleo.url}/oauth/authorize", params=self.question(**changes)))
        told = self.pleo.ok(self.pleo.http.post("/_sandbox/consents", json={"authorizationUrl": url}))
        return str(dict(parse_qsl(urlsplit(told["redirectTo"]).query))["code"])

    def post(self, path: str = "/oauth/token", *, said: Mapping[str, str | None]) -> httpx.Response:
        """Send a form as this client."""
        form = {"client_id": self.id, "client_secret": self.secret, **said}
        answer: httpx.Response = self.http.post(path, data={k: v for k, v in form.items() if v is not None})
        return answer

    def exchange(self, code: str, /, **changes: str | None) -> httpx.Response:
        """Take a code for tokens."""
        said: dict[str, str | None] = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        return self.post(said={"grant_type": "authorization_code"} | said | changes)

    def refresh(self, token: str, /, **changes: str | None) -> httpx.Response:
        """Take a refresh token for new ones."""
        return self.post(said={"grant_type": "refresh_token", "refresh_token": token} | changes)

    def login(self, **changes: str | None) -> dict[str, Any]:
        """Do all of it."""
        tokens: dict[str, Any] = self.pleo.ok(self.exchange(self.code(**changes)))
        return tokens

    def reaches(self, access_token: str) -> int:
        """Status of a call with this token."""
        headers = {"authorization": f"Bearer {access_token}"}
        return int(self.pleo.http.get("/v3/export-jobs", headers=headers).status_code)


@pytest.fixture
def app(pleo: Any) -> Iterator[Application]:
    with httpx.Client(base_url=pleo.url, timeout=30) as http:
        yield Application(pleo, http)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def sent_to(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{REDIRECT}?")
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def test_the_page_leads_to_a_code_and_the_code_to_tokens(app: Application) -> None:
    """A person presses Allow, the browser takes the code along, and its tokens open the API."""
    page = app.ask()
    asked = re.search(r'name="consent" value="([^"]+)"', page.text)
    assert asked
    assert all(scope in page.text for scope in SCOPES.split())
    answer = app.pleo.http.post("/oauth/authorize", data={"consent": asked[1], "decision": "allow"})
    said = sent_to(answer)
    assert said["state"] == "s1"
    tokens = app.pleo.ok(app.exchange(said["code"]))
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 3600, SCOPES)
    assert app.reaches(tokens["access_token"]) == 200
    again = app.pleo.http.post("/oauth/authorize", data={"consent": asked[1], "decision": "allow"})
    assert again.status_code == 400


def test_a_person_may_say_no(app: Application) -> None:
    """The browser is sent back with the refusal and the state."""
    asked = re.search(r'name="consent" value="([^"]+)"', app.ask().text)
    assert asked
    said = sent_to(app.pleo.http.post("/oauth/authorize", data={"consent": asked[1], "decision": "deny"}))
    assert (said["error"], said["state"]) == ("access_denied", "s1")


def test_the_page_shows_what_it_is_told_as_text(app: Application) -> None:
    """Nothing in the link becomes markup, no script may run, and no other page may frame it."""
    page = app.ask(redirect_uri='http://127.0.0.1:1/callback"><script>alert(1)</script>')
    assert page.status_code == 400
    assert "<script" not in page.text
    page = app.ask(state='"><script>alert(1)</script>')
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_id", "nobody"),
        ("client_id", None),
        ("redirect_uri", None),
        ("redirect_uri", "http://127.0.0.1:1/other"),
        ("redirect_uri", "http://127.0.0.2:1/callback"),
        ("redirect_uri", "http://evil@127.0.0.1:1/callback"),
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "http://127.0.0.1:99999/callback"),
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(app: Application, name: str, value: str | None) -> None:
    """An unknown client or address gets a page, and no redirect."""
    answer = app.ask(**{name: value})
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge", None, "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", None, "invalid_request"),
        ("scope", "everything", "invalid_scope"),
        ("scope", None, "invalid_scope"),
        ("state", "s" * 2000, "invalid_request"),
    ],
)
def test_a_wrong_question_goes_back_with_its_name(app: Application, name: str, value: str | None, error: str) -> None:
    """Every other fault is told to the application at its own address."""
    assert sent_to(app.ask(**{name: value}))["error"] == error


def test_a_parameter_given_twice_is_refused(app: Application) -> None:
    """Which of the two counts is not guessed."""
    url = httpx.URL("/oauth/authorize", params=app.question())
    assert sent_to(app.pleo.http.get(f"{url}&scope=export-jobs:read"))["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("code_verifier", "w" * 43, "invalid_grant"),
        ("code_verifier", "v" * 42, "invalid_grant"),
        ("code_verifier", None, "invalid_request"),
        ("redirect_uri", "http://127.0.0.1:53683/callback", "invalid_grant"),
        ("redirect_uri", None, "invalid_grant"),
        ("code", "sandbox-code-made-up", "invalid_grant"),
        ("code", None, "invalid_request"),
        ("grant_type", "password", "unsupported_grant_type"),
        ("grant_type", None, "invalid_request"),
    ],
)
def test_a_wrong_exchange_is_refused_by_its_name(app: Application, name: str, value: str | None, error: str) -> None:
    """A code is worth nothing without what it was asked for with."""
    code = app.code()
    answer = app.exchange(code, **{name: value})
    assert refused(answer) == (400, error)
    assert answer.headers["cache-control"] == "no-store"


def test_a_code_that_was_refused_is_used_up(app: Application) -> None:
    """Nobody tries one verifier after another."""
    code = app.code()
    assert refused(app.exchange(code, code_verifier="w" * 43)) == (400, "invalid_grant")
    assert refused(app.exchange(code)) == (400, "invalid_grant")


def test_a_code_used_twice_takes_its_tokens_along(app: Application) -> None:
    """Somebody else may have it, so what came of it ends."""
    code = app.code()
    tokens = app.pleo.ok(app.exchange(code))
    assert refused(app.exchange(code)) == (400, "invalid_grant")
    assert app.reaches(tokens["access_token"]) == 401
    assert refused(app.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_a_code_expires(app: Application) -> None:
    """After five minutes by the sandbox's clock."""
    code = app.code()
    app.pleo.advance(300)
    assert refused(app.exchange(code)) == (400, "invalid_grant")


def test_a_client_shows_itself_in_the_body_or_by_basic(app: Application) -> None:
    """Pleo's pages have both; both at once is one too many."""
    said = {"grant_type": "authorization_code", "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    basic = (app.id, app.secret)
    assert app.http.post("/oauth/token", data=said | {"code": app.code()}, auth=basic).status_code == 200
    both = said | {"code": app.code(), "client_id": app.id, "client_secret": app.secret}
    assert refused(app.http.post("/oauth/token", data=both, auth=basic)) == (400, "invalid_request")


def test_a_wrong_client_is_a_401(app: Application) -> None:
    """An unknown client, a wrong or missing secret, and a public client with somebody else's code."""
    for said in ({"client_id": "nobody"}, {"client_secret": "wrong"}, {"client_secret": None}):
        answer = app.exchange(app.code(), **said)
        assert refused(answer) == (401, "invalid_client")
        assert "Basic" in answer.headers["www-authenticate"]
    assert refused(Application(app.pleo, app.http, public=True).exchange(app.code())) == (400, "invalid_grant")


def test_a_public_client_has_pkce_alone(app: Application) -> None:
    """Without a secret the verifier is what proves that it asked."""
    public = Application(app.pleo, app.http, public=True)
    assert public.secret is None
    assert public.reaches(public.login()["access_token"]) == 200


def test_a_refresh_replaces_both_tokens_at_once(app: Application) -> None:
    """The old access token ends with the old refresh token."""
    old = app.login()
    new = app.pleo.ok(app.refresh(old["refresh_token"]))
    assert {new["access_token"], new["refresh_token"]} & {old["access_token"], old["refresh_token"]} == set()
    assert [app.reaches(each["access_token"]) for each in (old, new)] == [401, 200]


def test_an_old_refresh_token_ends_the_whole_grant(app: Application) -> None:
    """Whoever has it may have stolen it, so the newest tokens end too; another grant lives on."""
    other = app.login()
    old = app.login()
    new = app.pleo.ok(app.refresh(old["refresh_token"]))
    assert refused(app.refresh(old["refresh_token"])) == (400, "invalid_grant")
    assert app.reaches(new["access_token"]) == 401
    assert refused(app.refresh(new["refresh_token"])) == (400, "invalid_grant")
    assert app.reaches(other["access_token"]) == 200


def test_tokens_expire_by_the_sandboxs_clock(app: Application) -> None:
    """The access token after what expires_in said, the refresh token after sixty days."""
    app.pleo.ok(app.pleo.http.patch("/_sandbox/oauth", json={"accessTokenSeconds": 60}))
    tokens = app.login()
    assert tokens["expires_in"] == 60
    app.pleo.advance(60)
    assert app.reaches(tokens["access_token"]) == 401
    app.pleo.advance(60 * 24 * 3600)
    assert refused(app.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_scopes_are_what_was_agreed_to(app: Application) -> None:
    """A token reaches no further, and a refresh asks for no more."""
    tokens = app.login(scope="export-items:read")
    assert app.reaches(tokens["access_token"]) == 403
    assert refused(app.refresh(tokens["refresh_token"], scope=SCOPES)) == (400, "invalid_scope")
    assert app.pleo.ok(app.refresh(tokens["refresh_token"]))["scope"] == "export-items:read"


def test_introspection_knows_the_clients_own_tokens(app: Application) -> None:
    """Of a token that ended, or is another client's, it says that it does not work, and nothing else."""
    tokens = app.login()
    claims = app.pleo.ok(app.post("/oauth/token/introspect", said={"token": tokens["access_token"]}))
    assert (claims["active"], claims["client_id"], claims["scope"]) == (True, app.id, SCOPES)
    assert (claims["aud"], claims["iss"]) == ("https://external.pleo.io", "pleo.production")
    assert claims["exp"] - claims["iat"] == 3600
    public = Application(app.pleo, app.http, public=True)
    assert app.pleo.ok(public.post("/oauth/token/introspect", said={"token": tokens["access_token"]})) == {
        "active": False
    }
    app.pleo.ok(app.refresh(tokens["refresh_token"]))
    assert app.pleo.ok(app.post("/oauth/token/introspect", said={"token": tokens["access_token"]})) == {"active": False}


def test_ending_the_installation_ends_all_its_tokens(app: Application) -> None:
    """DELETE of the installation is how Pleo withdraws them."""
    tokens = app.login()
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    assert app.pleo.http.delete("/v1/installations/me", headers=headers).status_code == 204
    assert app.reaches(tokens["access_token"]) == 401
    assert refused(app.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert app.pleo.http.delete("/v1/installations/me", headers=headers).status_code == 401


def test_a_body_that_is_no_form_is_refused(app: Application) -> None:
    """JSON, a parameter twice, and a flood of bytes."""
    http = app.http
    form = {"content-type": "application/x-www-form-urlencoded"}
    for answer in (
        http.post("/oauth/token", json={"grant_type": "refresh_token"}),
        http.post("/oauth/token", content=b"grant_type=a&grant_type=b", headers=form),
        http.post("/oauth/token", content=b"a" * 100_000, headers=form),
        http.post("/oauth/token", content=b"grant_type=%ff", headers=form),
    ):
        assert answer.json()["error"] in {"invalid_request", "invalid_client"}
        assert answer.status_code in {400, 401}


def test_the_journal_counts_logins_and_keeps_no_secret(app: Application) -> None:
    """Each token request is there, without code, verifier, secret or token."""
    code = app.code()
    tokens = app.pleo.ok(app.exchange(code))
    new = app.pleo.ok(app.refresh(tokens["refresh_token"]))
    journal = app.pleo.http.get("/_sandbox/journal").text
    assert app.pleo.ok(app.pleo.http.get("/_sandbox/journal/counts"))["POST /oauth/token"] == 2
    for secret in (
        code,
        VERIFIER,
        app.secret,
        *(pair[name] for pair in (tokens, new) for name in ("access_token", "refresh_token")),
    ):
        assert secret not in journal


def test_a_fault_can_take_the_tokens_away_on_their_way(app: Application) -> None:
    """With the phase `after` the old tokens are replaced, and nobody hears of the new ones."""
    old = app.login()
    app.pleo.fault("reset", operation="token", phase="after")
    with pytest.raises(httpx.TransportError):
        app.refresh(old["refresh_token"])
    assert app.reaches(old["access_token"]) == 401
