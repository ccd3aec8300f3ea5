"""The tie-out of a job, as a page, as CSV and on paper; and the plan of a job that waits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tallybook import app as composition
from tallybook import tie_out as core
from tallybook.console.desk import Desk
from tallybook.dry_run import Fate, NothingToPlan, PlannedItem, plan_job
from tallybook.history.history import History
from tallybook.money import decimal_text
from tallybook.pleo.errors import PleoNotFound
from tallybook.pleo.models import ExportJob
from tallybook.steps.step1_detect_and_start import ELIGIBLE
from tallybook.workflow import Company

PATH: Final = "/tie-out"
PLAN_PATH: Final = "/plan"
JOBS_SHOWN: Final = 30
SHOWN_MAX: Final = 500  # differences, and items of a plan; the CSV and the command have them all
FATES: Final = {
    Fate.RECORD: ("to record", "good"),
    Fate.CORRECT: ("to correct", "warn"),
    Fate.LINK: ("in the books already", "soft"),
    Fate.REFUSE: ("refused", "bad"),
}


def routes(desk: Desk) -> list[Route]:
    """Give the routes: the choice of a job, its tie-out as page and as CSV, and the plan of one that has not ended."""
    return [
        Route(PATH, partial(_choose, desk)),
        Route(f"{PATH}/{{job_id}}", partial(_show, desk)),
        Route(f"{PATH}/{{job_id}}/csv", partial(_csv, desk)),
        Route(f"{PLAN_PATH}/{{job_id}}", partial(_plan, desk)),
    ]


async def _choose(desk: Desk, request: Request) -> Response:
    if wanted := request.query_params.get("job", "").strip():
        try:
            return RedirectResponse(f"{PATH}/{UUID(wanted)}", 303)
        except ValueError:
            return desk.told(
                request, 404, "That is no id of an export job; copy it from Pleo or from the list of jobs."
            )
    jobs = await History(desk.connections).jobs(limit=JOBS_SHOWN)
    return desk.render(request, "tie_out_of.html", jobs=jobs)


async def _show(desk: Desk, request: Request) -> Response:
    async with _at_hand(desk, request) as (company, job):
        if job.status in ELIGIBLE:
            return RedirectResponse(f"{PLAN_PATH}/{job.id}", 303)
        found = await core.tie_out(company, job.id)
    return desk.render(
        request,
        "tie_out.html",
        found=found,
        differences=found.differences[:SHOWN_MAX],
        remarks=found.remarks[:SHOWN_MAX],
        shown_max=SHOWN_MAX,
        sentences=core.sentences(found),
    )


async def _csv(desk: Desk, request: Request) -> Response:
    async with _at_hand(desk, request) as (company, job):
        found = await core.tie_out(company, job.id)
    return Response(
        core.csv_text(found),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="tie-out-{job.id}.csv"'},
    )


async def _plan(desk: Desk, request: Request) -> Response:
    items: list[PlannedItem] = []

    def keep(item: PlannedItem) -> None:
        if len(items) < SHOWN_MAX:
            items.append(item)

    async with _at_hand(desk, request) as (company, job):
        try:
            plan = await plan_job(company, job.id, planned=keep)
        except NothingToPlan:
            return RedirectResponse(f"{PATH}/{job.id}", 303)
    return desk.render(
        request,
        "plan.html",
        plan=plan,
        items=items,
        unshown=sum(plan.fates.values()) - len(items),
        fates=FATES,
        amount=decimal_text,
    )


@asynccontextmanager
async def _at_hand(desk: Desk, request: Request) -> AsyncIterator[tuple[Company, ExportJob]]:
    """Open the company that a job is of, only to look, with the job as Pleo has it; 404 if it is none of ours."""
    try:
        job_id = str(UUID(request.path_params["job_id"]))
    except ValueError:
        raise HTTPException(404) from None
    known = await History(desk.connections).job(job_id)
    likely = None if known is None else desk.settings_of(known.company_id)
    for settings in [likely] if likely is not None else desk.settings:
        async with composition.onlooker(settings, clock=desk.clock) as company:
            try:
                job = await company.pleo.job(job_id)
            except PleoNotFound:
                continue
            if job.company_id == company.company_id:
                yield company, job
                return
    raise HTTPException(404)
