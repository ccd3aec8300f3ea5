"""`tallybook serve` as a process of its own: started, listened to, killed, frozen."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self


class Worker:
    """A server process and the JSON lines it logs."""

    def __init__(
        self, configs: Sequence[Path], variables: Mapping[str, str], *options: str, program: str | None = None
    ) -> None:
        named = [part for config in configs for part in ("-c", str(config))]
        self.started_s = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, *(["-c", program] if program else ["-m", "tallybook"]), "serve", "--log", "json",
             *named, *options],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **variables},
            text=True,
        )  # fmt: skip
        self.said: list[dict[str, Any]] = []
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            try:
                self._lines.put({"at_s": time.monotonic(), **json.loads(line)})
            except ValueError:
                self._lines.put({"at_s": time.monotonic(), "event": "text", "text": line.strip()})
        self._lines.put(None)

    def wait_for(self, event: str, within_s: float = 60, **fields: object) -> dict[str, Any]:
        """Read on until a line of this event with these fields; fails when it does not come or the process ends."""
        until_s = time.monotonic() + within_s
        while True:
            try:
                line = self._lines.get(timeout=max(until_s - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"no {event} {fields} within {within_s} s; said: {self.said[-20:]}") from None
            assert line is not None, (
                f"ended with {self._process.wait()} before {event} {fields}; said: {self.said[-20:]}"
            )
            self.said.append(line)
            if line["event"] == event and all(line.get(name) == value for name, value in fields.items()):
                return line

    def end(self, within_s: float = 60) -> int:
        """Wait for the process to end by itself and return its exit code; `said` has all it said."""
        code = self._process.wait(within_s)
        self._listener.join(within_s)
        while (line := self._lines.get()) is not None:
            self.said.append(line)
        self._lines.put(None)
        return code

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self) -> int:
        """Ask it to stop, and wait for its end; returns the exit code."""
        self.send(signal.SIGTERM)
        return self.end()

    def kill(self) -> None:
        """Kill it with SIGKILL and take it off the process table."""
        self._process.kill()
        self._process.wait()

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has said of an event, as far as `wait_for` and `end` have read."""
        return [line for line in self.said if line["event"] == name]

    def everything_said(self) -> list[dict[str, Any]]:
        """All it has said, once it has ended."""
        self.end()
        return self.said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self.kill()
        self._listener.join(30)
        assert self._process.stderr is not None
        self._process.stderr.close()
