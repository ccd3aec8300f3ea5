"""How long to wait and how often to try: backoff with jitter that honours `Retry-After`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Patience, in seconds: for a connection, for the next bytes, and for a whole call with all its attempts."""

    connect_s: float = 10.0
    read_s: float = 30.0
    whole_call_s: float = 120.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a call is made at most, and how the pauses between attempts grow."""

    attempts: int = 5
    first_delay_s: float = 0.5
    delay_s_max: float = 20.0
    retry_after_s_max: float = 60.0  # however long the server asks for, no pause is longer

    def delay_s(self, failed_attempts: int, random: Random, retry_after_s: float | None = None) -> float:
        """Seconds to wait after `failed_attempts` (1 or more) failures.

        Half of the pause is fixed and half is drawn, so that many clients do not come back at the same moment. A
        `Retry-After` is a lower bound and gets the same scatter on top.
        """
        grown_s = min(self.delay_s_max, self.first_delay_s * 2.0 ** min(failed_attempts - 1, 62))
        if retry_after_s is None:
            return grown_s / 2 + random.uniform(0, grown_s / 2)
        return min(self.retry_after_s_max, retry_after_s) + random.uniform(0, self.first_delay_s)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read `Retry-After`, in seconds from `now`, never negative; None where it is missing or unreadable.

    Source: RFC 9110 section 10.2.3 (seconds, or an HTTP date).
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return max(0.0, (at - now).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
