"""Texts from people and machines made harmless, and values made fit to stand in a sentence."""

import unicodedata
from decimal import Decimal

ELLIPSIS = "…"
_SHOWN_LENGTH_MAX = 60
_DIGITS_MAX = 40  # of a number inside a sentence; Python itself refuses to write more than 4300


def one_line(text: str, length_max: int) -> str:
    """Make one printable line of at most `length_max` characters; what is cut off leaves an ellipsis.

    Line breaks and control characters become a space, invisible format characters (direction overrides,
    zero-width joiners) vanish, and what no character stands for becomes U+FFFD. The answer may be empty.
    """
    # Runs of blanks shrink, so some more than the limit is read; megabytes of text cost no more than that.
    head = text[: length_max * 8]
    if not head.isprintable():
        head = "".join(map(_harmless, head))
    line = " ".join(head.split())
    if len(line) <= length_max and len(text) <= length_max * 8:
        return line
    return line[: length_max - 1].rstrip() + ELLIPSIS


def lines_kept(text: str, length_max: int) -> str:
    """Make a text of several lines harmless, and keep its line breaks; longer ones end in an ellipsis."""
    head = text[: length_max * 2].replace("\r\n", "\n")
    if not head.isprintable():
        head = "".join(char if char == "\n" else _harmless(char) for char in head)
    kept = head.strip()
    if len(kept) <= length_max and len(text) <= length_max * 2:
        return kept
    return kept[: length_max - 1].rstrip() + ELLIPSIS


def shown(value: object) -> str:
    """Quote a value from outside for a sentence: printable, on one line, at most 62 characters."""
    return f'"{one_line(_text(value), _SHOWN_LENGTH_MAX)}"'


def is_plain(code: str | None, length_max: int = 200) -> bool:
    """Tell whether a code from outside can be used as it stands: there, printable and of a sane length."""
    return code is not None and code.isprintable() and 0 < len(code.strip()) <= length_max


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not -(10**_DIGITS_MAX) < value < 10**_DIGITS_MAX:
        return f"a number of more than {_DIGITS_MAX} digits"
    if value is None or isinstance(value, int | float | Decimal):
        return str(value)
    # The text of a list or an object may be endless or nested too deep to be written.
    return f"a value of the kind {type(value).__name__}"


def _harmless(char: str) -> str:
    if char.isprintable():
        return char
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return " " if category[0] == "Z" or category == "Cc" else "\N{REPLACEMENT CHARACTER}"
