"""Controls of the world, for whoever tests with it: worlds, expenses, the Export button, the lanes.

Unauthenticated, since the server listens on this machine only.
"""

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from tallybook.sandbox import exact_json, expenses, jobs
from tallybook.sandbox.api.requests import SandboxHere, body_text
from tallybook.sandbox.api.schemas import UUID_PATTERN, ExportJobV3, UuidText
from tallybook.sandbox.api.wire import Json, PleoResponse, job_json, json_text
from tallybook.sandbox.clock import instant_text
from tallybook.sandbox.errors import bad_request
from tallybook.sandbox.expenses import ExpenseState, NewExpense
from tallybook.sandbox.jobs import NewJob
from tallybook.sandbox.rules import Lane
from tallybook.sandbox.sandbox import Sandbox
from tallybook.sandbox.worlds import DEMO_ITEMS, Founding, WorldKind

CONTROL_BYTES_MAX: Final = 64 * 1024 * 1024

router = APIRouter(prefix="/_sandbox")

After = Annotated[int, Query(ge=0, description="Running number of the last one read; 0 for the beginning.")]
Limit = Annotated[int, Query(ge=1, le=1000)]


class Control(BaseModel):
    """JSON names in camel case; an unknown member is a mistake in a test, and said so."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class NewWorld(Control):
    """A world to found; it replaces everything."""

    world: WorldKind = WorldKind.DEMO
    items: int = Field(default=DEMO_ITEMS, ge=0, le=10_000_000)
    seed: int = Field(default=1, ge=0, le=2**63 - 1)
    troubles: bool = True
    contra_accounts: bool = True


class CompanySwitches(Control):
    """What can be changed about the company."""

    contra_accounts: bool


class Export(Control):
    """A press of the Export button; without `entryIds` the queue, or when it is empty everything unexported."""

    entry_ids: list[UuidText] | None = None
    vendor_based_bookkeeping: bool = False
    only_failed: bool = False


class LaneMove(Control):
    """A move between the lanes `unexported` and `queue`; without `entryIds` everything in the other lane."""

    entry_ids: list[UuidText] | None = None
    lane: Lane = Lane.QUEUE


async def _world_json(sandbox: Sandbox) -> Json:
    await sandbox.store.run(jobs.unfinished_job, sandbox.now_s())
    counts = await sandbox.store.run(expenses.lane_counts)
    made = sandbox.world
    company = made.company
    return {
        "company": {
            "id": company.id,
            "name": company.name,
            "country": company.country,
            "currency": company.currency,
            "contraAccounts": made.contra_accounts,
        },
        "apiKey": company.api_key,
        "accessToken": company.access_token,
        "world": made.founding.kind,
        "seed": made.founding.seed,
        "profile": sandbox.profile,
        "now": instant_text(sandbox.now_s()),
        "counts": counts,
        "books": made.books,
    }


@router.get("/world")
async def read_world(sandbox: SandboxHere) -> Json:
    """Read the company, its credentials, the lanes' counts and what its accounting system holds."""
    return await _world_json(sandbox)


@router.post("/worlds")
async def found_world(sandbox: SandboxHere, new: NewWorld) -> Json:
    """Replace everything, clock, faults and journal included, with a new world."""
    founding = Founding(new.world, new.items, new.seed, new.troubles, new.contra_accounts)
    await sandbox.found(founding)
    return await _world_json(sandbox)


@router.post("/reset")
async def reset(sandbox: SandboxHere) -> Json:
    """Replace everything with the same world as new."""
    await sandbox.found(sandbox.world.founding)
    return await _world_json(sandbox)


@router.patch("/world")
async def change_company(sandbox: SandboxHere, switches: CompanySwitches) -> Json:
    """Let the company have its contra accounts mapped, or not."""
    await sandbox.map_contra_accounts(mapped=switches.contra_accounts)
    return await _world_json(sandbox)


@router.post(
    "/expenses",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
        }
    },
)
async def add_expenses(request: Request, sandbox: SandboxHere) -> Json:
    """Add expenses: export items in part, or `{"raw": true, "document": ..., "entryId": ...}`, served as written."""
    text = _decoded(await body_text(request, CONTROL_BYTES_MAX))
    new = [_new_expense(value, source) for value, source in exact_json.elements(text)]
    return {"ids": await sandbox.store.run(expenses.add_expenses, sandbox.world, new)}


def _new_expense(value: Any, source: str) -> NewExpense:
    if not isinstance(value, dict):
        raise bad_request('An expense is a JSON object; anything else goes in as {"raw": true, "document": ...}.')
    if value.get("raw") is not True:
        entry_id = value.get("accountingEntryId")
        if entry_id is not None and _uuid_or_none(entry_id) is None:
            raise bad_request(f"accountingEntryId {entry_id!r} is no UUID; a raw document may have any.")
        return NewExpense(value, _uuid_or_none(entry_id))
    if "document" not in value:
        raise bad_request('A raw expense needs a "document".')
    document = value["document"]
    named = document.get("accountingEntryId") if isinstance(document, dict) else None
    return NewExpense(document, _uuid_or_none(value.get("entryId", named)), exact_json.member(source, "document"))


