"""One expense: its lines, tax, tags and receipts, its export item as JSON, its way through jobs, and mending it."""

import asyncio
import re
from datetime import date
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from tallybook.pages import SAFETY_HEADERS
from tallybook.sandbox import expenses, jobs, mending, world
from tallybook.sandbox.api.requests import SandboxHere
from tallybook.sandbox.api.v3 import base_url
from tallybook.sandbox.errors import Refusal
from tallybook.sandbox.expenses import ExpenseState
from tallybook.sandbox.mending import KEEP, Choice, LineMend, Mend, MendDone
from tallybook.sandbox.rules import Lane
from tallybook.sandbox.sandbox import Sandbox
from tallybook.sandbox.webapp import documents_shown, exports
from tallybook.sandbox.webapp.answers import Form, back_to, page, read_form, wants_part
from tallybook.sandbox.webapp.lane_pages import LANE_NAMES

router = APIRouter(prefix="/expenses", include_in_schema=False)

_AS_IT_IS: Final = "keep"
_CHANGES_SHOWN_MAX: Final = 200
_LINE_FIELD: Final = re.compile(r"line-([0-9]{1,6})-(category|tax|tag-(.+))", re.DOTALL)
# A file of the sandbox is nobody's page: it may load nothing, run nothing, and is saved rather than shown.
_FILE_HEADERS: Final = SAFETY_HEADERS | {"Content-Security-Policy": "sandbox; default-src 'none'"}
_FILE_ENDINGS: Final = {"application/pdf": "pdf", "image/jpeg": "jpg"}


async def _read(sandbox: Sandbox, entry_id: str) -> tuple[ExpenseState, Any, list[exports.ItemShown], list[MendDone]]:
    """Read an expense, its document as JSON, its items in all jobs, and what was changed about it."""

    def read(db: Any) -> tuple[ExpenseState, Any, list[exports.ItemShown], list[MendDone]]:
        now_s = sandbox.now_s()
        jobs.unfinished_job(db, now_s)
        state = expenses.read_expense(db, entry_id)
        way = exports.way_through_jobs(db, sandbox.world, now_s, entry_id)
        document = documents_shown.whole(state.document or "", "", sandbox.world.links)
        return state, document, way, mending.list_mends(db, 0, _CHANGES_SHOWN_MAX, entry_id)

    return await sandbox.store.run(read)


@router.get("/{entry_id}")
async def show_expense(request: Request, sandbox: SandboxHere, entry_id: str) -> Response:
    """Show everything that is known of an expense."""
    state, document, way, mends = await _read(sandbox, entry_id)
    served = sandbox.world.links.fill(state.document or "", base_url(request), sandbox.now_s())
    return page(
        request,
        "expense.html",
        entry_id=state.entry_id,
        lane=state.lane,
        lane_name=LANE_NAMES[state.lane],
        can_be_mended=state.lane is Lane.UNEXPORTED,
        expense=documents_shown.of_document(document),
        raw=documents_shown.indented(served),
        way=way,
        mends=mends,
    )


@router.get("/{entry_id}/receipts/{position}")
async def send_receipt(request: Request, sandbox: SandboxHere, entry_id: str, position: int) -> Response:
    """Give a receipt: with `?preview` a small picture of it, else the file itself, to be saved."""
    document, file = await sandbox.store.run(expenses.find_receipt, sandbox.world, entry_id, position)
    preview = "preview" in request.query_params
    try:
        content = await asyncio.to_thread(world.preview if preview else world.receipt, document, position)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Refusal(404, "RECEIPT_NOT_DRAWABLE", f"The receipt cannot be drawn: {error}") from error
    if preview:
        return Response(content, media_type="image/jpeg", headers=_FILE_HEADERS)
    media_type = "image/jpeg" if file.get("type") == "image/jpeg" else "application/pdf"
    name = f"receipt-{position}.{_FILE_ENDINGS[media_type]}"
    headers = _FILE_HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


@router.get("/{entry_id}/mend")
async def show_mending(request: Request, sandbox: SandboxHere, entry_id: str) -> Response:
    """Show the form by which an unexported expense is changed; to htmx the form alone."""
    return await _mending_page(request, sandbox, entry_id, job_id=request.query_params.get("job", ""))


async def _mending_page(
    request: Request, sandbox: SandboxHere, entry_id: str, *, job_id: str, wrong: str = ""
) -> HTMLResponse:
    state, document, _, _ = await _read(sandbox, entry_id)
    if state.lane is not Lane.UNEXPORTED:
        raise Refusal(409, "EXPENSE_LOCKED", "This expense is in the export queue or exported, and so it is locked.")
    if job_id:
        await sandbox.store.run(jobs.find_job, sandbox.now_s(), job_id)
    return page(
        request,
        "_mend.html" if wants_part(request) else "mend.html",
        400 if wrong else 200,
        entry_id=state.entry_id,
        job_id=job_id,
        wrong=wrong,
        expense=documents_shown.of_document(document),
        books=sandbox.world.books,
    )


@router.post("/{entry_id}/mend")
async def mend(request: Request, sandbox: SandboxHere, entry_id: str) -> Response:
    """Change an expense as the form says, and go back to where the form was opened."""
    form = await read_form(request)
    job_id = form.text("job")
    try:
        wanted = _mend_of(form)
    except ValueError:
        wrong = "The date is no day of the calendar; write it as 2026-10-27."
        return await _mending_page(request, sandbox, entry_id, job_id=job_id, wrong=wrong)
    now_s = sandbox.now_s()
    await sandbox.store.run(jobs.unfinished_job, now_s)
    if job_id:
        await sandbox.store.run(jobs.find_job, now_s, job_id)  # it becomes part of an address
    what = await sandbox.store.run(mending.mend_expense, sandbox.world, now_s, entry_id, wanted)
    said = "mended" if what else "unchanged"
    if job_id:
        return back_to(f"/jobs/{job_id}/errors", f"expense-{entry_id}", said=said)
    return back_to(f"/expenses/{entry_id}", said=said)


def _mend_of(form: Form) -> Mend:
    """Read a mend from the form.

    Raises:
        ValueError: the date is none.
    """
    lines: dict[int, dict[str, Any]] = {}
    for name in form.values:
        field = _LINE_FIELD.fullmatch(name)
        if field is None:
            continue
        line = lines.setdefault(int(field[1]), {"tags": {}})
        chosen = _chosen(form.text(name))
        if field[3] is None:
            line["category" if field[2] == "category" else "tax_code"] = chosen
        elif chosen is not KEEP:
            line["tags"][field[3]] = chosen
    day = form.text("date")
    return Mend(
        lines=[LineMend(position, **changes) for position, changes in sorted(lines.items())],
        vendor=_chosen(form.text("vendor")) if "vendor" in form.values else KEEP,
        dated_on=date.fromisoformat(day) if day else None,
    )


def _chosen(value: str) -> Choice:
    if value == _AS_IT_IS:
        return KEEP
    return value or None
