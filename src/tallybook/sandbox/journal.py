"""The journal: every request and answer on Pleo's API and the files, in order, with secrets masked.

Entries are gathered in memory and stored many at a time, so that writing down what happened does not slow it.
"""

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final

from tallybook.sandbox.store import Store

BODY_LENGTH_MAX: Final = 4096  # of a body only so many characters are kept
BODY_BYTES_HEARD: Final = BODY_LENGTH_MAX + 512  # what is needed of a body to mask what stands at the cut
ENTRIES_MAX: Final = 50_000  # older entries are dropped; the counts go on
_ENTRIES_AT_ONCE: Final = 200
_SIGNATURE: Final = re.compile(r"(signature=)[A-Za-z0-9_=-]+")
# What a subscription's receiver is shown; a text or an object that is cut off counts as well.
_TEXT: Final = r'"(?:[^"\\]|\\.)*"?'
_CREDENTIAL: Final = re.compile(rf'("(?:password|token|secretKey|(?:access|refresh)_token)"\s*:\s*){_TEXT}', re.DOTALL)
# What goes to and fro with logins, in forms and in queries.
_FORM_CREDENTIAL: Final = re.compile(
    r"(?<![^&?])((?:code|code_verifier|client_secret|token|refresh_token|consent)=)[^&\s]*"
)
_HEADERS: Final = re.compile(rf'("customHeaders"\s*:\s*)\{{(?:{_TEXT}|[^"}}])*\}}?', re.DOTALL)
_COLUMNS: Final = (
    "n, at, operation, method, path, authentication, status, fault, request_body, answer_body, duration_ms"
)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One request and its answer; `status` None when no answer was sent. Bodies are cut at BODY_LENGTH_MAX.

    `at` is the sandbox's time in seconds since 1970; `authentication` names the scheme, never the credential.
    """

    n: int
    at: float
    operation: str
    method: str
    path: str
    authentication: str | None
    status: int | None
    fault: str | None
    request_body: str
    answer_body: str
    duration_ms: float


class Journal:
    """The journal of one sandbox."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[JournalEntry] = []
        self._counts: Counter[str] = Counter()
        self._last = 0
        self._storing: set[asyncio.Task[None]] = set()
        self.secrets: tuple[str, ...] = ()  # texts that never appear, whatever they stand in

    async def open(self) -> None:
        """Go on where the store's journal ends.

        Repeat: safe.
        """
        self._last, counts = await self._store.run(_read_counts)
        self._counts = Counter(counts)

    def append(self, entry: dict[str, Any]) -> None:
        """Write down one request: the fields of JournalEntry without `n`, bodies as bytes.

        Repeat: a second entry.
        """
        self._last += 1
        self._counts[entry["operation"]] += 1
        bodies = {name: self._text(entry[name]) for name in ("request_body", "answer_body")}
        path = self._masked(entry["path"])
        self._waiting.append(JournalEntry(**{**entry, **bodies, "n": self._last, "path": path}))
        if len(self._waiting) >= _ENTRIES_AT_ONCE:
            task = asyncio.get_running_loop().create_task(self.flush())
            self._storing.add(task)
            task.add_done_callback(self._storing.discard)

    async def flush(self) -> None:
        """Store what is waiting.

        Repeat: safe.
        """
        waiting, self._waiting = self._waiting, []
        if waiting:
            await self._store.run(_write, waiting, dict(self._counts))

    async def read(self, after: int, limit: int) -> list[JournalEntry]:
        """Read entries after number `after`, oldest first.

        Repeat: safe, reads only.
        """
        await self.flush()
        return await self._store.run(_read, after, limit)

    def counts(self) -> dict[str, int]:
        """Count the requests by operation, `"GET /v3/export-items": 12`."""
        return dict(sorted(self._counts.items()))

    async def forget(self) -> None:
        """Start with an empty journal.

        Repeat: safe.
        """
        self._waiting.clear()
        self._counts.clear()
        self._last = 0
        await self._store.run(_erase)

    def _text(self, body: bytes) -> str:
        # Cut after masking, or the first half of a secret at the cut would stay.
        return self._masked(body.decode("utf-8", "replace"))[:BODY_LENGTH_MAX]

    def _masked(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        text = _CREDENTIAL.sub(r'\1"***"', _HEADERS.sub(r'\1"***"', text))
        return _FORM_CREDENTIAL.sub(r"\1***", _SIGNATURE.sub(r"\1***", text))


def _write(db: sqlite3.Connection, entries: Sequence[JournalEntry], counts: dict[str, int]) -> None:
    db.executemany(
        f"INSERT OR REPLACE INTO journal ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (astuple(entry) for entry in entries),
    )
    db.execute("DELETE FROM journal WHERE n <= ?", (entries[-1].n - ENTRIES_MAX,))
    db.executemany("INSERT OR REPLACE INTO journal_counts (operation, calls) VALUES (?, ?)", counts.items())


def _read(db: sqlite3.Connection, after: int, limit: int) -> list[JournalEntry]:
    rows = db.execute(f"SELECT {_COLUMNS} FROM journal WHERE n > ? ORDER BY n LIMIT ?", (after, limit))
    return [JournalEntry(*row) for row in rows]


def _read_counts(db: sqlite3.Connection) -> tuple[int, dict[str, int]]:
    (last,) = db.execute("SELECT coalesce(max(n), 0) FROM journal").fetchone()
    return last, dict(db.execute("SELECT operation, calls FROM journal_counts").fetchall())


def _erase(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM journal")
    db.execute("DELETE FROM journal_counts")
