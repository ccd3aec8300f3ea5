"""Notifications: written down with the event they tell of, signed and dressed for each attempt to deliver them.

Signing is left to the package `standardwebhooks`, by the authors of the scheme; Tallybook verifies with code of its
own, so that a misreading of the scheme shows between the two.

Source: Standard Webhooks specification 1.0; definition, webhooks v1.export-job.created.
"""

import base64
import hashlib
import json
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from standardwebhooks import Webhook

from tallybook.sandbox.clock import instant_text
from tallybook.sandbox.rules import EXPIRES_IN_S, JobStatus
from tallybook.sandbox.subscriptions import EventType, Subscription, active_subscriptions

DELIVERIES_MAX: Final = 10_000  # older ones are dropped


class DeliveryState(StrEnum):
    """How far a notification has come on its way to one subscription."""

    WAITING = "waiting"
    DELIVERED = "delivered"  # answered with 2xx
    FAILED = "failed"  # no attempt is left
    DROPPED = "dropped"  # on order, or because its subscription is gone


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to the receiver: `at` is the sandbox's time, `status` None when no answer came."""

    at: float
    status: int | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification on its way to one subscription; `body` is the text that is signed."""

    number: int
    webhook_id: str
    subscription_id: str
    event_type: str
    job_id: str
    body: str = field(repr=False)
    created_at: float
    state: DeliveryState = DeliveryState.WAITING
    fault: str | None = None
    attempts: tuple[Attempt, ...] = ()


_COLUMNS: Final = "number, webhook_id, subscription_id, event_type, job_id, body, created_at, state, fault, attempts"


def _delivery(row: tuple[Any, ...]) -> Delivery:
    values = list(row)
    values[7] = DeliveryState(row[7])
    values[9] = tuple(Attempt(*each) for each in json.loads(row[9]))
    return Delivery(*values)


def announce_job(
    db: sqlite3.Connection, job_id: str, company_id: str, created_by: str | None, number_of_items: int, now_s: float
) -> None:
    """Write down, for each active subscription, that an export job was created; part of the creation's transaction.

    Repeat: a second notification under another id.
    """
    # The instant is in it: a world founded again creates the same jobs, and yet nothing that was told before.
    event_id = str(uuid.uuid5(uuid.UUID(job_id), f"created at {now_s!r}"))
    data = {
        "companyId": company_id,
        "createdAt": instant_text(now_s),
        "createdBy": created_by,
        "expiresIn": EXPIRES_IN_S,
        "id": job_id,
        "numberOfItems": number_of_items,
        "status": JobStatus.PENDING,
    }
    event_type = EventType.EXPORT_JOB_CREATED
    body = json.dumps({"data": data, "eventId": event_id, "eventType": event_type}, separators=(",", ":"))
    for subscription in active_subscriptions(db, event_type):
        webhook_id = f"msg_{uuid.uuid5(uuid.UUID(event_id), subscription.id).hex}"
        row = (webhook_id, subscription.id, event_type, job_id, body, now_s, DeliveryState.WAITING)
        db.execute(
            "INSERT INTO deliveries (webhook_id, subscription_id, event_type, job_id, body, created_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        )
    db.execute("DELETE FROM deliveries WHERE number <= (SELECT max(number) FROM deliveries) - ?", (DELIVERIES_MAX,))


def waiting_deliveries(db: sqlite3.Connection, after: int) -> list[Delivery]:
    """Read what is to be delivered and has a number above `after`, oldest first.

    Repeat: safe, reads only.
    """
    sql = f"SELECT {_COLUMNS} FROM deliveries WHERE number > ? AND state = ? ORDER BY number"
    return [_delivery(row) for row in db.execute(sql, (after, DeliveryState.WAITING))]


def list_deliveries(db: sqlite3.Connection, after: int, limit: int) -> list[Delivery]:
    """Read deliveries after the running number `after`, oldest first.

    Repeat: safe, reads only.
    """
    sql = f"SELECT {_COLUMNS} FROM deliveries WHERE number > ? ORDER BY number LIMIT ?"
    return [_delivery(row) for row in db.execute(sql, (after, limit))]


def store_delivery(db: sqlite3.Connection, delivery: Delivery) -> None:
    """Store how far a delivery has come.

    Repeat: safe.
    """
    attempts = json.dumps([(each.at, each.status, each.problem) for each in delivery.attempts])
    db.execute(
        "UPDATE deliveries SET state = ?, fault = ?, attempts = ? WHERE number = ?",
        (delivery.state, delivery.fault, attempts, delivery.number),
    )


class NotificationFault(StrEnum):
    """What goes wrong with a notification on order."""

    DROP = "drop"  # it is never sent
    DUPLICATE = "duplicate"  # it is sent `copies` times more, under the same id
    DELAY = "delay"  # it is sent `delay_s` seconds later, by the sandbox's clock
    OVERTAKEN = "overtaken"  # it is sent after the next one
    TAMPERED = "tampered"  # the body is changed after it was signed
    STALE = "stale"  # it was signed `age_s` seconds ago (negative: in the future)
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - signed with a secret nobody has
    ROTATED = "rotated"  # two more signatures stand before the right one
    WRAPPED = "wrapped"  # id, timestamp and signature stand in the body beside `payload`, not in headers
    RENAMED = "renamed"  # the event is called `event_type`
    HUGE = "huge"  # the body has `size_bytes`


@dataclass(slots=True)
class NotificationFaultOrder:
    """One order: after `skip` notifications the next `times` go wrong, in all their attempts."""

    kind: NotificationFault
    times: int = 1
    skip: int = 0
    copies: int = 1
    delay_s: float = 0.0
    age_s: int = 3600
    event_type: str = EventType.EXPORT_JOB_CREATED
    size_bytes: int = 10 * 1024 * 1024


@dataclass(slots=True)
class NotificationFaults:
    """The orders in force, first come first served."""

    _orders: list[NotificationFaultOrder] = field(default_factory=list)

    def order(self, fault: NotificationFaultOrder) -> None:
        """Put in an order.

        Repeat: a second one, served after the first.
        """
        self._orders.append(fault)

    def clear(self) -> None:
        """Drop all orders.

        Repeat: safe.
        """
        self._orders.clear()

    def pending(self) -> list[NotificationFaultOrder]:
        """List the orders not used up."""
        return list(self._orders)

    def next(self) -> NotificationFaultOrder | None:
        """Say what goes wrong with this notification, and count it.

        Repeat: each notification counts.
        """
        for fault in self._orders:
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._orders.remove(fault)
            return fault
        return None


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire to a receiver."""

    headers: Sequence[tuple[str, str]]
    body: bytes


