"""The server: ports, state across restarts, and an orderly end."""

import socket
import sqlite3
import threading
from pathlib import Path

import httpx
import pytest

from tallybook.sandbox.server import running


def test_state_survives_a_restart(tmp_path: Path) -> None:
    """Jobs, items, credentials, clock, tokens and journal are there again when the file is opened again."""
    data = tmp_path / "sandbox.sqlite"
    with running(data=data, world="demo", items=3) as first:
        headers = {"authorization": f"Bearer {first.access_token}"}
        with httpx.Client(base_url=first.url, headers=headers) as http:
            job = http.post("/_sandbox/exports").json()
            http.post("/v3/export-job-events", json={"jobId": job["id"], "event": "started"})
            http.post("/_sandbox/clock", json={"advanceSeconds": 1000})
            token = http.post("/_sandbox/tokens", json={"scopes": ["export-jobs:read"]}).json()["accessToken"]
    with running(data=data, world="empty", seed=9) as second:
        assert (second.company_id, second.api_key) == (first.company_id, first.api_key)
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=second.url, headers=headers) as http:
            found = http.get(f"/v3/export-jobs/{job['id']}").json()["data"]
            assert (found["status"], found["numberOfItems"]) == ("in_progress", 3)
            counts = http.get("/_sandbox/journal/counts").json()
            assert counts["POST /v3/export-job-events"] == 1
            http.post("/_sandbox/clock", json={"advanceSeconds": 2600})
            assert http.get(f"/v3/export-jobs/{job['id']}").json()["data"]["status"] == "failed"


def test_two_sandboxes_run_side_by_side() -> None:
    """Each has its own port and world."""
    with running(world="empty") as one, running(world="empty", seed=2) as two:
        assert one.url != two.url
        assert one.company_id != two.company_id


def test_taken_port_is_an_error() -> None:
    """Nobody is told of a sandbox that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError), running(port=other.getsockname()[1]):  # noqa: PT011
        pass


def test_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """A file of another kind is left as it was."""
    data = tmp_path / "letter.txt"
    data.write_text("Dear bookkeeper, " * 100)
    with pytest.raises(sqlite3.DatabaseError), running(data=data):
        pass
    assert data.read_text().startswith("Dear bookkeeper")


def test_stopping_lets_go_of_a_caller_kept_waiting() -> None:
    """A timeout on order does not hold up the end of the sandbox."""
    errors: list[httpx.HTTPError] = []

    def call(url: str) -> None:
        try:
            httpx.get(f"{url}/v3/export-jobs", timeout=60)
        except httpx.HTTPError as error:
            errors.append(error)

    with running(world="empty") as address:
        httpx.post(f"{address.url}/_sandbox/faults", json={"kind": "timeout"})
        caller = threading.Thread(target=call, args=(address.url,))
        caller.start()
        while httpx.get(f"{address.url}/_sandbox/faults").json()["faults"]:
            pass
    caller.join(timeout=20)
    assert not caller.is_alive()
    assert len(errors) == 1
