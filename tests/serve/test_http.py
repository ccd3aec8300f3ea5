"""What the server answers over HTTP beside the webhooks."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallybook.listening import server
from tests.flow.conftest import Stage
from tests.serve.conftest import TOKEN, Serve, Served

EVERYWHERE = "0.0.0.0:0"


def test_a_request_to_run_makes_the_server_look_at_once(stage: Stage, served: Served) -> None:
    """202 with the company it looks at; the job that waited is exported, an hour before the next poll."""
    stage.found(5)
    job = stage.press_export(vendor_based=True)
    answer = served.post("/run", token=TOKEN)
    assert answer.status_code == 202
    assert answer.json() == {"looking": [stage.settings().pleo.company_id.lower()]}
    assert served.worker.wait_for("job_ended", job_id=job)["outcome"] == "completed"


@pytest.mark.parametrize("token", [None, "wrong", TOKEN[:-1], f"{TOKEN}x", "æøå"])
def test_without_the_token_nobody_makes_it_run(idle: Served, token: str | None) -> None:
    """401, and it says what to send."""
    headers = {} if token is None else {b"authorization": f"Bearer {token}".encode()}
    answer = httpx.post(f"{idle.address}/run", headers=headers, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 202),
        (b"{}", 202),
        (b"[", 400),
        (b"[" * 4000, 400),
        (b"x" * 5000, 400),
        (b'{"company": 1}', 400),
        (b'{"companies": "all"}', 400),
        (b'{"company": "nobody"}', 404),
    ],
)
def test_a_body_names_a_company_or_nothing(idle: Served, body: bytes, status: int) -> None:
    """Anything else is answered with a sentence, never with a fault."""
    answer = idle.post("/run", token=TOKEN, content=body)
    assert answer.status_code == status
    assert b"Traceback" not in answer.content


def test_a_server_without_a_token_is_not_made_to_run(stage: Stage, serve: Serve) -> None:
    """403 with the setting to make; health and metrics are there all the same, on this machine."""
    served = serve(stage.place.config, TALLYBOOK_SERVE_TOKEN="")
    answer = served.post("/run", token="whatever")
    assert answer.status_code == 403
    assert "serve.token_file" in answer.json()["message"]
    assert served.get("/healthz").status_code == 200
    assert served.get("/metrics").status_code == 200


def test_a_server_that_exports_says_that_it_is_ready(idle: Served) -> None:
    """200 and no problems."""
    answer = idle.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "problems": {}})


def test_metrics_beyond_this_machine_need_the_token_or_a_setting(stage: Stage, serve: Serve) -> None:
    """They tell what a company books, if not which expenses."""
    guarded = serve(stage.place.config, TALLYBOOK_SERVE_LISTEN=EVERYWHERE)
    assert guarded.get("/metrics").status_code == 401
    assert guarded.get("/metrics", token=TOKEN).status_code == 200
    guarded.worker.kill()
    shown = serve(stage.place.config, TALLYBOOK_SERVE_LISTEN=EVERYWHERE, TALLYBOOK_SERVE_METRICS_OPEN="true")
    assert shown.get("/metrics").status_code == 200


def test_an_address_that_is_taken_is_told_in_a_sentence(stage: Stage, idle: Served) -> None:
    """Exit code 2, before anything is exported."""
    tried = subprocess.run(
        [sys.executable, "-m", "tallybook", "serve", "-c", stage.place.config],
        env={
            **os.environ,
            "TALLYBOOK_SERVE_LISTEN": idle.address.removeprefix("http://"),
            "TALLYBOOK_DATABASE_URL": f"sqlite:///{stage.folder}/another.sqlite",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 2
    assert "cannot be listened on" in tried.stderr
    assert "Traceback" not in tried.stderr


def run_now(stage: Stage, address: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tallybook", "run", "--now", "-c", stage.place.config],
        env={**os.environ, "TALLYBOOK_SERVE_LISTEN": address, "TALLYBOOK_SERVE_TOKEN": TOKEN, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_run_now_lets_the_server_look(stage: Stage, served: Served) -> None:
    """It prints which companies, and exports nothing itself."""
    stage.found(3)
    job = stage.press_export(vendor_based=True)
    asked = run_now(stage, served.address.removeprefix("http://"))
    assert asked.returncode == 0, asked.stderr
    assert "looks for export jobs now, for 1 company:" in asked.stdout
    served.worker.wait_for("job_ended", job_id=job)


@pytest.mark.parametrize(
    ("address", "token", "said"),
    [
        ("127.0.0.1:1", TOKEN, "no `tallybook serve` answers at http://127.0.0.1:1"),
        ("127.0.0.1:0", TOKEN, "fixed port"),
        ("the server's", "another-token-0123456789", "refused (401)"),
    ],
)
def test_run_now_says_why_it_could_not_ask(stage: Stage, idle: Served, address: str, token: str, said: str) -> None:
    """One sentence, and neither token in it."""
    address = idle.address.removeprefix("http://") if address == "the server's" else address
    asked = run_now(stage, address, TALLYBOOK_SERVE_TOKEN=token)
    assert asked.returncode in {1, 2}
    assert said in asked.stderr
    assert token not in asked.stderr
    assert "Traceback" not in asked.stderr


def test_a_token_that_is_too_short_is_refused(stage: Stage, tmp_path: Path) -> None:
    """With the way to make one, and without showing it."""
    tried = run_now(stage, "127.0.0.1:1", TALLYBOOK_SERVE_TOKEN="short")
    assert tried.returncode == 2
    assert "openssl rand" in tried.stderr
    assert not list(tmp_path.glob("*.lock"))


def test_the_log_is_json_and_names_the_address(idle: Served) -> None:
    """Whoever starts it on port 0 finds it there."""
    (line,) = idle.worker.events("serving")
    assert line["address"].startswith("http://127.0.0.1:")
    assert json.dumps(line)


@pytest.mark.parametrize("first", [b"", b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"])
async def test_who_does_not_say_what_is_asked_is_let_go(monkeypatch: pytest.MonkeyPatch, first: bytes) -> None:
    """Also after a request that was answered: else a few hundred such connections would keep Pleo's out."""
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.2)

    async def alive(_: Request) -> Response:
        return Response("alive")

    with server.bound("127.0.0.1", 0) as listener:
        async with server.listening(listener, [Route("/healthz", alive)]):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            if first:
                writer.write(first)
                await reader.readuntil(b"alive")
            writer.write(b"GET /healthz HTTP/1.1\r\nHost:")
            async with asyncio.timeout(4):  # the server's own patience between two requests is five seconds
                assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
