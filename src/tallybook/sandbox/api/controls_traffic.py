"""Controls of time and traffic, for whoever tests with it: the clock, faults, latency, tokens, the journal."""

from typing import Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, Field, model_validator

from tallybook.sandbox import jobs
from tallybook.sandbox.api.controls import After, Control, Limit
from tallybook.sandbox.api.operations import OPERATION_IDS
from tallybook.sandbox.api.requests import SandboxHere
from tallybook.sandbox.api.schemas import UuidText
from tallybook.sandbox.api.wire import Json
from tallybook.sandbox.clock import instant_text
from tallybook.sandbox.faults import Fault, FaultKind, Phase
from tallybook.sandbox.journal import JournalEntry
from tallybook.sandbox.oauth import SCOPES
from tallybook.sandbox.rules import ItemUpdateError

router = APIRouter(prefix="/_sandbox")


class ClockMove(Control):
    """A move of the clock: on by so many seconds, or to an instant, from where it runs on."""

    advance_seconds: int | None = Field(default=None, ge=-(10**12), le=10**12)
    now: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "ClockMove":
        if (self.advance_seconds is None) == (self.now is None):
            raise ValueError("give either advanceSeconds or now")
        return self


class FaultOrder(Control):
    """A fault: after `skip` calls of the operation, the next `times` go wrong."""

    operation: str = Field(default="*", description="An operationId, `files`, or `*`.")
    kind: FaultKind
    status: int = Field(default=503, ge=400, le=599)
    retry_after: int | None = Field(default=None, ge=0, le=10**6, description="Seconds, sent as Retry-After.")
    phase: Phase = Phase.BEFORE
    times: int = Field(default=1, ge=1, le=10**9)
    skip: int = Field(default=0, ge=0, le=10**9)
    delay_ms: int = Field(default=0, ge=0, le=10**7)
    size_bytes: int = Field(default=0, ge=0, le=2**40)
    entry_ids: list[UuidText] = Field(default_factory=list)
    error_type: ItemUpdateError = ItemUpdateError.ACCOUNTING_ENTRY_UPDATE_FAILED

    @model_validator(mode="after")
    def _known_operation(self) -> "FaultOrder":
        if self.operation != "*" and self.operation not in OPERATION_IDS:
            raise ValueError(f"operation must be * or one of {', '.join(sorted(OPERATION_IDS))}")
        return self


class Latency(Control):
    """A delay put before every answer of Pleo's API and /files."""

    ms: int = Field(ge=0, le=10**6)


class NewToken(Control):
    """A further access token."""

    scopes: list[Literal["export-jobs:read", "export-jobs:write", "export-items:read"]] = Field(
        default_factory=lambda: list(SCOPES)  # type: ignore[arg-type]
    )
    expires_in_seconds: int | None = Field(default=None, ge=0, le=10**9)


@router.post("/clock")
async def move_clock(sandbox: SandboxHere, move: ClockMove) -> Json:
    """Move the sandbox's clock; what must expire has then expired."""
    if move.now is not None:
        sandbox.clock.set_to(move.now)
    else:
        sandbox.clock.advance(move.advance_seconds or 0)
    await sandbox.keep_clock()
    return {"now": instant_text(sandbox.now_s())}


@router.post("/faults", status_code=201)
async def order_fault(sandbox: SandboxHere, order: FaultOrder) -> Json:
    """Put in an order for a fault, after those already waiting."""
    fault = Fault(
        operation=order.operation,
        kind=order.kind,
        status=order.status,
        retry_after_s=order.retry_after,
        phase=order.phase,
        times=order.times,
        skip=order.skip,
        delay_ms=order.delay_ms,
        size_bytes=order.size_bytes,
        entry_ids=tuple(order.entry_ids),
        error_type=order.error_type,
    )
    sandbox.faults.order(fault)
    return {"pending": len(sandbox.faults.pending())}


@router.get("/faults")
async def list_faults(sandbox: SandboxHere) -> Json:
    """List the orders not used up, so that a test can see whether its fault happened."""
    waiting = sandbox.faults.pending()
    return {
        "faults": [
            {"operation": fault.operation, "kind": fault.kind, "times": fault.times, "skip": fault.skip}
            for fault in waiting
        ]
    }


@router.delete("/faults")
async def clear_faults(sandbox: SandboxHere) -> Json:
    """Drop all orders and the latency."""
    sandbox.faults.clear()
    return {"pending": 0}


@router.post("/latency")
async def set_latency(sandbox: SandboxHere, latency: Latency) -> Json:
    """Delay every answer of Pleo's API and /files."""
    sandbox.faults.latency_ms = latency.ms
    return {"ms": latency.ms}


@router.post("/tokens", status_code=201)
async def issue_token(sandbox: SandboxHere, new: NewToken) -> Json:
    """Issue an access token with fewer scopes, or one that expires."""
    token = await sandbox.issue_token(frozenset(new.scopes), new.expires_in_seconds)
    return {
        "accessToken": token.token,
        "scopes": sorted(token.scopes),
        "expiresAt": instant_text(token.expires_at),
    }


@router.get("/journal")
async def read_journal(sandbox: SandboxHere, after: After = 0, limit: Limit = 100) -> Json:
    """Read every request and answer on Pleo's API and /files, oldest first; `next` is null at the end."""
    entries = await sandbox.journal.read(after, limit + 1)
    following = entries[limit - 1].n if len(entries) > limit else None
    return {"data": [_entry_json(entry) for entry in entries[:limit]], "next": following}


@router.get("/journal/counts")
async def count_journal(sandbox: SandboxHere) -> dict[str, int]:
    """Count the requests by operation."""
    return sandbox.journal.counts()


@router.get("/effects")
async def read_effects(sandbox: SandboxHere, after: After = 0, limit: Limit = 100) -> Json:
    """Read what happened to jobs and their items, whatever was answered, oldest first; `next` is null at the end."""
    found = await sandbox.store.run(jobs.list_effects, after, limit + 1)
    data = [
        {
            "n": effect.n,
            "jobId": effect.job_id,
            "entryId": effect.entry_id,
            "status": effect.status,
            "externalId": effect.external_id,
            "reason": effect.reason,
        }
        for effect in found[:limit]
    ]
    return {"data": data, "next": found[limit - 1].n if len(found) > limit else None}


def _entry_json(entry: JournalEntry) -> Json:
    return {
        "n": entry.n,
        "at": instant_text(entry.at),
        "operation": entry.operation,
        "method": entry.method,
        "path": entry.path,
        "authentication": entry.authentication,
        "status": entry.status,
        "fault": entry.fault,
        "requestBody": entry.request_body,
        "answerBody": entry.answer_body,
        "durationMs": entry.duration_ms,
    }
