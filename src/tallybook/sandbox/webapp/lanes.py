"""The three lanes as a person looks at them: a page of expenses at a time, filtered."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from tallybook.sandbox.rules import Lane
from tallybook.sandbox.webapp.documents_shown import ExpenseShown, list_at, shown, text_at, whole
from tallybook.sandbox.worlds import World

ROWS_PER_PAGE: Final = 50
NO_CATEGORY: Final = "none"
_TEXT_LENGTH_MAX: Final = 200
_ROWS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Sieve:
    """What a person looks for in a lane; empty members let everything through.

    Days are `YYYY-MM-DD`, both within. `category` is an account's code, or NO_CATEGORY for lines without one.
    """

    dated_from: str = ""
    dated_to: str = ""
    category: str = ""
    without_receipt: bool = False
    text: str = ""

    @staticmethod
    def asked(query: Mapping[str, str]) -> "Sieve":
        """Read the members of a query; what is no day counts as none."""
        return Sieve(
            dated_from=_day(query.get("from", "")),
            dated_to=_day(query.get("to", "")),
            category=query.get("category", "")[:_TEXT_LENGTH_MAX],
            without_receipt=query.get("receipt", "") == "missing",
            text=query.get("text", "").strip()[:_TEXT_LENGTH_MAX],
        )

    def query(self) -> dict[str, str]:
        """Write the members that are not empty, as a query has them."""
        asked = {"from": self.dated_from, "to": self.dated_to, "category": self.category, "text": self.text}
        asked["receipt"] = "missing" if self.without_receipt else ""
        return {name: value for name, value in asked.items() if value}

    @property
    def reads_documents(self) -> bool:
        """Whether the documents have to be read, or the dates will do."""
        return bool(self.category or self.without_receipt or self.text)

    def admits(self, document: Any) -> bool:
        """Whether an expense is among those looked for; its date was judged before."""
        if self.without_receipt and list_at(document, "files"):
            return False
        lines = list_at(document, "accountingEntryLines")
        if self.category:
            codes = {text_at(line, "account", "code") or NO_CATEGORY for line in lines}
            if self.category not in codes:
                return False
        return not self.text or self.text.casefold() in _searched(document, lines)


def _searched(document: Any, lines: list[Any]) -> str:
    texts = [
        *(text_at(document, part, "name") for part in ("supplier", "vendor", "user", "team")),
        *(text_at(document, part) for part in ("note", "accountingEntryId", "type")),
        *(text_at(line, "account", "name") for line in lines),
    ]
    return "\n".join(texts).casefold()


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Row:
    """An expense in a lane; `in_job` while a running job holds it, `last_outcome` what its last job came to."""

    entry_id: str
    in_job: bool
    last_outcome: str | None
    expense: ExpenseShown


@dataclass(frozen=True, slots=True)
class LanePage:
    """A page of a lane: its rows, how many expenses there are in all, which page of how many."""

    rows: list[Row]
    total: int
    page: int
    pages: int


def read_lane(db: sqlite3.Connection, world: World, lane: Lane, sieve: Sieve, page: int) -> LanePage:
    """Read a page of a lane, in the order the expenses came; a page past the end is the last one.

    Repeat: safe, reads only.
    """
    if sieve.reads_documents:
        found = [seq for seq, _ in _found(db, world, lane, sieve)]
        total = len(found)
    else:
        where, parameters = _where(lane, sieve)
        (total,) = db.execute(f"SELECT count(*) FROM expenses e WHERE {where}", parameters).fetchone()
    pages = max(1, -(-total // ROWS_PER_PAGE))
    page = min(max(page, 1), pages)
    first = (page - 1) * ROWS_PER_PAGE
    if sieve.reads_documents:
        rows = _rows(db, f"e.seq IN ({', '.join(map(str, found[first : first + ROWS_PER_PAGE]))})", ())
    else:
        rows = _rows(db, where, parameters, f" LIMIT {ROWS_PER_PAGE} OFFSET {first}")
    return LanePage([_row(row, world) for row in rows], total, page, pages)


def entries_shown(db: sqlite3.Connection, world: World, lane: Lane, sieve: Sieve) -> list[str]:
    """List every entry that a lane shows through a sieve, on all its pages; those in a running job are left out.

    Repeat: safe, reads only.
    """
    if sieve.reads_documents:
        return list(dict.fromkeys(entry_id for _, entry_id in _found(db, world, lane, sieve, free=True)))
    where, parameters = _where(lane, sieve)
    rows = db.execute(f"SELECT e.entry_id FROM expenses e WHERE {where} AND e.job IS NULL ORDER BY e.seq", parameters)
    return list(dict.fromkeys(row[0] for row in rows))


def _found(
    db: sqlite3.Connection, world: World, lane: Lane, sieve: Sieve, *, free: bool = False
) -> Iterator[tuple[int, str]]:
    where, parameters = _where(lane, sieve)
    rows = db.execute(
        "SELECT e.seq, e.entry_id, d.document, d.vendor_part FROM expenses e JOIN documents d ON d.seq = e.seq"
        f" WHERE {where}{' AND e.job IS NULL' if free else ''} ORDER BY e.seq",
        parameters,
    )
    while some := rows.fetchmany(_ROWS_AT_ONCE):
        for seq, entry_id, text, vendor_part in some:
            if sieve.admits(whole(text, vendor_part, world.links)):
                yield seq, entry_id


def _where(lane: Lane, sieve: Sieve) -> tuple[str, tuple[str, ...]]:
    where, parameters = ["e.lane = ?"], [str(lane)]
    for day, comparison in ((sieve.dated_from, ">="), (sieve.dated_to, "<=")):
        if day:
            where.append(f"substr(e.dated, 1, 10) {comparison} ?")
            parameters.append(day)
    return " AND ".join(where), tuple(parameters)


_COLUMNS: Final = "e.entry_id, e.job, e.last_outcome, d.document, d.vendor_part"


def _rows(db: sqlite3.Connection, where: str, parameters: tuple[str, ...], limit: str = "") -> list[tuple[Any, ...]]:
    source = "expenses e JOIN documents d ON d.seq = e.seq"
    return db.execute(f"SELECT {_COLUMNS} FROM {source} WHERE {where} ORDER BY e.seq{limit}", parameters).fetchall()


def _row(row: tuple[Any, ...], world: World) -> Row:
    entry_id, job, last_outcome, text, vendor_part = row
    return Row(entry_id, job is not None, last_outcome, shown(text, vendor_part, world.links))
