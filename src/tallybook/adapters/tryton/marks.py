"""The mark by which an entry is found again: it begins the description of everything written for the entry.

`[tallybook 1f3a5c7e/0b5e... 1/2] Café Central - lunch #<content hash>`: who the entry is of, its id, which document of
how many, and the hash that tells whether it changed since. Tryton's entries have no field for a key of others.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tallybook.accounting.entry import EntryKey
from tallybook.adapters.tryton.texts import clean

_MARK = re.compile(
    r"\[tallybook (?P<owner>[0-9a-f]{8})/(?P<entry_id>[^\s\]]+) (?P<number>\d+)/(?P<count>\d+)\] (?P<rest>.*)",
    re.DOTALL,
)
_ENTRY_ID = re.compile(r"[!-\[^-~]{1,80}")  # printable ASCII without blanks and without the closing bracket
_HASH = re.compile(r"[!-\"$-~]{0,128}")
_LIKE = re.compile(r"([\\%_])")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a description says: the part `number` of `count` of an entry, as it was when it had `content_hash`.

    `text` is what stands there for people.
    """

    owner: str
    entry_id: str
    number: int
    count: int
    content_hash: str
    text: str


def owner(company_id: str) -> str:
    """Shorten a company's id: entries of two companies may meet in one Tryton company."""
    return hashlib.sha256(company_id.encode(errors="backslashreplace")).hexdigest()[:8]


def markable(key: EntryKey, content_hash: str = "") -> bool:
    """Whether a key and a hash can stand in a mark."""
    return _ENTRY_ID.fullmatch(key.entry_id) is not None and _HASH.fullmatch(content_hash) is not None


def description(key: EntryKey, number: int, count: int, text: str, content_hash: str) -> str:
    """Write a description that begins with the mark."""
    return f"[tallybook {owner(key.company_id)}/{key.entry_id} {number}/{count}] {clean(text)} #{content_hash}"


def read(text: object) -> Mark | None:
    """Read a description; None where it has no mark."""
    found = _MARK.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    told, _, content_hash = found["rest"].rpartition("#")
    return Mark(
        found["owner"], found["entry_id"], int(found["number"]), int(found["count"]), content_hash, told.rstrip()
    )


def search(keys: Sequence[EntryKey]) -> list[object]:
    """Write the domain that finds everything marked with one of these keys."""
    patterns = (f"[tallybook {owner(key.company_id)}/{key.entry_id} %" for key in keys)
    return ["OR", *(["description", "like", _escaped(pattern)] for pattern in patterns)]


def _escaped(pattern: str) -> str:
    """Escape what LIKE reads as a wildcard, all but the last sign."""
    return _LIKE.sub(r"\\\1", pattern[:-1]) + pattern[-1]
