"""Controls of mending: what a bookkeeper changes in an unexported expense, and what was changed so far."""

import datetime as dt
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from tallybook.sandbox import jobs, mending
from tallybook.sandbox.api.controls import After, Control, Limit
from tallybook.sandbox.api.requests import SandboxHere
from tallybook.sandbox.api.schemas import UuidText
from tallybook.sandbox.api.wire import Json
from tallybook.sandbox.clock import instant_text
from tallybook.sandbox.mending import KEEP, Choice, LineMend, Mend

router = APIRouter(prefix="/_sandbox")


class LineMendAsked(Control):
    """A line by its position, from 1; a member left out stays as it is, null takes it away."""

    line: int = Field(ge=1)
    category: str | None = None
    tax_code: str | None = None
    tags: dict[str, str | None] = Field(default_factory=dict, description="Tag code by tag group code.")


class MendAsked(Control):
    """What to choose anew, by codes of the books; a member left out stays as it is, null takes it away."""

    lines: list[LineMendAsked] = Field(default_factory=list)
    vendor: str | None = None
    date: Annotated[dt.date | None, Field(description="A day, `2026-10-27`.")] = None


@router.post("/expenses/{entryId}/mend")
async def mend_expense(sandbox: SandboxHere, entryId: UuidText, asked: MendAsked) -> Json:  # noqa: N803 - Pleo's name
    """Change category, tax code, tags, vendor or date of an unexported expense, as a bookkeeper does."""
    mend = Mend(
        lines=[
            LineMend(line.line, _given(line, "category"), _given(line, "tax_code"), line.tags) for line in asked.lines
        ],
        vendor=_given(asked, "vendor"),
        dated_on=asked.date,
    )
    now_s = sandbox.now_s()
    await sandbox.store.run(jobs.unfinished_job, now_s)
    what = await sandbox.store.run(mending.mend_expense, sandbox.world, now_s, entryId, mend)
    return {"id": entryId, "what": what}


def _given(asked: Control, name: str) -> Choice:
    given: str | None = getattr(asked, name)
    return given if name in asked.model_fields_set else KEEP


@router.get("/mends")
async def list_mends(sandbox: SandboxHere, after: After = 0, limit: Limit = 100) -> Json:
    """Read every change that was made to an expense, oldest first; `next` goes into `after`, and is null at the end."""
    found = await sandbox.store.run(mending.list_mends, after, limit + 1)
    data = [{"id": done.entry_id, "at": instant_text(done.at), "what": done.what} for done in found[:limit]]
    return {"data": data, "next": found[limit - 1].n if len(found) > limit else None}
