"""JSON in which every number survives exactly, and the text of a part of a document as it was written."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from tallybook.sandbox.errors import bad_request

DEPTH_MAX: Final = 200  # deeper nesting is refused before it reaches Python's own recursion limit

_BLANK: Final = " \t\r\n"
_decoder: Final = json.JSONDecoder(parse_float=Decimal)


def compact(value: Any) -> str:
    """Write JSON that holds no Decimals, compactly and fast."""
    return json.dumps(value, separators=(",", ":"))


def read(text: str) -> Any:
    """Parse JSON; numbers with a point or exponent become Decimal.

    Raises:
        Refusal: 400, not JSON.
    """
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise bad_request(f"The body is not JSON that can be read: {error}") from error


def write(value: Any) -> str:
    """Write JSON compactly, ASCII only, Decimals digit by digit.

    Raises:
        Refusal: 400, nested deeper than DEPTH_MAX.
    """
    return "".join(_parts(value, 0))


def _parts(value: Any, depth: int) -> Iterator[str]:
    if depth > DEPTH_MAX:
        raise bad_request(f"The document is nested deeper than {DEPTH_MAX} levels.")
    if isinstance(value, dict):
        yield "{"
        for number, (name, part) in enumerate(value.items()):
            yield f"{',' if number else ''}{json.dumps(name)}:"
            yield from _parts(part, depth + 1)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, part in enumerate(value):
            yield "," if number else ""
            yield from _parts(part, depth + 1)
        yield "]"
    elif isinstance(value, Decimal):
        yield str(value)
    else:
        yield json.dumps(value)


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch and return the result; neither argument is changed. Source: RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def elements(text: str) -> list[tuple[Any, str]]:
    """Split the text of a JSON array into its elements, each parsed and as written.

    Raises:
        Refusal: 400, not a JSON array.
    """
    read(text)  # the whole is sound; what follows only finds the seams
    at = _skip(text, 0)
    if not text.startswith("[", at):
        raise bad_request("The body must be a JSON array.")
    found: list[tuple[Any, str]] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        value, end = _decoder.raw_decode(text, at)
        found.append((value, text[at:end]))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def member(text: str, name: str) -> str:
    """Give the text of one member of a JSON object, as written; of two with that name the last.

    The text was parsed before and has the member.
    """
    found = ""
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        key, end = _decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, end) + 1)
        _, end = _decoder.raw_decode(text, at)
        if key == name:
            found = text[at:end]
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at
