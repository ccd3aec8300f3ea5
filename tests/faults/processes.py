"""The processes of a scene: the books server, the launcher, and the workers it forks. Each is ended by its own id."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.faults.launcher import Order

# A connection kept for later may be closed by a server at the very moment it is used again.
NO_REUSE = httpx.Limits(max_keepalive_connections=0)

ROOT = Path(__file__).parents[2]


@dataclass
class BooksServer:
    """The books server; `url` is its address, `folder` has a log of effects for each ledger."""

    url: str
    folder: Path
    http: httpx.Client

    def log(self, ledger: str) -> Path:
        """The file to which the effects on a ledger are appended."""
        return self.folder / f"{ledger}.jsonl"


class Child:
    """A worker forked by the launcher."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("r", encoding="ascii")
        self.pid = int(self._lines.readline())
        self.code: int | None = None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.code is None:
            os.kill(self.pid, number)

    def has_ended(self) -> bool:
        """Whether it has ended by itself; looks only."""
        return self.code is not None or bool(select.select([self._connection], [], [], 0)[0])

    def kill(self) -> None:
        """Kill it with SIGKILL and wait until it is gone."""
        if not self.has_ended():
            self.send(signal.SIGKILL)
        self.wait()

    def wait(self, within_s: float = 60) -> int:
        """Wait for its end; the exit code, negative for a signal.

        Raises:
            TimeoutError: it still ran, and was killed.
        """
        if self.code is None:
            self._connection.settimeout(within_s)
            try:
                self.code = int(self._lines.readline())
            except TimeoutError:
                os.kill(self.pid, signal.SIGKILL)  # nothing it started outlives a test
                raise
            finally:
                self._lines.close()
                self._connection.close()
        return self.code


class Launcher:
    """The server that forks workers."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def start(self, order: Order) -> Child:
        """Fork one worker."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(30)
            connection.connect(str(self._path))
            connection.sendall(order.text().encode())
            return Child(connection)
        except (OSError, ValueError):
            connection.close()
            raise

    @contextmanager
    def running(self, order: Order) -> Iterator[Child]:
        """Fork one worker and kill it at the end of the block if it still runs."""
        child = self.start(order)
        try:
            yield child
        finally:
            if child.code is None:
                child.send(signal.SIGCONT)
                child.kill()


@dataclass
class House:
    """What the scenes of one test session share."""

    books: BooksServer
    launcher: Launcher
    variables: Mapping[str, str]  # for workers that are started as processes of their own


@contextmanager
def opened(folder: Path) -> Iterator[House]:
    """Start the books server and the launcher, and end them with the block."""
    variables = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT), str(_installed_adapter(folder))])}
    with ExitStack() as stack:
        effects = folder / "effects"
        effects.mkdir()
        url = stack.enter_context(_started(["tests.faults.books_server", str(effects)], variables))
        socket_path = folder / "launcher"
        stack.enter_context(_started(["tests.faults.launcher", str(socket_path)], variables))
        http = stack.enter_context(httpx.Client(base_url=url, timeout=30, trust_env=False, limits=NO_REUSE))
        yield House(BooksServer(url, effects, http), Launcher(socket_path), variables)


def _installed_adapter(folder: Path) -> Path:
    """Install the tests' adapter as a package of its own, as a stranger's would be; the folder for the path."""
    site = folder / "site"
    package = site / "remote_books-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: remote-books\nVersion: 1.0\n", encoding="utf-8")
    (package / "entry_points.txt").write_text(
        "[tallybook.adapters]\nremote = tests.faults.books_adapter:ADAPTER\n", encoding="utf-8"
    )
    return site


@contextmanager
def _started(module: list[str], variables: Mapping[str, str]) -> Iterator[str]:
    """Start a server of ours; the first line it says. It ends when its stdin is closed."""
    with subprocess.Popen(
        [sys.executable, "-m", *module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **variables},
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
