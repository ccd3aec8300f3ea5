"""A JSON object taken apart at its first level, each member with the very letters it was written in.

What a signature covers is letters, not values: read and written anew, a number or a space would be another text.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its value, and the text that stands for it."""

    value: Any
    text: str


def members(body: bytes) -> dict[str, Member]:
    """Take an object apart.

    Raises:
        ValueError: no UTF-8, no JSON object, nested too deep, or a name that is there twice, of which two readers could
            each believe another one.
    """
    text = body.decode("utf-8")
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)  # numbers of any length; only their text is wanted
    found: dict[str, Member] = {}
    at = _past(text, 0, "{")
    if text[at : at + 1] == "}":
        return _ended(text, at + 1, found)
    while True:
        name, at = _value(decoder, text, at)
        if not isinstance(name, str) or name in found:
            raise ValueError("no name, or the same twice")
        begin = _past(text, at, ":")
        value, at = _value(decoder, text, begin)
        found[name] = Member(value, text[begin:at])
        at = _space(text, at)
        if text[at : at + 1] == "}":
            return _ended(text, at + 1, found)
        at = _past(text, at, ",")


def _value(decoder: json.JSONDecoder, text: str, at: int) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(text, at)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _past(text: str, at: int, sign: str) -> int:
    at = _space(text, at)
    if text[at : at + 1] != sign:
        raise ValueError(f"no {sign}")
    return _space(text, at + 1)


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _ended(text: str, at: int, found: dict[str, Member]) -> dict[str, Member]:
    if _space(text, at) != len(text):
        raise ValueError("something follows the object")
    return found
