import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tallybook.adapters.tryton.local import Site, TrytonNotStarted, running
from tests.adapters.tryton.conftest import CACHE

ENVIRONMENT = {**os.environ, "XDG_CACHE_HOME": str(CACHE.parents[1])}


def tallybook(folder: Path, *command: str) -> str:
    """Run a command to its end; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tallybook", *command],
        check=False, capture_output=True, text=True, cwd=folder, timeout=600, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_into_a_real_tryton_that_can_be_run_again(tmp_path: Path) -> None:
    """Pleo and Tryton agree on every entry, and the line it prints serves Tryton where the demo's settings look."""
    told = tallybook(tmp_path, "demo", "--books", "tryton", "--items", "25")
    assert re.findall(r"Final event sent to Pleo: (\w+)", told) == ["completed_with_errors", "completed"]
    assert "Pleo and Tryton agree on every entry." in told
    (line,) = re.findall(r"^  tallybook (tryton serve .*?)   #", told, re.MULTILINE)
    with subprocess.Popen(
        [sys.executable, "-m", "tallybook", *shlex.split(line), "--json", "--stop-with-stdin"],
        cwd=tmp_path, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as serving:  # fmt: skip
        try:
            assert serving.stdout is not None
            assert serving.stdout.readline()
            listed = tallybook(tmp_path, "tryton", "entries", "--config", "tallybook-demo/tallybook.toml", "--json")
        finally:
            serving.terminate()
    assert len(json.loads(listed)) == 25


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """Whatever listens there is not taken for Tryton."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(TrytonNotStarted, match=f"cannot listen on port {port} .*another with --port"),
            running(Site(CACHE, tmp_path, ""), port),
        ):
            pass