def _uuid_or_none(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and re.fullmatch(UUID_PATTERN, value) else None


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise bad_request(f"The body is not UTF-8: {error}") from error


@router.get("/expenses")
async def list_expenses(
    sandbox: SandboxHere,
    lane: Annotated[Lane | None, Query()] = None,
    after: After = 0,
    limit: Limit = 100,
    documents: Annotated[bool, Query()] = False,
) -> PleoResponse:
    """Read expenses with lane and latest outcome; `next` goes into `after`, and is null at the end."""
    await sandbox.store.run(jobs.unfinished_job, sandbox.now_s())
    found = await sandbox.store.run(expenses.list_expenses, lane, after, limit + 1, with_documents=documents)
    data = ",".join(_expense_text(state) for state in found[:limit])
    following = found[limit - 1].seq if len(found) > limit else None
    return PleoResponse(f'{{"data":[{data}],"next":{json_text(following)}}}')


@router.get("/expenses/{entryId}")
async def read_expense(sandbox: SandboxHere, entryId: UuidText) -> PleoResponse:  # noqa: N803 - as in the JSON
    """Read one expense with its document; links that lead back here stand as marks."""
    await sandbox.store.run(jobs.unfinished_job, sandbox.now_s())
    return PleoResponse(_expense_text(await sandbox.store.run(expenses.read_expense, entryId)))


def _expense_text(state: ExpenseState) -> str:
    known = {
        "id": state.entry_id,
        "lane": state.lane,
        "trouble": state.trouble,
        "mendNote": state.mend_note,
        "outcome": state.outcome,
    }
    document = "" if state.document is None else f',"document":{state.document}'
    return f"{json_text(known)[:-1]}{document}}}"


@router.patch(
    "/expenses/{entryId}",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/merge-patch+json": {"schema": {"type": "object"}},
                "application/json": {"schema": {"type": "object"}},
            },
        }
    },
)
async def patch_expense(request: Request, sandbox: SandboxHere, entryId: UuidText) -> PleoResponse:  # noqa: N803
    """Change an expense by a JSON merge patch (RFC 7396), as a bookkeeper edits it."""
    patch = exact_json.read(_decoded(await body_text(request, CONTROL_BYTES_MAX)))
    await sandbox.store.run(jobs.unfinished_job, sandbox.now_s())
    await sandbox.store.run(expenses.patch_expense, sandbox.world, sandbox.now_s(), entryId, patch)
    return PleoResponse(_expense_text(await sandbox.store.run(expenses.read_expense, entryId)))


@router.post("/mend")
async def mend(sandbox: SandboxHere) -> Json:
    """Apply every planned mend, as a bookkeeper would who reads the reasons."""
    await sandbox.store.run(jobs.unfinished_job, sandbox.now_s())
    mended = await sandbox.store.run(expenses.mend_expenses, sandbox.world, sandbox.now_s())
    return {"mended": [{"id": entry_id, "what": what} for entry_id, what in mended]}


@router.post("/queue")
async def move_to_lane(sandbox: SandboxHere, move: Annotated[LaneMove | None, Body()] = None) -> Json:
    """Move expenses into the export queue, or back."""
    wanted = move or LaneMove()
    await sandbox.store.run(jobs.unfinished_job, sandbox.now_s())
    return {"moved": await sandbox.store.run(expenses.move_to_lane, wanted.entry_ids, wanted.lane)}


@router.post("/exports", status_code=201, responses={201: {"model": ExportJobV3}})
async def press_export(sandbox: SandboxHere, export: Annotated[Export | None, Body()] = None) -> PleoResponse:
    """Press Export: creates a pending job by the rules of POST /v3/export-jobs, as a user in the web app does."""
    wanted = export or Export()

    def press(db: Any) -> jobs.Job:
        jobs.unfinished_job(db, sandbox.now_s())
        chosen = wanted.entry_ids
        if chosen is None:
            chosen = jobs.entries_to_export(db, only_failed=wanted.only_failed)
        new = NewJob(chosen, vendor_based=wanted.vendor_based_bookkeeping)
        return jobs.create_job(db, sandbox.world, sandbox.now_s(), new)

    job = await sandbox.store.run(press)
    sandbox.courier.wake()
    return PleoResponse(json_text(job_json(job, sandbox.profile)), 201)


@router.get("/jobs")
async def list_jobs(sandbox: SandboxHere, after: After = 0, limit: Limit = 100) -> Json:
    """Read all jobs, oldest first; `next` goes into `after`, and is null at the end."""
    found = await sandbox.store.run(jobs.all_jobs, sandbox.now_s(), after, limit + 1)
    data = [job_json(job, sandbox.profile) for job in found[:limit]]
    return {"data": data, "next": found[limit - 1].number if len(found) > limit else None}


@router.post("/jobs/{jobId}/cancel", responses={200: {"model": ExportJobV3}})
async def cancel_job(sandbox: SandboxHere, jobId: UuidText) -> PleoResponse:  # noqa: N803 - Pleo's name
    """Cancel a running job, as a user does in the web app."""
    job = await sandbox.store.run(jobs.cancel_job, sandbox.now_s(), jobId)
    return PleoResponse(json_text(job_json(job, sandbox.profile)))
