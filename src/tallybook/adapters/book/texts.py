"""Text from outside, made fit for the place it goes to. Texts come from people and are taken to be hostile.

The book keeps what was sent; an export and a terminal show it in a form that can do nothing there. Codes become parts
of names by an escape that is reversible, so two different codes never become the same name.
"""

import re
import unicodedata

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROL_PICTURES = 0x2400  # U+2400 + n depicts the control character n
_DELETE = 0x7F
_NAMED_PART_MAX = 60  # a tag is for reading and sorting; the whole text stands in the metadata
_JOURNAL_SAFE = frozenset(" .-_/+&'!?%#")
_JOURNAL_TEXT_MAX = 200  # the hledger journal is for checking and reports; the Beancount ledger has the whole text


def storable(text: str) -> str:
    """Replace half surrogate pairs, which JSON can carry and UTF-8 cannot, and NUL, behind which SQLite's text ends."""
    return _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def visible(text: str) -> str:
    """Show every control, format and separator character as a mark that acts on nothing."""
    return "".join(map(_mark, text))


def _mark(character: str) -> str:
    if character.isprintable():
        return character
    if character < " ":
        return chr(_CONTROL_PICTURES + ord(character))
    return " " if unicodedata.category(character) == "Zs" else "\N{REPLACEMENT CHARACTER}"


def terminal_text(text: str) -> str:
    """One line for a terminal: no escape sequences, no line breaks, no change of writing direction."""
    return visible(text)


def beancount_string(text: str) -> str:
    """Write a Beancount string on one physical line; line breaks and tabs are escaped and come back when read."""
    escaped = []
    for character in text:
        if character in '"\\':
            escaped.append("\\" + character)
        elif character in "\n\t\r":
            escaped.append({"\n": "\\n", "\t": "\\t", "\r": "\\r"}[character])
        else:
            escaped.append(_mark(character))
    return '"' + "".join(escaped) + '"'


def journal_text(text: str) -> str:
    """Text for a description or comment of an hledger journal, which knows no quoting.

    Letters and digits of any script and a few plain marks pass; all else, with it everything hledger would read
    (`;` `,` `:` `[` `|` `=` and line breaks), becomes a middle dot.
    """
    plain = "".join(
        character if character.isalnum() or character in _JOURNAL_SAFE else "\N{MIDDLE DOT}"
        for character in text[:_JOURNAL_TEXT_MAX]
    )
    return " ".join(plain.split())


def name_part(code: str, also: str = "") -> str:
    """Write a code with ASCII letters, digits and `-` alone, reversibly: '60 71/a' -> '60-20-71-2f-a'.

    Every other character becomes its code point between two dashes. `also` names further characters that pass.
    """
    return "".join(
        character if (character.isascii() and character.isalnum()) or character in also else f"-{ord(character):x}-"
        for character in code
    )


def link_part(entry_id: str) -> str:
    """The entry's id as a Beancount link without the caret; a UUID stays as it is."""
    return entry_id if re.fullmatch(r"[0-9a-z]+(-[0-9a-z]+)*", entry_id) else "id-" + name_part(entry_id)


def tag_part(text: str) -> str:
    """A word of the source as a Beancount tag without the hash; long ones are cut."""
    return name_part(text[:_NAMED_PART_MAX], also="_.")
