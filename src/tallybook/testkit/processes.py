"""Processes of their own that use an adapter: started, listened to and ended by the kit."""

import asyncio
import json
import os
import pickle
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallybook.testkit.child import Orders
from tallybook.testkit.verdict import Unproven

CHILD_TIMEOUT_S = 120.0


@dataclass
class Nursery:
    """A process that makes one child after the other, each of which carries out orders."""

    _process: asyncio.subprocess.Process

    async def start(self, orders: Orders) -> None:
        """Make a child; what it says comes by `told`, and last of all `{"ended": exit code}`."""
        await self._write(pickle.dumps(orders))

    async def told(self) -> dict[str, Any]:
        """The next thing that is said.

        Raises:
            Unproven: nothing is said in time, or the whole nursery has ended.
        """
        if self._process.stdout is None:
            raise RuntimeError("it was started without a pipe")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), CHILD_TIMEOUT_S)
        except TimeoutError:
            raise Unproven(f"The adapter came to no end within {CHILD_TIMEOUT_S:.0f} s") from None
        if not line:
            raise Unproven("The adapter cannot be opened in a process of its own; stderr says why")
        told: dict[str, Any] = json.loads(line)
        return told

    async def go_on(self) -> None:
        """Let a child that waits go on."""
        await self._write(b"g")

    async def outcome(self, orders: Orders) -> tuple[dict[str, Any], int]:
        """Carry out orders to the end: the last thing the child said, {} for nothing, and its exit code."""
        await self.start(orders)
        last: dict[str, Any] = {}
        while "ended" not in (told := await self.told()):
            last = told
        return last, told["ended"]

    async def _write(self, what: bytes) -> None:
        if self._process.stdin is None:
            raise RuntimeError("it was started without a pipe")
        self._process.stdin.write(what)
        await self._process.stdin.drain()


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """A nursery for the length of a block; it and its child are killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from tallybook.testkit.child import obey; obey()",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,  # so that its child can be ended with it
    )
    try:
        yield Nursery(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


def own_code(open_: Callable[..., object], named: Sequence[str]) -> tuple[str, ...]:
    """Prefixes of the files whose lines count: those named, or the folder of the module that opens the books."""
    if named:
        return tuple(named)
    module = sys.modules[open_.__module__]
    return (f"{Path(str(module.__file__)).parent}{os.sep}",)
