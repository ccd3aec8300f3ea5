"""Export jobs: how the running one is doing, all of them, one with its expenses, and its errors to review."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from tallybook.sandbox import expenses, jobs
from tallybook.sandbox.api.requests import SandboxHere
from tallybook.sandbox.errors import Refusal
from tallybook.sandbox.jobs import NewJob
from tallybook.sandbox.rules import Lane
from tallybook.sandbox.sandbox import Sandbox
from tallybook.sandbox.webapp import exports
from tallybook.sandbox.webapp.answers import back_to, page, read_form, wants_part
from tallybook.sandbox.webapp.lane_pages import LANE_NAMES, page_number

router = APIRouter(prefix="/jobs", include_in_schema=False)


@router.get("")
async def show_history(request: Request, sandbox: SandboxHere) -> Response:
    """Show all export jobs, newest first."""
    number = page_number(request.query_params.get("page", "1"))
    found, pages = await sandbox.store.run(exports.list_jobs, sandbox.world, sandbox.now_s(), number)
    return page(request, "jobs.html", jobs=found, page=min(number, pages), pages=pages)


@router.get("/newer")
async def show_newer(request: Request, sandbox: SandboxHere) -> Response:
    """Give a part with the last job when it is another than the one a page shows; nothing when it is not."""
    shown = await sandbox.store.run(exports.latest_job, sandbox.world, sandbox.now_s())
    if shown is None or str(shown.job.number) == request.query_params.get("than"):
        return Response(status_code=204)  # htmx leaves the page as it is
    return await _progress(request, sandbox, shown, on_lanes=True)


@router.get("/{job_id}")
async def show_job(request: Request, sandbox: SandboxHere, job_id: str) -> Response:
    """Show a job with what came of each of its expenses."""
    number = page_number(request.query_params.get("page", "1"))

    def read(db: Any) -> tuple[exports.JobShown, list[exports.ItemShown], int]:
        shown = exports.read_job(db, sandbox.world, sandbox.now_s(), job_id)
        items, pages, _ = exports.list_items(db, sandbox.world, shown.job, number)
        return shown, items, pages

    shown, items, pages = await sandbox.store.run(read)
    return page(request, "job.html", on_lanes=False, shown=shown, items=items, page=min(number, pages), pages=pages)


@router.get("/{job_id}/progress")
async def show_progress(request: Request, sandbox: SandboxHere, job_id: str) -> Response:
    """Show how far a job is, for htmx to put in place; when it has ended the lanes on the page learn of it."""
    try:
        shown = await sandbox.store.run(exports.read_job, sandbox.world, sandbox.now_s(), job_id)
    except Refusal:
        if not wants_part(request):
            raise
        return Response(headers={"HX-Refresh": "true"})  # a world was founded anew under an open page
    return await _progress(request, sandbox, shown, on_lanes="counts" in request.query_params)


async def _progress(request: Request, sandbox: Sandbox, shown: exports.JobShown, *, on_lanes: bool) -> Response:
    counts = await sandbox.store.run(expenses.lane_counts)
    answer = page(
        request,
        "_progress.html",
        on_lanes=on_lanes,
        shown=shown,
        counts=counts,
        lane_names=LANE_NAMES,
    )
    if shown.ended:
        answer.headers["HX-Trigger"] = "export-ended"
    return answer


@router.get("/{job_id}/errors")
async def review_errors(request: Request, sandbox: SandboxHere, job_id: str) -> Response:
    """Show what was not exported and why, once the job has ended."""
    number = page_number(request.query_params.get("page", "1"))

    def read(db: Any) -> tuple[exports.JobShown, list[exports.ItemShown], int, int, list[str]]:
        shown = exports.read_job(db, sandbox.world, sandbox.now_s(), job_id)
        if not shown.ended:
            raise Refusal(409, "EXPORT_NOT_ENDED", "This export is still running; its errors are shown when it ends.")
        items, pages, total = exports.list_items(db, sandbox.world, shown.job, number, only_unexported=True)
        return shown, items, pages, total, exports.to_export_again(db, shown.job)

    shown, items, pages, total, again = await sandbox.store.run(read)
    return page(
        request,
        "errors.html",
        shown=shown,
        items=items,
        page=min(number, pages),
        pages=pages,
        total=total,
        again=set(again),
        lane_names=LANE_NAMES,
        unexported=Lane.UNEXPORTED,
    )


@router.post("/{job_id}/export-again")
async def export_again(request: Request, sandbox: SandboxHere, job_id: str) -> Response:
    """Export again what an ended job did not export: those selected, or all of them; a new job does it."""
    form = await read_form(request)

    def press(db: Any) -> bool:
        now_s = sandbox.now_s()
        before = jobs.find_job(db, now_s, job_id)
        free = exports.to_export_again(db, before)
        chosen = free if form.text("what") == "all" else form.entries()
        if locked := set(chosen) - set(free):
            raise Refusal(409, "EXPENSE_LOCKED", f"Expense {min(locked)} is no longer waiting to be exported again.")
        if not chosen:
            return False
        person = sandbox.world.company.bookkeeper.id
        jobs.create_job(db, sandbox.world, now_s, NewJob(chosen, created_by=person, vendor_based=before.vendor_based))
        return True

    if not await sandbox.store.run(press):
        return back_to(f"/jobs/{job_id}/errors", said="nothing")
    sandbox.courier.wake()
    return back_to("/", lane=Lane.QUEUE)


@router.post("/{job_id}/cancel")
async def cancel(request: Request, sandbox: SandboxHere, job_id: str) -> Response:  # noqa: ARG001 - all actions alike
    """Cancel a running job: its expenses go back to where they can be changed."""
    await sandbox.store.run(jobs.cancel_job, sandbox.now_s(), job_id)
    return back_to("/", lane=Lane.UNEXPORTED, said="cancelled")
