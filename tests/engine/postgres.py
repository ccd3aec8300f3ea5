"""A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket, gone at the end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest


class PostgresServer:
    """A running server; `database()` makes an empty database and returns its URL."""

    def __init__(self, folder: Path, as_user: dict[str, Any]) -> None:
        self._folder, self._as_user = folder, as_user
        self._where = f"host={folder}"
        self._process = self._begin()

    def restart(self) -> None:
        """Let it crash, as if its machine lost power, and start it again on what is on disk."""
        self.end(signal.SIGQUIT)
        self._process = self._begin()

    def end(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it, without waiting for clients, and wait until it is gone."""
        self._process.send_signal(number)
        self._process.wait(30)

    def _begin(self) -> "subprocess.Popen[bytes]":
        log = self._folder / "log"
        with log.open("a") as stderr:
            server = subprocess.Popen(
                [str(programs() / "postgres"), "-D", str(self._folder / "data"), "-k", str(self._folder),
                 "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=300"],
                stderr=stderr, cwd=self._folder, **self._as_user,
            )  # fmt: skip
        _wait_until_ready(self._folder, server, log)
        return server

    def database(self) -> str:
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(f"{self._where} user=tallybook dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://tallybook@/{name}?{self._where}"


def programs() -> Path:
    """Folder of PostgreSQL's server programs, the newest if there are several."""
    found = shutil.which("initdb")
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4].split(".")[0])
    )
    if not found and not folders:
        pytest.fail("these tests need PostgreSQL's server programs: install the package postgresql")
    return folders[-1].parent if folders else Path(found or "").resolve().parent


@contextmanager
def running() -> Iterator[PostgresServer]:
    """Start a server, as the user postgres where we are root, and stop it by its own process."""
    folder = Path(tempfile.mkdtemp(prefix="tallybook-postgres-"))
    user = None
    if os.geteuid() == 0:  # the server refuses to run as root
        user = "postgres"
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    as_user: dict[str, Any] = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    quiet = ["--auth=trust", "--username=tallybook", "--no-sync", "--encoding=UTF8", "--locale=C"]
    try:
        subprocess.run(
            [str(programs() / "initdb"), "-D", str(folder / "data"), *quiet],
            check=True, capture_output=True, cwd=folder, **as_user,
        )  # fmt: skip
        server = PostgresServer(folder, as_user)
        try:
            yield server
        finally:
            server.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(folder: Path, server: "subprocess.Popen[bytes]", log: Path) -> None:
    asked = [str(programs() / "pg_isready"), "-q", "-h", str(folder), "-t", "1"]
    while subprocess.run(asked, check=False).returncode:  # answers or waits by itself
        assert server.poll() is None, f"PostgreSQL did not start: {log.read_text(encoding='utf-8')}"
