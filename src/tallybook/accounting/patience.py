"""Patience with books that are only passingly away."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tallybook.accounting.errors import AccountingRateLimited, AccountingTimeout, AccountingUnreachable
from tallybook.clock import Clock

_Answer = TypeVar("_Answer")

PASSING = (AccountingUnreachable, AccountingTimeout, AccountingRateLimited)
ATTEMPTS = 3  # 1 s, then 2 s apart; who waits longer keeps a person waiting


async def patiently(clock: Clock, call: Callable[[], Awaitable[_Answer]], *, attempts: int = ATTEMPTS) -> _Answer:
    """Make a call that is safe to repeat, and repeat it while the books are only passingly away.

    Repeat: as the call.
    Raises:
        AccountingError: they stayed away, or the call failed for another reason.
    """
    for attempt in range(1, attempts):
        try:
            return await call()
        except PASSING:
            await clock.sleep(attempt)
    return await call()
