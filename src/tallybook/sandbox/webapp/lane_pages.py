"""The export page: three lanes, moving between them, the Export button, and how the export is going."""

import re
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from tallybook.sandbox import expenses, jobs
from tallybook.sandbox.api.requests import SandboxHere
from tallybook.sandbox.errors import Refusal, bad_request
from tallybook.sandbox.jobs import NewJob
from tallybook.sandbox.rules import Lane
from tallybook.sandbox.sandbox import Sandbox
from tallybook.sandbox.webapp import exports, lanes
from tallybook.sandbox.webapp.answers import Form, back_to, page, read_form, wants_part
from tallybook.sandbox.webapp.lanes import Sieve

router = APIRouter(include_in_schema=False)

LANE_NAMES: Final = {Lane.UNEXPORTED: "Unexported", Lane.QUEUE: "Export queue", Lane.EXPORTED: "Exported"}


def page_number(text: str) -> int:
    """Read which page is asked for; 1 for anything that is no number."""
    return max(1, int(text)) if re.fullmatch(r"[0-9]{1,7}", text) else 1


def _lane(text: str) -> Lane:
    try:
        return Lane(text or Lane.UNEXPORTED)
    except ValueError:
        raise Refusal(
            404, "NOT_FOUND", "There is no such lane; there are Unexported, Export queue, Exported."
        ) from None


@router.get("/")
async def show_lanes(request: Request, sandbox: SandboxHere) -> Response:
    """Show a lane, and the export that runs or ran last; to htmx the lane alone."""
    query = request.query_params
    values = await _lane_values(sandbox, _lane(query.get("lane", "")), Sieve.asked(query), query.get("page", "1"))
    values["selected"] = set(query.getlist("entry"))
    values["all_selected"] = query.get("select") == "all"
    if wants_part(request):
        return page(request, "_lane.html", **values)
    return page(request, "lanes.html", on_lanes=True, **values)


async def _lane_values(sandbox: Sandbox, lane: Lane, sieve: Sieve, number: str) -> dict[str, Any]:
    def read(db: Any) -> dict[str, Any]:
        running = jobs.unfinished_job(db, sandbox.now_s())
        latest = exports.latest_job(db, sandbox.world, sandbox.now_s())
        waiting = db.execute("SELECT count(*) FROM expenses WHERE lane = ? AND job IS NULL", (Lane.QUEUE,)).fetchone()
        return {
            "lane_page": lanes.read_lane(db, sandbox.world, lane, sieve, page_number(number)),
            "counts": expenses.lane_counts(db),
            "waiting": waiting[0],
            "running": running,
            "shown": latest,
            # As the last export was; a company that has vendors keeps its books by them.
            "vendor_based": latest.job.vendor_based if latest else True,
        }

    values = await sandbox.store.run(read)
    accounts = [account for account in sandbox.world.books["accounts"] if account["kind"] != "liability"]
    return values | {"lane": lane, "lane_names": LANE_NAMES, "sieve": sieve, "accounts": accounts}


@router.get("/export")
async def show_button(request: Request, sandbox: SandboxHere) -> Response:
    """Show the form with the button Export, as it is now; to htmx, when an export has ended."""
    if not wants_part(request):
        return back_to("/")
    return page(request, "_press.html", **await _lane_values(sandbox, Lane.QUEUE, Sieve(), "1"))


@router.post("/queue")
async def move(request: Request, sandbox: SandboxHere) -> Response:
    """Move expenses into the export queue, or back: those selected, or all that the lane shows."""
    form = await read_form(request)
    into = _lane(form.text("into"))  # not `to`: that is a day, which the same form carries
    if into is Lane.EXPORTED:
        raise bad_request("Expenses reach the lane Exported through an export only.")
    source = Lane.UNEXPORTED if into is Lane.QUEUE else Lane.QUEUE

    def moved(db: Any) -> int:
        jobs.unfinished_job(db, sandbox.now_s())
        return expenses.move_to_lane(db, _chosen(db, sandbox, source, form), into)

    count = await sandbox.store.run(moved)
    if not count:
        return back_to("/", lane=source, said="nothing")
    return back_to("/", lane=into, said="queued" if into is Lane.QUEUE else "taken-back", n=str(count))


def _chosen(db: Any, sandbox: Sandbox, lane: Lane, form: Form) -> list[str]:
    if form.text("what") != "shown":
        return form.entries()
    sieve = Sieve.asked({name: form.text(name) for name in ("from", "to", "category", "receipt", "text")})
    return lanes.entries_shown(db, sandbox.world, lane, sieve)


@router.post("/export")
async def press_export(request: Request, sandbox: SandboxHere) -> Response:
    """Press Export: the whole queue; or again, expenses that were exported, or failed to be, before."""
    form = await read_form(request)
    lane = _lane(form.text("lane") or Lane.QUEUE)

    def press(db: Any) -> bool:
        now_s = sandbox.now_s()
        jobs.unfinished_job(db, now_s)
        chosen = (
            lanes.entries_shown(db, sandbox.world, Lane.QUEUE, Sieve())
            if form.text("what") == "queue"
            else _chosen(db, sandbox, lane, form)
        )
        if not chosen:
            return False
        person = sandbox.world.company.bookkeeper.id
        jobs.create_job(
            db, sandbox.world, now_s, NewJob(chosen, created_by=person, vendor_based=bool(form.text("vendor_based")))
        )
        return True

    if not await sandbox.store.run(press):
        return back_to("/", lane=lane, said="nothing")
    sandbox.courier.wake()
    return back_to("/", lane=Lane.QUEUE)
