"""The world behind the API: which company, its credentials and switches; founding it and opening it again."""

import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from tallybook.sandbox import documents, world
from tallybook.sandbox.links import Links
from tallybook.sandbox.rules import Lane

DEMO_ITEMS: Final = 100
_ROWS_AT_ONCE: Final = 500  # of a large world only so many expenses are in memory
_TABLES: Final = (
    *("expenses", "documents", "mends", "jobs", "job_items", "effects", "tokens", "journal", "journal_counts"),
    *("subscriptions", "subscription_activities", "deliveries"),
    *("oauth_codes", "oauth_tokens"),
)


class WorldKind(StrEnum):
    """What a new world holds: the demo company's expenses, or none."""

    DEMO = "demo"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Founding:
    """How to make a world; the same founding makes the same world."""

    kind: WorldKind = WorldKind.DEMO
    items: int = DEMO_ITEMS
    seed: int = 1
    troubles: bool = True
    contra_accounts: bool = True


@dataclass(frozen=True, slots=True)
class World:
    """The world in force: how it was made, its company, and how far its clock is ahead in seconds.

    `contra_accounts` false stands for a company that has not mapped its Pleo accounts (400 MISSING_CONTRA_ACCOUNTS).
    """

    founding: Founding
    company: world.Company
    books: dict[str, Any]
    links: Links = field(repr=False)
    contra_accounts: bool = True
    clock_offset_s: float = 0.0


def world_of(founding: Founding) -> World:
    """Describe the world of a founding, without its expenses."""
    company = world.company(founding.seed)
    secret = hashlib.sha256(f"links:{company.id}:{company.api_key}".encode()).digest()
    return World(founding, company, world.books(founding.seed), Links(secret), founding.contra_accounts)


def found(db: sqlite3.Connection, founding: Founding) -> World:
    """Replace everything with a new world, its expenses in the lane `unexported`.

    Repeat: the same world again, without its jobs and journal.
    """
    for table in _TABLES:
        db.execute(f"DELETE FROM {table}")
    db.execute("DELETE FROM sqlite_sequence")
    made = world_of(founding)
    if founding.kind is WorldKind.DEMO and founding.items:
        rows = _rows(made)
        while batch := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            db.executemany(
                "INSERT INTO expenses VALUES (?, ?, ?, ?, ?, NULL, NULL, ?, ?, ?)", [row[0] for row in batch]
            )
            db.executemany("INSERT INTO documents VALUES (?, ?, ?)", [row[1] for row in batch])
    remember(db, made)
    return made


def open_or_found(db: sqlite3.Connection, founding: Founding) -> World:
    """Open the world the store holds; found one when there is none.

    Repeat: safe, the world that is there stays.
    """
    row = db.execute("SELECT state FROM world").fetchone()
    if row is None:
        return found(db, founding)
    state = json.loads(row[0])
    stored = Founding(WorldKind(state["kind"]), state["items"], state["seed"], state["troubles"])
    return replace(world_of(stored), contra_accounts=state["contra_accounts"], clock_offset_s=state["clock_offset_s"])


def remember(db: sqlite3.Connection, made: World) -> None:
    """Store which world it is, so that a restart finds it.

    Repeat: stores it again.
    """
    state = {
        "kind": made.founding.kind,
        "items": made.founding.items,
        "seed": made.founding.seed,
        "troubles": made.founding.troubles,
        "contra_accounts": made.contra_accounts,
        "clock_offset_s": made.clock_offset_s,
    }
    db.execute("INSERT OR REPLACE INTO world (only, state) VALUES (1, ?)", (json.dumps(state),))


def _rows(made: World) -> Iterator[tuple[tuple[object, ...], tuple[object, ...]]]:
    """Give each expense as its row of `expenses` and its row of `documents`."""
    founding = made.founding
    new = world.expenses(founding.seed, founding.items, troubles=founding.troubles)
    for seq, expense in enumerate(new, start=1):
        document = {"_links": made.links.to_page(expense.entry_id), **expense.document}
        kept = documents.keep(document, expense.entry_id, made.links)
        mend = None if expense.mend is None else json.dumps(expense.mend)
        state = (Lane.UNEXPORTED, expense.trouble, mend, expense.mend_note)
        yield (seq, expense.entry_id, kept.type, kept.dated, *state), (seq, kept.text, kept.vendor_part)
