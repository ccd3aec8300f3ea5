# ruff: noqa: RUF001 - marks that look alike are what the table is for
"""Texts for import files: one harmless line in an old character set. Texts come from people and are hostile."""

import re
import unicodedata

# What NFKD does not take apart, in letters and marks that every character set here has.
_SPELT = {
    "€": "EUR", "£": "GBP", "¥": "JPY", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ß": "ss",
    "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ħ": "h", "Ħ": "H",
    "–": "-", "—": "-", "‒": "-", "―": "-", "−": "-", "‐": "-", "‑": "-", "‘": "'", "’": "'", "‚": "'", "′": "'",
    "“": '"', "”": '"', "„": '"', "″": '"', "«": '"', "»": '"', "‹": "'", "›": "'", "…": "...", "•": "*", "·": ".",
    "×": "x", "÷": "/", "©": "(c)", "®": "(R)", "™": "(TM)", "§": "par.", "¤": "*", "¦": "|",
}  # fmt: skip

# Excel takes the full-width forms for the plain ones. Source: OWASP, "CSV Injection".
_FORMULA = re.compile("[=+\\-@\uff1d\uff0b\uff0d\uff20\t\r]")
_READ_PER_CHARACTER = 8  # runs of blanks shrink, so some more than the limit is read; megabytes cost no more than that


def one_line(text: str) -> str:
    """Make one line: line breaks and controls become a blank, invisible and direction marks vanish."""
    if not text.isprintable():
        text = "".join(map(_visible, text))
    return " ".join(text.split())


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return " " if category in {"Cc", "Zs", "Zl", "Zp"} else character


def spelt(text: str, encoding: str) -> str:
    """Spell a text in the characters that an encoding has; what cannot be spelt becomes a question mark."""
    return text if _fits(text, encoding) else "".join(_spelt(character, encoding) for character in text)


def _spelt(character: str, encoding: str) -> str:
    if _fits(character, encoding):
        return character
    plain = _SPELT.get(character) or "".join(
        part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)
    )
    return plain if plain and _fits(plain, encoding) else "?"


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def plain(text: str, encoding: str, length_max: int) -> str:
    """Make one line, spelt in the encoding and cut to a length in characters."""
    return spelt(one_line(text[: length_max * _READ_PER_CHARACTER]), encoding)[:length_max].rstrip()


def cell(text: str, encoding: str, length_max: int) -> str:
    """Make a cell's text, as `plain`, which no spreadsheet takes for a formula."""
    line = plain(text, encoding, length_max)
    return f"'{line}"[:length_max] if _FORMULA.match(line) else line
