"""Processes of their own that use an adapter, and are killed or stopped at a line of the adapter's code.

Orders come as pickles on stdin, and what happened goes as JSON lines to stdout. `processes.py` is the other end.
"""

import asyncio
import json
import os
import pickle  # the parent is the kit itself
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import FrameType
from typing import Any

from tallybook.accounting.errors import AccountingError
from tallybook.accounting.system import AccountingSystem

_FIRST_STOPPED = 2  # the first call opens files and connections, the second is counted


class At(StrEnum):
    """What a child does at the line it is told."""

    NOTHING = "nothing"
    KILL = "kill"  # SIGKILL to itself
    PAUSE = "pause"  # says so, and goes on when it is told


@dataclass(frozen=True, slots=True)
class Orders:
    """Open the books, call `method` once per item of `calls`, and say how many lines of `own_code` the last one took.

    To be killed, at `line` of the first call: 1 is the first line of the adapter's code after the books were opened, 0
    the moment when the call has returned and nobody has been told. To pause, in each call from the third on, at lines
    spread evenly over those the second one took; such a child also waits for a word after each call.
    """

    open: Callable[[Mapping[str, Any]], AccountingSystem]
    settings: Mapping[str, Any]
    method: str
    calls: Sequence[Sequence[object]]
    own_code: tuple[str, ...]
    then: At = At.NOTHING
    line: int = 0


class _Watch:
    """Counts the lines of the adapter's code in every thread, and acts at the one it is told."""

    def __init__(self, orders: Orders) -> None:
        self._own = orders.own_code
        self._orders = orders
        self.lines = 0  # of the present call
        self.stop: int | None = None  # the line of the present call to act at

    def install(self) -> None:
        threading.settrace(self._call)
        sys.settrace(self._call)

    def _call(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        del event, arg
        return self._line if frame.f_code.co_filename.startswith(self._own) else None

    def _line(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        del frame, arg
        if event == "line":
            self.lines += 1
            if self.lines == self.stop:
                self.act()
        return self._line

    def act(self) -> None:
        if self._orders.then is At.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._orders.then is At.PAUSE:
            self.stop = None
            _tell({"paused": self.lines})
            os.read(0, 1)


def _tell(what: Mapping[str, object]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


async def _obey(orders: Orders) -> None:
    watch = _Watch(orders)
    watch.install()
    system = orders.open(orders.settings)
    error: AccountingError | None = None
    taken = 0
    try:
        for place, call in enumerate(orders.calls):
            watch.lines = 0
            watch.stop = orders.line if orders.then is At.KILL else _stop(place, len(orders.calls), taken)
            await getattr(system, orders.method)(call)
            taken = watch.lines if place < _FIRST_STOPPED else taken
            if orders.then is At.PAUSE:
                _tell({"done": place})
                os.read(0, 1)
    except AccountingError as raised:
        error = raised
    watch.stop = None
    if orders.then is At.KILL and orders.line == 0:
        watch.act()
    _tell({"lines": taken, "error": f"{type(error).__name__}: {error}" if error else None})
    await system.aclose()


def _stop(place: int, calls: int, lines: int) -> int | None:
    """Spread the stops of the calls that have one over the lines of a call."""
    if place < _FIRST_STOPPED:
        return None
    return max(1, lines * (place - 1) // (calls - 1))


def obey() -> None:
    """Take orders from stdin one after the other, each for a child of its own, and say how that one ended.

    Everything is imported before the first child is made, so a child costs a fork and not a start of Python.
    """
    while True:
        try:
            orders = pickle.load(sys.stdin.buffer)  # noqa: S301 - the parent is the kit itself
        except EOFError:
            return
        pid = os.fork()  # no thread has been started here, and no loop
        if pid == 0:
            asyncio.run(_obey(orders))
            os._exit(0)
        _tell({"ended": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})
