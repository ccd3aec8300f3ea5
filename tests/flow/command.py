"""The real command, run as a person runs it: a process of its own, in a folder, with a bare environment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 120


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """Everything a person reads of it, on one line: tables and long sentences are wrapped."""
        return " ".join((self.out + " " + self.err).split())


class Command:
    """Runs `tallybook` in `folder`; nothing it prints is a traceback, a control character or one of the `secrets`."""

    def __init__(self, folder: Path, secrets: Sequence[str] = ()) -> None:
        self.folder, self.secrets = folder, secrets
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)

    def __call__(self, *arguments: object, **variables: str) -> Ended:
        """Run it to its end; `variables` are set in its environment."""
        with self.started(*arguments, **variables) as process:
            return self.ended(process)

    @contextmanager
    def started(self, *arguments: object, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """Start it; it is killed at the end of the block if it still runs."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.temporary),  # receipts on their way; a killed run leaves some
            "PYTHONWARNINGS": "always::ResourceWarning",  # a socket or file left open shows in stderr
        }
        with subprocess.Popen(
            [sys.executable, "-m", "tallybook", *map(str, arguments)],
            cwd=self.folder,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def ended(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for its end, and read what it said."""
        out, err = process.communicate(timeout=TIMEOUT_S)
        for said in (out, err):
            assert "Traceback" not in said, said
            assert "Warning" not in said, said
            assert "\x1b" not in said, "a control character was printed"
            assert not any(secret in said for secret in self.secrets), "a secret was printed"
        return Ended(process.returncode, out, err)


def program(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program that is installed beside this Python, or on the machine."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"{name} is not installed"
    return subprocess.run(
        [found, *map(str, arguments)], check=False, capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_S
    )


def assert_accepted(ledger: Path) -> None:
    """Beancount and hledger accept an export without a word."""
    for done in (
        program("bean-check", "--no-cache", ledger / "main.beancount"),
        program("hledger", "-f", ledger / "main.journal", "check", "--strict"),
    ):
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
