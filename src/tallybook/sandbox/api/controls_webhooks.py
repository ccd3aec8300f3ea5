"""Controls of notifications, for whoever tests with it: what goes wrong with them, and where each one got to."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from tallybook.sandbox.api.controls import After, Control, Limit
from tallybook.sandbox.api.requests import SandboxHere
from tallybook.sandbox.api.wire import Json
from tallybook.sandbox.clock import instant_text
from tallybook.sandbox.notifications import Delivery, NotificationFault, NotificationFaultOrder, list_deliveries
from tallybook.sandbox.subscriptions import EventType

router = APIRouter(prefix="/_sandbox/webhooks")


class NotificationFaultWanted(Control):
    """A fault: after `skip` notifications the next `times` go wrong, in all their attempts."""

    kind: NotificationFault
    times: int = Field(default=1, ge=1, le=10**9)
    skip: int = Field(default=0, ge=0, le=10**9)
    copies: int = Field(default=1, ge=1, le=1000, description="Of `duplicate`: how often more.")
    delay_seconds: float = Field(default=0, ge=0, le=10**9, description="Of `delay`, on the sandbox's clock.")
    age_seconds: int = Field(default=3600, ge=-(10**9), le=10**9, description="Of `stale`; negative: the future.")
    event_type: str = Field(default=EventType.EXPORT_JOB_CREATED, max_length=1000, description="Of `renamed`.")
    size_bytes: int = Field(default=10 * 1024 * 1024, ge=0, le=64 * 1024 * 1024, description="Of `huge`.")


@router.post("/faults", status_code=201)
async def order_fault(sandbox: SandboxHere, wanted: NotificationFaultWanted) -> Json:
    """Put in an order for a fault, after those already waiting."""
    order = NotificationFaultOrder(
        kind=wanted.kind,
        times=wanted.times,
        skip=wanted.skip,
        copies=wanted.copies,
        delay_s=wanted.delay_seconds,
        age_s=wanted.age_seconds,
        event_type=wanted.event_type,
        size_bytes=wanted.size_bytes,
    )
    sandbox.courier.faults.order(order)
    return {"pending": len(sandbox.courier.faults.pending())}


@router.get("/faults")
async def list_faults(sandbox: SandboxHere) -> Json:
    """List the orders not used up, so that a test can see whether its fault happened."""
    waiting = sandbox.courier.faults.pending()
    return {"faults": [{"kind": fault.kind, "times": fault.times, "skip": fault.skip} for fault in waiting]}


@router.delete("/faults")
async def clear_faults(sandbox: SandboxHere) -> Json:
    """Drop all orders."""
    sandbox.courier.faults.clear()
    return {"pending": 0}


@router.get("/deliveries")
async def read_deliveries(
    sandbox: SandboxHere,
    after: After = 0,
    limit: Limit = 100,
    settled: Annotated[bool, Query(description="Wait first until no attempt is in the air.")] = False,
) -> Json:
    """Read every notification and its attempts, oldest first; `next` goes into `after`, and is null at the end."""
    if settled:
        await sandbox.courier.settled()
    found = await sandbox.store.run(list_deliveries, after, limit + 1)
    following = found[limit - 1].number if len(found) > limit else None
    return {"data": [_delivery_json(delivery) for delivery in found[:limit]], "next": following}


def _delivery_json(delivery: Delivery) -> Json:
    return {
        "webhookId": delivery.webhook_id,
        "subscriptionId": delivery.subscription_id,
        "eventType": delivery.event_type,
        "jobId": delivery.job_id,
        "createdAt": instant_text(delivery.created_at),
        "state": delivery.state,
        "fault": delivery.fault,
        "attempts": [
            {"at": instant_text(attempt.at), "status": attempt.status, "problem": attempt.problem}
            for attempt in delivery.attempts
        ],
    }
