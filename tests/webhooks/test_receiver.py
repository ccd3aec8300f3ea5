"""The receiver's edges over HTTP: what arrives there that no Pleo ever sends."""

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tallybook.clock import SystemClock
from tallybook.pleo.webhooks import SigningSecrets
from tallybook.receiver import BODY_BYTES_MAX, ENQUEUE_WITHIN_S, PATH, Receiver, create_app
from tests.webhooks.conftest import Stage
from tests.webhooks.signing import BODY, COMPANY, JOB, SECRET, headers


def test_only_posts_to_the_one_path_are_heard(stage: Stage) -> None:
    """There is no page, no description, nothing else."""
    with httpx.Client(base_url=stage.office.url, trust_env=False) as http:
        assert http.get(PATH).status_code == 405
        assert http.post("/").status_code == 404
        assert http.get("/docs").status_code == 404


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 100_000, b"x" * BODY_BYTES_MAX])
def test_an_unsigned_body_is_not_believed(stage: Stage, body: bytes) -> None:
    """Whatever it is, up to the limit."""
    answer = httpx.post(stage.office.url + PATH, content=body, trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["message"].startswith("The notification has no webhook-id")


def test_a_body_in_pieces_is_cut_off_at_the_limit(stage: Stage) -> None:
    """Without a length that announces it, and without being kept."""
    pieces = (b"x" * 4096 for _ in range(BODY_BYTES_MAX // 4096 + 1))
    answer = httpx.post(stage.office.url + PATH, content=pieces, trust_env=False)
    assert answer.status_code == 413


def test_a_sender_who_hangs_up_disturbs_nobody(stage: Stage) -> None:
    """The next notification is heard."""
    where = urlsplit(stage.office.url)
    for _ in range(3):
        with socket.create_connection((where.hostname or "", where.port or 0)) as cut:
            cut.sendall(f"POST {PATH} HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\nhalf".encode())
    stage.subscribe()
    job_id = stage.export()
    assert stage.office.jobs.get(timeout=10) == (stage.company_id, job_id)


def test_a_queue_that_takes_too_long_is_answered_in_time_and_tried_again(stage: Stage) -> None:
    """503 within a second; the id is not remembered."""
    stage.subscribe()
    stage.office.stall = 1
    job_id = stage.export()
    assert stage.statuses() == [[503]]
    assert stage.office.all_jobs() == []
    assert ENQUEUE_WITHIN_S < 1
    assert stage.office.durations_s[0] < 3  # that second, and room for a machine that is busy
    stage.advance(5)
    assert stage.statuses() == [[503, 202]]
    assert stage.office.all_jobs() == [job_id]


async def test_a_bug_in_the_queue_does_not_swallow_the_job() -> None:
    """The error goes up to the server, and the id can come again."""
    calls: list[str] = []

    async def enqueue(_: str, job_id: str) -> None:
        calls.append(job_id)
        if len(calls) == 1:
            raise ZeroDivisionError

    clock = SystemClock()
    app = create_app(Receiver(SigningSecrets([SECRET]), clock, enqueue))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as http:
        signed = headers(BODY, at=clock.now())
        first = await http.post(PATH, content=BODY, headers=signed)
        assert first.status_code == 500
        assert JOB not in first.text
        assert COMPANY not in first.text
        assert (await http.post(PATH, content=BODY, headers=signed)).status_code == 202
        assert (await http.post(PATH, content=BODY, headers=signed)).status_code == 202
    assert calls == [JOB, JOB]


def test_a_refusal_names_the_fault_and_nothing_that_was_sent(stage: Stage) -> None:
    """Not the id, not the signature, not the body."""
    sent = {"webhook-id": "msg_hello", "webhook-timestamp": "1", "webhook-signature": "v1,c2VjcmV0"}
    answer = httpx.post(stage.office.url + PATH, content=json.dumps({"data": "private"}), headers=sent, trust_env=False)
    assert answer.status_code == 401
    assert not [text for text in ("hello", "c2VjcmV0", "private") if text in answer.text]
