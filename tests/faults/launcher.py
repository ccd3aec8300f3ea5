"""Starts `tallybook` in processes that are fresh but need not import anything: a server that forks.

`python -m tests.faults.launcher SOCKET` imports everything, starts no thread, and forks for every connection to the
socket. The child reads what to run, becomes `tallybook ARGUMENTS` and ends as that does; the parent tells the child's
process id and later how it ended, each as a line. It ends when its stdin is closed.

From outside, nothing in `tallybook` knows of it, the child can be told to:
- kill itself with SIGKILL at a checkpoint: before the step, between the step and the storing of its result, or after
  both; at a commit of our own tables, before or after it; or when a run is enqueued;
- write down every such point it passes;
- wait less between attempts, as `Order.hurry` says, and see another time than it is.
"""

import contextlib
import json
import os
import random
import resource
import select
import signal
import socket
import sys
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS

from tallybook import cli, service
from tallybook.cli import run, serve  # noqa: F401 - what they import is imported once, here
from tallybook.clock import SystemClock

_ATTEMPTS_WAIT_S = 60
# Threads of their own, which pass no point of a run.
_NOT_A_POINT = ("presence.py", "takeover.py", "history/recorder.py", "history/notes.py")


@dataclass(frozen=True, slots=True)
class Order:
    """What one child is to be."""

    arguments: list[str]
    variables: dict[str, str]
    stderr: str  # file for what it says
    kill_at: str | None = None  # a point, as `points` has them
    points: str | None = None  # file for the points it passes
    hurry: float = 1.0  # pauses between attempts are multiplied by this
    clock: str | None = None  # file with the seconds by which its clock is wrong, read again at every look
    file_bytes_max: int | None = None  # no file may grow beyond, as if the disk were full

    def text(self) -> str:
        return json.dumps(asdict(self)) + "\n"


@dataclass
class _Points:
    """The points a child passes: `SIDE NAME #OCCURRENCE`."""

    kill_at: str | None
    file: str | None
    _counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, side: str, name: str) -> None:
        self._counts[f"{side} {name}"] += 1
        point = f"{side} {name} #{self._counts[f'{side} {name}']}"
        if self.file is not None:
            with Path(self.file).open("a", encoding="utf-8") as file:
                file.write(point + "\n")
        if point == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def _watch_steps(passed: _Points) -> None:
    original: Any = DBOS.run_step_async

    async def run_step(options: dict[str, Any], step: Callable[[], Awaitable[Any]]) -> Any:
        name = options["name"]
        passed("before", name)

        async def body() -> Any:
            result = await step()
            passed("between", name)
            return result

        result = await original({"name": name}, body)
        passed("after", name)
        return result

    DBOS.run_step_async = run_step  # type: ignore[method-assign, assignment]
    enqueue = DBOS.enqueue_workflow_async

    async def enqueue_workflow(*arguments: Any, **named: Any) -> Any:
        passed("before", "enqueue")
        handle = await enqueue(*arguments, **named)
        passed("after", "enqueue")
        return handle

    DBOS.enqueue_workflow_async = enqueue_workflow  # type: ignore[method-assign]


def _watch_commits(passed: _Points) -> None:
    original = sa.Connection._commit_impl

    def commit(connection: sa.Connection) -> None:
        where = _our_caller()
        if where is not None:
            passed("before", f"commit in {where}")
        original(connection)
        if where is not None:
            passed("after", f"commit in {where}")

    sa.Connection._commit_impl = commit  # type: ignore[method-assign, assignment]


def _our_caller() -> str | None:
    """Name the function of ours that commits, unless it has nothing to do with a run."""
    for frame in reversed(traceback.extract_stack(limit=40)):
        if "/tallybook/" in frame.filename and "/tests/" not in frame.filename:
            module = frame.filename.rpartition("/tallybook/")[2]
            # The engine's own commits are the checkpoints, which have names already.
            return None if module.endswith((*_NOT_A_POINT, "engine/engine.py")) else f"{module} {frame.name}"
    return None


def _bend_time(order: Order) -> None:
    sleep, now = SystemClock.sleep, SystemClock.now

    async def hurried(self: SystemClock, delay_s: float) -> None:
        # What waits for minutes does not wait for an attempt: signs of life, tidying up.
        await sleep(self, delay_s * order.hurry if delay_s < _ATTEMPTS_WAIT_S else delay_s)

    def shifted(self: SystemClock) -> datetime:
        assert order.clock is not None
        return now(self) + timedelta(seconds=float(Path(order.clock).read_text(encoding="ascii") or 0))

    SystemClock.sleep = hurried  # type: ignore[method-assign]
    if order.clock is not None:
        SystemClock.now = shifted  # type: ignore[method-assign]
    if order.hurry < 1:
        paced = service.serve.__kwdefaults__  # the only place where the engine's pace is chosen
        assert paced is not None
        paced["pace"] = replace(
            paced["pace"],
            queue_s=0.05,
            takeover_s=0.2,
            pauses_s=tuple(pause_s * order.hurry for pause_s in paced["pace"].pauses_s),
        )


def _become(order: Order) -> None:
    """Turn this process into `tallybook ARGUMENTS`."""
    random.seed()
    said = os.open(order.stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard, descriptor in ((0, nothing), (1, said), (2, said)):
        os.dup2(descriptor, standard)
    os.environ.update(order.variables)
    sys.argv = ["tallybook", *order.arguments]
    if order.file_bytes_max is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.file_bytes_max, resource.RLIM_INFINITY))
    passed = _Points(order.kill_at, order.points)
    _watch_steps(passed)
    _watch_commits(passed)
    _bend_time(order)


def _read_line(connection: socket.socket) -> str:
    text = b""
    while not text.endswith(b"\n"):
        part = connection.recv(65536)
        if not part:
            raise EOFError
        text += part
    return text.decode()


def _serve(listener: socket.socket) -> Order | None:
    """Fork for every connection; returns in each child with its order, and at the end with None."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting: dict[int, socket.socket] = {}
    watched: list[Any] = [0, wake_read, listener]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if 0 in ready and not os.read(0, 1024):
            for pid in waiting:
                os.kill(pid, signal.SIGKILL)
            return None
        if wake_read in ready:
            os.read(wake_read, 1024)
            _tell_the_ended(waiting)
        if listener in ready:
            connection, _ = listener.accept()
            order = Order(**json.loads(_read_line(connection)))
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (wake_read, wake_write, listener.fileno(), connection.fileno()):
                    os.close(descriptor)
                for other in waiting.values():
                    other.close()
                listener.detach()
                connection.detach()
                return order
            waiting[pid] = connection
            connection.sendall(f"{pid}\n".encode())


def _tell_the_ended(waiting: dict[int, socket.socket]) -> None:
    while waiting:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        with waiting.pop(pid) as connection, contextlib.suppress(OSError):  # whoever asked may be gone
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def main() -> None:
    """Serve until stdin is closed, or, in a child, be `tallybook`."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        order = _serve(listener)
    if order is not None:
        _become(order)
        cli.main()


if __name__ == "__main__":
    main()
