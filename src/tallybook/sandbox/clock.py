"""A clock that can be moved: the sandbox's hour may pass in no time."""

from datetime import UTC, datetime, timedelta

from tallybook.clock import Clock
from tallybook.sandbox.errors import bad_request


class MovableClock:
    """Another clock, shifted by `offset`; only what time it is moves, waiting and measuring stay real."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self.offset = timedelta()

    def now(self) -> datetime:
        """Return the sandbox's present instant, aware, in UTC."""
        return self._base.now() + self.offset

    def real_now(self) -> datetime:
        """Return the machine's present instant, aware, in UTC: what others' clocks show."""
        return self._base.now()

    def monotonic_s(self) -> float:
        """Real seconds that only ever grow."""
        return self._base.monotonic_s()

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` real seconds."""
        await self._base.sleep(delay_s)

    def advance(self, seconds: int) -> None:
        """Move on by `seconds` (negative: back).

        Repeat: moves again.
        Raises:
            Refusal: 400, the calendar ends before that.
        """
        self._shift(self.offset, seconds)

    def set_to(self, instant: datetime) -> None:
        """Let `instant` (aware) be now; the clock runs on from there.

        Repeat: sets it again.
        Raises:
            Refusal: 400, the calendar ends before that.
        """
        self._shift(instant - self._base.now(), 0)

    def _shift(self, offset: timedelta, seconds: int) -> None:
        try:
            moved = offset + timedelta(seconds=seconds)
            # A year of room on either side, so that links and expiry can still be reckoned.
            _ = (self._base.now() + moved + timedelta(days=366), self._base.now() + moved - timedelta(days=366))
        except OverflowError:
            raise bad_request("The calendar ends before that instant.") from None
        self.offset = moved


def instant_text(epoch_s: float | None) -> str | None:
    """Write an instant as Pleo does: `YYYY-MM-DDTHH:MM:SSZ`, whole seconds."""
    return None if epoch_s is None else datetime.fromtimestamp(int(epoch_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
