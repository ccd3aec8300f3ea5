"""What the sandbox lays down for subscriptions beyond the definition."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallybook.sandbox.server import running

URL = "https://books.example.com/webhooks"
EVENTS = ["v1.export-job.created"]


def subscribed(pleo: Any, **more: Any) -> httpx.Response:
    answer: httpx.Response = pleo.http.post("/v1/subscriptions", json={"endpointUrl": URL, "eventTypes": EVENTS} | more)
    return answer


def test_a_new_subscription_is_active_and_answered_with_200(pleo: Any) -> None:
    """Its members are those asked for, and defaults for the others."""
    answer = subscribed(pleo)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert data["status"] == "ACTIVE"
    assert data["endpointAuth"] == {"type": "NONE"}
    assert data["customHeaders"] == {}
    assert pleo.ok(pleo.http.get(f"/v1/subscriptions/{data['id']}"))["data"] == data


def test_an_update_replaces_everything_but_the_secret(pleo: Any) -> None:
    """What is left out takes its default."""
    there = subscribed(pleo, status="INACTIVE", customHeaders={"X-A": "b"}).json()["data"]
    path = f"/v1/subscriptions/{there['id']}"
    secret = pleo.ok(pleo.http.get(f"{path}/secret"))
    changed = pleo.ok(pleo.http.put(path, json={"endpointUrl": URL, "eventTypes": EVENTS}))["data"]
    assert (changed["status"], changed["customHeaders"]) == ("ACTIVE", {})
    assert pleo.ok(pleo.http.get(f"{path}/secret")) == secret


def test_each_subscription_has_a_secret_of_its_own(pleo: Any) -> None:
    """`whsec_` and base64, the same in the same world."""

    def secrets() -> list[str]:
        ids = [subscribed(pleo).json()["data"]["id"] for _ in range(2)]
        return [pleo.ok(pleo.http.get(f"/v1/subscriptions/{known}/secret"))["data"]["secretKey"] for known in ids]

    first = secrets()
    assert len(set(first)) == 2
    assert all(secret.startswith("whsec_") for secret in first)
    pleo.found()
    assert secrets() == first


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpointUrl": "http://books.example.com"},
        {"endpointUrl": "http://127.0.0.1.example.com"},
        {"endpointUrl": "https://me:pw@books.example.com"},
        {"endpointUrl": "https://["},
        {"endpointUrl": "https://books.example.com/ x"},
        {"endpointUrl": None},
        {"eventTypes": []},
        {"eventTypes": ["v1.export-job.created"] * 2},
        {"eventTypes": ["export-job.created"]},
        {"eventTypes": "v1.export-job.created"},
        {"status": "PAUSED"},
        {"customHeaders": {"webhook-id": "x"}},
        {"customHeaders": {"Host": "x"}},
        {"customHeaders": {"X-A": "a\r\nX-B: b"}},
        {"customHeaders": {"X A": "a"}},
        {"customHeaders": None},
        {"endpointAuth": {"type": "BASIC"}},
        {"endpointAuth": {"type": "BASIC", "credentials": {"username": "a:b", "password": "c"}}},
        {"endpointAuth": {"type": "BEARER"}},
    ],
)
def test_a_subscription_that_makes_no_sense_is_refused(pleo: Any, wrong: dict[str, Any]) -> None:
    """With 400, and nothing is created."""
    answer = subscribed(pleo, **wrong)
    assert (answer.status_code, answer.json()["type"]) == (400, "BAD_REQUEST")
    assert pleo.ok(pleo.http.get("/v1/subscriptions"))["data"] == []


def test_subscriptions_need_the_scope_of_their_events(pleo: Any) -> None:
    """Without credentials 401, without export-jobs:read 403, with an API key all is well."""
    assert httpx.get(f"{pleo.url}/v1/subscriptions", trust_env=False).status_code == 401
    token = pleo.ok(pleo.http.post("/_sandbox/tokens", json={"scopes": ["export-items:read"]}))["accessToken"]
    narrow = httpx.get(f"{pleo.url}/v1/subscriptions", headers={"authorization": f"Bearer {token}"}, trust_env=False)
    assert narrow.status_code == 403
    assert httpx.get(f"{pleo.url}/v1/subscriptions", auth=(pleo.api_key, ""), trust_env=False).status_code == 200


def test_the_journal_hides_what_a_receiver_is_shown(pleo: Any) -> None:
    """Passwords, tokens, custom headers and the signing secret, however they are written."""
    auth = {"type": "BASIC", "credentials": {"username": "pleo", "password": 'se"same', "token": "zwq\\x"}}
    there = subscribed(pleo, endpointAuth=auth, customHeaders={"X-Key": "pri}vate", "X-B": '"quoted"'}).json()["data"]
    secret = pleo.ok(pleo.http.get(f"/v1/subscriptions/{there['id']}/secret"))["data"]["secretKey"]
    pleo.http.post("/v1/subscriptions", content=f'{{"password": "{"cut off " * 1000}')
    pleo.http.post("/v1/subscriptions", content='{"customHeaders": {"X-Key": "cut off')
    told = pleo.ok(pleo.http.get("/_sandbox/journal"))["data"]
    text = json.dumps(told)
    assert not [part for part in ("same", "zwq", "pri}", "quoted", secret, "cut off") if part in text]
    first = json.loads(told[0]["requestBody"])
    assert first["endpointAuth"]["credentials"] == {"username": "pleo", "password": "***", "token": "***"}


def test_subscriptions_faults_are_those_of_every_operation(pleo: Any) -> None:
    """A fault on order meets them like any other call."""
    pleo.fault("status", operation="createSubscription", status=503)
    assert subscribed(pleo).status_code == 503
    assert subscribed(pleo).status_code == 200


def test_subscriptions_and_what_is_not_delivered_survive_a_restart(tmp_path: Path) -> None:
    """A notification whose receiver is not there goes out when the sandbox runs again."""
    data = tmp_path / "pleo.sqlite"
    for time in range(2):
        with (
            running(world="empty", data=data) as address,
            httpx.Client(
                base_url=address.url, headers={"authorization": f"Bearer {address.access_token}"}, trust_env=False
            ) as http,
        ):
            if time == 0:
                body = {"endpointUrl": "http://127.0.0.1:1/webhooks", "eventTypes": EVENTS}
                assert http.post("/v1/subscriptions", json=body).status_code == 200
                http.post(
                    "/_sandbox/exports", json={"entryIds": http.post("/_sandbox/expenses", json=[{}]).json()["ids"]}
                )
            (delivery,) = http.get("/_sandbox/webhooks/deliveries?settled=true").json()["data"]
            assert delivery["state"] == "waiting"
            assert [attempt["problem"] for attempt in delivery["attempts"]] == ["ConnectError"] * (time + 1)
