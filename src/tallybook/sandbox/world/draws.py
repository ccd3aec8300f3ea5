"""Chance that is the same on every machine: one stream of bits per seed and purpose.

Only `random()` and `getrandbits()` are used, the two methods Python promises to keep the same for a seed in every
version; `choice`, `shuffle` and the like may change.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar
from uuid import NAMESPACE_URL, uuid5

_Thing = TypeVar("_Thing")

# Bits that make 128 random bits a UUID of version 4. Source: RFC 9562 section 5.4.
_UUID_KEEP = (1 << 128) - 1 - (0xF000 << 64) - (0xC000 << 48)
_UUID_SET = (0x4000 << 64) | (0x8000 << 48)


def stream(seed: int, purpose: str) -> Random:
    """Open a stream of chance; another purpose gives another stream, so that one never shifts another."""
    return Random(f"{seed}/{purpose}")  # noqa: S311 - a made-up world must repeat, not be secret


def pick(chance: Random, things: Sequence[_Thing]) -> _Thing:
    """Take one of `things`, each as likely as the other."""
    return things[int(chance.random() * len(things))]


def between(chance: Random, low: int, high: int) -> int:
    """Draw a whole number from `low` to `high`, both included."""
    return low + int(chance.random() * (high - low + 1))


def new_uuid(chance: Random) -> str:
    """Draw a lower-case UUID."""
    digits = f"{(chance.getrandbits(128) & _UUID_KEEP) | _UUID_SET:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def named_uuid(seed: int, name: str) -> str:
    """Give a thing that has a name the same lower-case UUID every time."""
    return str(uuid5(NAMESPACE_URL, f"https://tallybook.example/world/{seed}/{name}"))


class Weighted(Generic[_Thing]):
    """Things of which some are more frequent than others."""

    def __init__(self, things: Sequence[tuple[_Thing, int]]) -> None:
        self._things = [thing for thing, _ in things]
        self._bounds = list(accumulate(weight for _, weight in things))

    def pick(self, chance: Random) -> _Thing:
        """Take one thing as often as its weight says."""
        return self._things[bisect_right(self._bounds, chance.random() * self._bounds[-1])]
