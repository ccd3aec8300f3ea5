"""Time as an argument: whoever needs the time is given a clock, so tests can move it."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What time it is, how long something took, and waiting."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""

    def monotonic_s(self) -> float:
        """Seconds that only ever grow; for measuring and deadlines."""

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds that only ever grow; for measuring and deadlines."""
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds."""
        await asyncio.sleep(delay_s)
