"""Pages: opaque cursors of the published alphabet, offsets, sorting, over any SQL listing.

A cursor holds the sort values of one record, so a page goes on at the right place even when records changed
meanwhile. It belongs to one listing and one sorting; anywhere else it is refused.
Source: definition, parameters Before, After, Offset, Limit, SortingKeys, SortingOrder and schema CursorPageInfo.
"""

import base64
import binascii
import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from tallybook.sandbox.errors import Refusal, bad_request

PAGE_SIZE_DEFAULT: Final = 100  # open in the definition, chosen here
PAGE_SIZE_MAX: Final = 500  # open in the definition, chosen here: more is answered with this many


class PageOrder(StrEnum):
    """PageOrder; without a word on nulls they come last in ASC and first in DESC, as in PostgreSQL."""

    ASC = "ASC"
    ASC_NULLS_FIRST = "ASC_NULLS_FIRST"
    ASC_NULLS_LAST = "ASC_NULLS_LAST"
    DESC = "DESC"
    DESC_NULLS_FIRST = "DESC_NULLS_FIRST"
    DESC_NULLS_LAST = "DESC_NULLS_LAST"

    @property
    def ascending(self) -> bool:
        """Whether small values come first."""
        return self.value.startswith("ASC")

    @property
    def nulls_last(self) -> bool:
        """Whether records without a value come at the end."""
        return self in {PageOrder.ASC, PageOrder.ASC_NULLS_LAST, PageOrder.DESC_NULLS_LAST}


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a caller asked for; `limit` is already the one that applies."""

    limit: int = PAGE_SIZE_DEFAULT
    after: str | None = None
    before: str | None = None
    offset: int | None = None
    sorting: tuple[tuple[str, PageOrder], ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """One thing that is listed: columns and source in SQL, the sort keys by Pleo's names, and what tells records apart.

    `identity` is a unique, never null integer expression: the order when none is asked for, and the last word always.
    """

    name: str
    columns: str
    source: str
    parameters: tuple[object, ...]
    keys: Mapping[str, str]
    identity: str
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page: `rows` in order, the cursors of its first and last record, and whether there is more."""

    rows: Sequence[tuple[Any, ...]]
    start_cursor: str | None
    end_cursor: str | None
    has_next: bool
    has_previous: bool
    total: int


@dataclass(frozen=True, slots=True)
class _Column:
    sql: str
    ascending: bool


def fetch_page(db: sqlite3.Connection, listing: Listing, request: PageRequest) -> Page:
    """Read one page.

    Repeat: safe, reads only.
    Raises:
        Refusal: 400, an unknown sort key, or a cursor that is not one of this listing and sorting.
    """
    order = _order(listing, request)
    seal = f"{listing.name}:{[(c.sql, c.ascending) for c in order]}".encode()
    cursor = request.after or request.before
    anchor = None if cursor is None else _open_cursor(cursor, seal, len(order))
    forward = request.before is None
    where, values = ("1", ()) if anchor is None else _beyond(order, anchor, forward=forward, inclusive=False)
    directed = ", ".join(f"{c.sql} {'ASC' if c.ascending == forward else 'DESC'}" for c in order)
    rows = db.execute(
        f"SELECT {listing.columns}, {', '.join(c.sql for c in order)} FROM {listing.source} AND {where}"
        f" ORDER BY {directed} LIMIT ? OFFSET ?",
        (*listing.parameters, *values, request.limit + 1, request.offset or 0),
    ).fetchall()
    more = len(rows) > request.limit
    rows = rows[: request.limit]
    if not forward:
        rows.reverse()
    total = listing.total
    if total is None:
        total = db.execute(f"SELECT count(*) FROM {listing.source}", listing.parameters).fetchone()[0]
    behind = _any_behind(db, listing, order, anchor, forward=forward)
    if anchor is None:
        behind = bool(request.offset) and total > 0
    width = len(order)
    return Page(
        rows=rows,
        start_cursor=_seal_cursor(rows[0][-width:], seal) if rows else None,
        end_cursor=_seal_cursor(rows[-1][-width:], seal) if rows else None,
        has_next=more if forward else behind,
        has_previous=behind if forward else more,
        total=total,
    )


def _any_behind(
    db: sqlite3.Connection,
    listing: Listing,
    order: Sequence[_Column],
    anchor: Sequence[object] | None,
    *,
    forward: bool,
) -> bool:
    if anchor is None:
        return False
    where, values = _beyond(order, anchor, forward=not forward, inclusive=True)
    sql = f"SELECT 1 FROM {listing.source} AND {where} LIMIT 1"
    return db.execute(sql, (*listing.parameters, *values)).fetchone() is not None


def _order(listing: Listing, request: PageRequest) -> list[_Column]:
    order: list[_Column] = []
    for key, direction in request.sorting:
        column = listing.keys.get(key)
        if column is None:
            raise bad_request(f"{key!r} is no sorting key here; there are: {', '.join(sorted(listing.keys))}.")
        order.append(_Column(f"({column} IS NULL)", direction.nulls_last))
        order.append(_Column(f"IFNULL({column}, '')", direction.ascending))
    last = request.sorting[-1][1].ascending if request.sorting else True
    return [*order, _Column(listing.identity, last)]


def _beyond(
    order: Sequence[_Column], anchor: Sequence[object], *, forward: bool, inclusive: bool
) -> tuple[str, tuple[object, ...]]:
    """Write in SQL: the record stands after the anchor (or before it, going backwards)."""
    choices: list[str] = []
    values: list[object] = []
    for depth, column in enumerate(order):
        equal = "".join(f"{c.sql} = ? AND " for c in order[:depth])
        sign = ">" if column.ascending == forward else "<"
        if inclusive and depth == len(order) - 1:
            sign += "="
        choices.append(f"({equal}{column.sql} {sign} ?)")
        values += [*anchor[:depth], anchor[depth]]
    return f"({' OR '.join(choices)})", tuple(values)


def _seal_cursor(values: Sequence[object], seal: bytes) -> str:
    payload = json.dumps(values, separators=(",", ":")).encode()
    return base64.b32encode(_stamp(payload, seal) + payload).decode()


def _open_cursor(cursor: str, seal: bytes, width: int) -> Sequence[object]:
    try:
        sealed = base64.b32decode(cursor)
    except (binascii.Error, ValueError):
        raise _foreign_cursor() from None
    stamp, payload = sealed[:_STAMP_BYTES], sealed[_STAMP_BYTES:]
    if stamp != _stamp(payload, seal):
        raise _foreign_cursor()
    values: list[object] = json.loads(payload)
    if len(values) != width:
        raise _foreign_cursor()
    return values


_STAMP_BYTES: Final = 5


def _stamp(payload: bytes, seal: bytes) -> bytes:
    return hashlib.blake2s(payload + seal, digest_size=_STAMP_BYTES).digest()


def _foreign_cursor() -> Refusal:
    return Refusal(400, "INVALID_CURSOR", "This cursor does not come from this list in this order.")
