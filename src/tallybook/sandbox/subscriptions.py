"""Webhook subscriptions as the sandbox keeps them, and the changes made to each.

Source: definition, Webhook Subscriptions API; what it leaves open is listed in docs/sandbox.md.
"""

import base64
import hashlib
import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tallybook.sandbox.errors import Refusal
from tallybook.sandbox.paging import Listing, Page, PageRequest, fetch_page
from tallybook.sandbox.worlds import World


class EventType(StrEnum):
    """What a subscription can be to; the sandbox creates no vendors."""

    EXPORT_JOB_CREATED = "v1.export-job.created"
    VENDOR_CREATED = "v1.vendor.created"


class SubscriptionStatus(StrEnum):
    """Whether notifications are sent."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class ChangeKind(StrEnum):
    """What was done to a subscription."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class SubscriptionTerms:
    """What a caller may decide about a subscription; `basic` is user name and password."""

    endpoint_url: str
    event_types: tuple[str, ...]
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    basic: tuple[str, str] | None = field(default=None, repr=False)
    custom_headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription; instants are seconds since 1970, UTC."""

    number: int
    id: str
    terms: SubscriptionTerms
    created_at: float
    updated_at: float
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Activity:
    """One change made to a subscription."""

    number: int
    id: str
    subscription_id: str
    kind: ChangeKind
    description: str
    actor_urn: str
    created_at: float


_COLUMNS: Final = "number, id, endpoint_url, event_types, status, basic, custom_headers, created_at, updated_at, secret"
_WIDTH: Final = 10
_KEYS: Final = {
    "id": "id",
    "endpointUrl": "endpoint_url",
    "status": "status",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}
_ACTIVITY_COLUMNS: Final = "number, id, subscription_id, kind, description, actor_urn, created_at"
_ACTIVITY_WIDTH: Final = 7
_ACTIVITY_KEYS: Final = {"id": "id", "operationType": "kind", "createdAt": "created_at"}


def _subscription(row: tuple[Any, ...]) -> Subscription:
    number, known_as, endpoint_url, event_types, status, basic, custom_headers, created_at, updated_at, secret = row
    terms = SubscriptionTerms(
        endpoint_url,
        tuple(json.loads(event_types)),
        SubscriptionStatus(status),
        None if basic is None else tuple(json.loads(basic)),
        json.loads(custom_headers),
    )
    return Subscription(number, known_as, terms, created_at, updated_at, secret)


def _columns_of(terms: SubscriptionTerms) -> tuple[object, ...]:
    basic = None if terms.basic is None else json.dumps(terms.basic)
    return (
        terms.endpoint_url,
        json.dumps(terms.event_types),
        terms.status,
        basic,
        json.dumps(dict(terms.custom_headers)),
    )


def create_subscription(db: sqlite3.Connection, world: World, now_s: float, terms: SubscriptionTerms) -> Subscription:
    """Create a subscription with a secret of its own.

    Repeat: a second one, which gets every notification too.
    Source: definition POST /v1/subscriptions.
    """
    (last,) = db.execute("SELECT coalesce(max(number), 0) FROM subscriptions").fetchone()
    number = last + 1
    known_as = str(uuid.uuid5(uuid.UUID(world.company.id), f"subscription {number}"))
    db.execute(
        "INSERT INTO subscriptions (number, id, endpoint_url, event_types, status, basic, custom_headers, created_at,"
        " updated_at, secret) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, known_as, *_columns_of(terms), now_s, now_s, _secret(world, number)),
    )
    _note(db, world, now_s, known_as, ChangeKind.CREATE)
    return find_subscription(db, known_as)


def _secret(world: World, number: int) -> str:
    # The same world has the same secrets, as it has the same keys and tokens.
    key = hashlib.sha256(f"webhook:{world.company.id}:{world.company.api_key}:{number}".encode()).digest()
    return f"whsec_{base64.b64encode(key).decode()}"


def find_subscription(db: sqlite3.Connection, subscription_id: str) -> Subscription:
    """Read one subscription.

    Repeat: safe, reads only.
    Raises:
        Refusal: 404, there is none, or it was deleted.
    """
    row = db.execute(
        f"SELECT {_COLUMNS} FROM subscriptions WHERE id = ? AND deleted_at IS NULL", (subscription_id,)
    ).fetchone()
    if row is None:
        raise _not_found(subscription_id)
    return _subscription(row)


def _not_found(subscription_id: str) -> Refusal:
    return Refusal(404, "SUBSCRIPTION_NOT_FOUND", f"There is no subscription {subscription_id}.")


def list_subscriptions(
    db: sqlite3.Connection, status: str | None, event_types: Sequence[str], request: PageRequest
) -> tuple[Page, list[Subscription]]:
    """Read a page of subscriptions, oldest first unless asked otherwise; `event_types` asks for any of them.

    Repeat: safe, reads only.
    Raises:
        Refusal: 400, as `fetch_page`.
    """
    where, parameters = "deleted_at IS NULL", []
    if status is not None:
        where += " AND status = ?"
        parameters.append(status)
    if event_types:
        asked = ", ".join("?" * len(event_types))
        where += f" AND EXISTS (SELECT 1 FROM json_each(event_types) WHERE value IN ({asked}))"
        parameters += event_types
    source = f"subscriptions WHERE {where}"
    page = fetch_page(db, Listing("subscriptions", _COLUMNS, source, tuple(parameters), _KEYS, "number"), request)
    return page, [_subscription(row[:_WIDTH]) for row in page.rows]


def active_subscriptions(db: sqlite3.Connection, event_type: EventType) -> list[Subscription]:
    """Read who is to be told of an event.

    Repeat: safe, reads only.
    """
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM subscriptions WHERE deleted_at IS NULL AND status = 'ACTIVE'"
        " AND EXISTS (SELECT 1 FROM json_each(event_types) WHERE value = ?) ORDER BY number",
        (event_type,),
    )
    return [_subscription(row) for row in rows]


def replace_subscription(
    db: sqlite3.Connection, world: World, now_s: float, subscription_id: str, terms: SubscriptionTerms
) -> Subscription:
    """Give a subscription other terms, all of them; its secret stays.

    Repeat: the same subscription, and a second entry among its activities.
    Raises:
        Refusal: 404, as `find_subscription`.
    Source: definition PUT /v1/subscriptions/{id}.
    """
    known = find_subscription(db, subscription_id)
    db.execute(
        "UPDATE subscriptions SET endpoint_url = ?, event_types = ?, status = ?, basic = ?, custom_headers = ?,"
        " updated_at = ? WHERE number = ?",
        (*_columns_of(terms), now_s, known.number),
    )
    _note(db, world, now_s, subscription_id, ChangeKind.UPDATE)
    return find_subscription(db, subscription_id)


def delete_subscription(db: sqlite3.Connection, world: World, now_s: float, subscription_id: str) -> None:
    """Delete a subscription; its activities stay.

    Repeat: refused with 404.
    Raises:
        Refusal: 404, as `find_subscription`.
    Source: definition DELETE /v1/subscriptions/{id}.
    """
    known = find_subscription(db, subscription_id)
    db.execute("UPDATE subscriptions SET deleted_at = ? WHERE number = ?", (now_s, known.number))
    _note(db, world, now_s, subscription_id, ChangeKind.DELETE)


def list_activities(
    db: sqlite3.Connection, subscription_id: str, kinds: Sequence[ChangeKind], request: PageRequest
) -> tuple[Page, list[Activity]]:
    """Read a page of the changes made to a subscription, also to a deleted one, oldest first.

    Repeat: safe, reads only.
    Raises:
        Refusal: 404, there never was such a subscription; 400, as `fetch_page`.
    """
    if db.execute("SELECT 1 FROM subscriptions WHERE id = ?", (subscription_id,)).fetchone() is None:
        raise _not_found(subscription_id)
    source = "subscription_activities WHERE subscription_id = ?"
    if kinds:
        source += f" AND kind IN ({', '.join('?' * len(kinds))})"
    parameters = (subscription_id, *kinds)
    listing = Listing("activities", _ACTIVITY_COLUMNS, source, parameters, _ACTIVITY_KEYS, "number")
    page = fetch_page(db, listing, request)
    found = []
    for row in page.rows:
        number, known_as, of, kind, *rest = row[:_ACTIVITY_WIDTH]
        found.append(Activity(number, known_as, of, ChangeKind(kind), *rest))
    return page, found


def secrets_of(db: sqlite3.Connection) -> list[str]:
    """List every secret there ever was in this world.

    Repeat: safe, reads only.
    """
    return [row[0] for row in db.execute("SELECT secret FROM subscriptions")]


def _note(db: sqlite3.Connection, world: World, now_s: float, subscription_id: str, kind: ChangeKind) -> None:
    said = {ChangeKind.CREATE: "created", ChangeKind.UPDATE: "updated", ChangeKind.DELETE: "deleted"}[kind]
    (last,) = db.execute("SELECT coalesce(max(number), 0) FROM subscription_activities").fetchone()
    db.execute(
        f"INSERT INTO subscription_activities ({_ACTIVITY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            last + 1,
            str(uuid.uuid5(uuid.UUID(subscription_id), f"activity {last + 1}")),
            subscription_id,
            kind,
            f"Subscription {said}.",
            f"urn:pleo:company:{world.company.id}",
            now_s,
        ),
    )
