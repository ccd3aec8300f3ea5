"""Credentials: both authentications, scopes, and what is answered without them."""

import base64
from typing import Any

import httpx
import pytest

PATHS = (
    ("GET", "/v3/export-jobs"),
    ("POST", "/v3/export-jobs"),
    ("GET", "/v3/export-jobs/11111111-1111-4111-8111-111111111111"),
    ("GET", "/v3/export-jobs/11111111-1111-4111-8111-111111111111/items"),
    ("PUT", "/v3/export-jobs/11111111-1111-4111-8111-111111111111/items"),
    ("POST", "/v3/export-job-events"),
    ("GET", "/v3/export-items"),
    ("GET", "/v3/export-job-items"),
)


def ask(pleo: Any, authorization: str, method: str = "GET", path: str = "/v3/export-jobs") -> httpx.Response:
    headers = {"authorization": authorization}
    answer: httpx.Response = pleo.http.request(method, path, headers=headers)
    return answer


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_access_token_and_api_key_both_open(pleo: Any) -> None:
    """Bearer with the token, or Basic with the key and an empty password."""
    assert ask(pleo, f"Bearer {pleo.access_token}").status_code == 200
    assert ask(pleo, basic(f"{pleo.api_key}:")).status_code == 200


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_every_operation_asks_for_credentials_first(pleo: Any, method: str, path: str) -> None:
    """Without credentials each operation is a 401, whatever else is wrong with the request."""
    answer = ask(pleo, "", method, path)
    assert (answer.status_code, answer.json()["type"]) == (401, "UNAUTHORIZED")
    assert "Bearer" in answer.headers["www-authenticate"]


def test_wrong_credentials_are_a_401(pleo: Any) -> None:
    """A wrong token, a key with a password, a key as token, and nonsense are all refused."""
    wrong = [
        "Bearer nonsense",
        f"Bearer {pleo.api_key}",
        basic(f"{pleo.api_key}:password"),
        basic(pleo.api_key),
        basic(f"{pleo.access_token}:"),
        "Basic ****",
        "Basic",
        f"Digest {pleo.access_token}",
    ]
    assert {ask(pleo, header).status_code for header in wrong} == {401}


def test_token_without_the_scope_is_a_403(pleo: Any) -> None:
    """A token reaches as far as its scopes."""
    token = pleo.ok(pleo.http.post("/_sandbox/tokens", json={"scopes": ["export-jobs:read"]}))["accessToken"]
    assert ask(pleo, f"Bearer {token}").status_code == 200
    for method, path in (("POST", "/v3/export-job-events"), ("GET", "/v3/export-items")):
        answer = ask(pleo, f"Bearer {token}", method, path)
        assert (answer.status_code, answer.json()["type"]) == (403, "ACCESS_DENIED")


def test_token_expires(pleo: Any) -> None:
    """After its time a token is a 401 that says so."""
    token = pleo.ok(pleo.http.post("/_sandbox/tokens", json={"expiresInSeconds": 60}))["accessToken"]
    assert ask(pleo, f"Bearer {token}").status_code == 200
    pleo.advance(60)
    answer = ask(pleo, f"Bearer {token}")
    assert (answer.status_code, answer.json()["message"]) == (401, "JWT is expired")


def test_a_name_of_somebody_elses_does_not_reach_the_controls(pleo: Any) -> None:
    """A web page that points its own name at 127.0.0.1 is refused."""
    assert pleo.http.get("/_sandbox/world", headers={"Host": "evil.example"}).status_code == 400
