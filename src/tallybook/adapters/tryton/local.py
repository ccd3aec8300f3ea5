"""A Tryton of one's own on this machine: installed once into an environment of its own, for the demo and for tests.

Tryton is a program under the GPL. It runs as a process of its own and is spoken to over HTTP, as any other would be.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tallybook.errors import TallybookError

CONSTRAINTS = Path(__file__).with_name("constraints.txt")
PACKAGES = ("trytond", "trytond_account_invoice", "trytond_analytic_invoice", "psycopg[binary,pool]")
MODULES = ("account_invoice", "analytic_invoice")
DATABASE = "tryton"
USER = "admin"
START_TIMEOUT_S = 120.0
_POLL_S = 0.05


class TrytonNotStarted(TallybookError):
    """Tryton could not be installed or started on this machine."""


def default_cache() -> Path:
    """Where the environment is kept between runs: TALLYBOOK_CACHE, or the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tallybook" / "tryton"


def install(cache: Path) -> Path:
    """Install Tryton into an environment of its own under `cache`, and return the environment's folder.

    Repeat: safe; what is installed is used again until its versions change. Half an environment is made anew.
    Raises:
        TrytonNotStarted: there is no network, or Python lacks its venv module.
    """
    environment = cache / f"env-{_digest()}"
    if (environment / ".complete").exists():
        return environment
    shutil.rmtree(environment, ignore_errors=True)
    environment.parent.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n", encoding="utf-8")
    _run([sys.executable, "-m", "venv", str(environment)], "its environment could not be made")
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--constraint", str(CONSTRAINTS), *PACKAGES], "it could not be installed")
    (environment / ".complete").touch()
    return environment


def _digest() -> str:
    return hashlib.sha256(CONSTRAINTS.read_bytes() + sys.version.encode()).hexdigest()[:12]


def _run(command: list[str], what: str, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(  # noqa: S603 - programs of the environment made here, no shell
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        last = " ".join(done.stdout.split()[-40:])
        raise TrytonNotStarted(f"Tryton is not there: {what} ({last})")


@dataclass(frozen=True, slots=True)
class Site:
    """Where one Tryton keeps its things. `uri` is Tryton's own word for the kind of database."""

    environment: Path
    folder: Path
    password: str
    uri: str = "sqlite://"
    variables: tuple[tuple[str, str], ...] = ()

    def write_config(self, port: int) -> Path:
        """Write Tryton's configuration.

        Repeat: written anew.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "trytond.conf"
        path.write_text(
            f"[database]\nuri = {self.uri}\npath = {self.folder}\nlist = False\nretry = 60\n"
            f"[web]\nlisten = 127.0.0.1:{port}\n[session]\ntimeout = 3600\n",
            encoding="utf-8",
        )
        return path

    def found(self, cache: Path | None = None) -> None:
        """Create the database with Tryton's modules; an SQLite one is copied from `cache` if one was made before.

        Repeat: brings the modules up to date.
        Raises:
            TrytonNotStarted: it could not be created.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{DATABASE}.sqlite"
        kept = cache / f"fresh-{_digest()}.sqlite" if cache is not None and self.uri.startswith("sqlite") else None
        if kept is not None and kept.exists():
            shutil.copy(kept, file)
        else:
            if self.uri.startswith("sqlite"):
                file.touch()  # Tryton creates tables, not files
            self._create()
            if kept is not None:
                unnamed = kept.with_name(f".{kept.name}-{os.getpid()}")
                shutil.copy(file, unnamed)
                unnamed.replace(kept)
        self._set_password()

    def _admin(self, *arguments: str) -> None:
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self.password, encoding="utf-8")
        try:
            _run(
                [
                    str(self.environment / "bin" / "python"), str(self.environment / "bin" / "trytond-admin"),
                    "--config", str(self.write_config(0)), "--database", DATABASE, *arguments,
                ],
                "its database could not be made",
                {**dict(self.variables), "TRYTONPASSFILE": str(secret)},
            )  # fmt: skip
        finally:
            secret.unlink()

    def _create(self) -> None:
        self._admin("--activate-dependencies", "--update", *MODULES, "--email", "admin@example.com", "--password")

    def _set_password(self) -> None:
        self._admin("--password")


class Server:
    """A running Tryton; `url` is where it is, `log` what it says."""

    def __init__(self, site: Site, port: int) -> None:
        self.site = site
        self.url = f"http://127.0.0.1:{port}"
        self.log = site.folder / "trytond.log"
        self._port = port
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        config = self.site.write_config(self._port)
        program = self.site.environment / "bin"
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - as above
                [str(program / "python"), str(program / "trytond"), "--config", str(config), "--database", DATABASE],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **dict(self.site.variables)},
                start_new_session=True,  # Ctrl-C is for us; it is stopped when we are done with it
            )

    def wait_until_ready(self) -> None:
        """Return once it listens.

        Repeat: safe.
        Raises:
            TrytonNotStarted: it ended, or does not listen in time.
        """
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while self.process.poll() is None and time.monotonic() < deadline_s:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            time.sleep(_POLL_S)
        said = " ".join(self.log.read_text(encoding="utf-8", errors="replace").split()[-40:])
        raise TrytonNotStarted(f"Tryton does not answer at {self.url} ({said})")

    def kill(self) -> None:
        """End it at once, as a power cut would.

        Repeat: safe.
        """
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again after `kill`.

        Repeat: not safe; two would want one port.
        """
        self.process = self._start()
        self.wait_until_ready()

    def stop(self) -> None:
        """End it in order.

        Repeat: safe.
        """
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def running(site: Site, port: int = 0) -> Iterator[Server]:
    """Run a Tryton on a port of this machine, 0 for a free one, for the length of a block.

    Raises:
        TrytonNotStarted: it does not start, or the port is taken.
    """
    try:
        with socket.create_server(("127.0.0.1", port)) as free:
            port = free.getsockname()[1]
    except OSError as error:
        raise TrytonNotStarted(
            f"Tryton cannot listen on port {port} of this machine ({error.strerror}); name another with --port"
        ) from error
    server = Server(site, port)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    print(install(Path(sys.argv[1])))  # noqa: T201 - for scripts/ensure-tryton