def compose(
    delivery: Delivery, subscription: Subscription, signed_at: datetime, fault: NotificationFaultOrder | None
) -> Request:
    """Sign a notification and dress it as a request; `signed_at` is the machine's real time, as the receiver's is."""
    kind = fault.kind if fault is not None else None
    body = delivery.body
    if fault is not None and kind is NotificationFault.RENAMED:
        body = json.dumps(json.loads(body) | {"eventType": fault.event_type}, separators=(",", ":"))
    if fault is not None and kind is NotificationFault.HUGE:
        spare = max(fault.size_bytes - len(body) - len(',"filler":""'), 0)
        body = f'{body[:-1]},"filler":"{"x" * spare}"}}'
    if fault is not None and kind is NotificationFault.STALE:
        signed_at -= timedelta(seconds=fault.age_s)
    secret = subscription.secret
    others = [_other_secret(secret, number) for number in (1, 2)]
    signing = {NotificationFault.WRONG_SECRET: others[:1], NotificationFault.ROTATED: [*others, secret]}
    signers = signing.get(kind, [secret]) if kind is not None else [secret]
    signature = " ".join(Webhook(each).sign(delivery.webhook_id, signed_at, body) for each in signers)
    signed = {
        "webhook-id": delivery.webhook_id,
        "webhook-timestamp": str(int(signed_at.timestamp())),
        "webhook-signature": signature,
    }
    if kind is NotificationFault.TAMPERED:
        body = body.replace(delivery.job_id, str(uuid.uuid5(uuid.UUID(delivery.job_id), "another")))
    headers = [("content-type", "application/json"), ("user-agent", "Pleo-Sandbox")]
    if kind is NotificationFault.WRAPPED:
        members = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in signed.items())
        body = f'{{{members}, "payload": {body}}}\n'
    else:
        headers += signed.items()
    if subscription.terms.basic is not None:
        name, password = subscription.terms.basic
        headers.append(("authorization", f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"))
    return Request([*headers, *subscription.terms.custom_headers.items()], body.encode())


def _other_secret(secret: str, number: int) -> str:
    key = hashlib.sha256(f"{secret}:{number}".encode()).digest()
    return f"whsec_{base64.b64encode(key).decode()}"
