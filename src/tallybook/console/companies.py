"""The companies: how each stands with Pleo, and what can be done: look now, pause, resume, look for one job."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallybook.console.deeds import done
from tallybook.console.desk import Desk
from tallybook.console.visitor import form_of, visitor_of
from tallybook.engine.poll import Poller
from tallybook.pleo.errors import PleoNotFound
from tallybook.steps.step1_detect_and_start import ELIGIBLE
from tallybook.store.pauses import Pause, Pauses

PATH: Final = "/companies"
_LOOKS: Final = "Tallybook is asking Pleo now. What waits is exported next."
# What the page says after an action, by the word in its address: nobody's link can put other words here.
_SAID: Final[Mapping[str, str]] = {
    "looking": _LOOKS,
    "paused": "The company is paused. A job that was begun goes on to its end; no other is started.",
    "resumed": f"The company is resumed. {_LOOKS}",
    "job": "Pleo shows the job as not done. Tallybook has taken it up and exports it when its turn comes.",
    "held": (
        "Pleo shows the job as not begun. It waits until you resume the company; if it is not exported then, look for"
        " it again."
    ),
    "unknown": "Pleo knows no such job of this company. Copy the id from the address of the job in Pleo.",
    "no-id": "That is no job's id. It has 36 letters and digits, such as 3f0e8c1a-6d3b-4f60-9a53-1c6f0a7b2d11.",
    "closed": "Pleo has closed the job, and a closed job stays as it is. Export its expenses again in Pleo.",
}
# What the audit log has of a look for one job, by the same word.
_FOUND: Final[Mapping[str, str]] = {
    "job": "taken up",
    "held": "waits for the company",
    "unknown": "no such job of this company",
    "closed": "closed at Pleo",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one company stands; `heard_s` are the seconds since Pleo last answered, None when it never did."""

    company_id: str
    name: str
    every_s: float
    failing: str
    heard_s: int | None
    pause: Pause | None


def routes(desk: Desk) -> list[Route]:
    """Give the routes of the page and of its actions."""
    one = f"{PATH}/{{company_id}}"
    return [
        Route(PATH, partial(_show, desk)),
        Route(f"{one}/look", partial(_look, desk), methods=["POST"]),
        Route(f"{one}/pause", partial(_pause, desk), methods=["POST"]),
        Route(f"{one}/resume", partial(_resume, desk), methods=["POST"]),
        Route(f"{one}/job", partial(_look_for_job, desk), methods=["POST"]),
    ]


async def _show(desk: Desk, request: Request) -> Response:
    pauses = await Pauses(desk.connections).all()
    found = [
        Standing(
            company_id=each.company_id,
            name=desk.companies.get(each.company_id, each.company_id),
            every_s=each.every_s,
            failing=each.failing,
            heard_s=None if each.unanswered_s == float("inf") else int(each.unanswered_s),
            pause=pauses.get(each.company_id),
        )
        for each in desk.standing.pollers
    ]
    problems = await desk.standing.problems()
    said = _SAID.get(request.query_params.get("said", ""))
    return desk.render(request, "companies.html", companies=found, problems=problems, said=said)


async def _look(desk: Desk, request: Request) -> Response:
    poller = _poller(desk, request)

    async def look() -> None:
        poller.look_now()

    await done(desk, request, "looked for jobs", look, company_id=poller.company_id)
    return desk.back(PATH, said="looking")


async def _pause(desk: Desk, request: Request) -> Response:
    company_id = _poller(desk, request).company_id
    pause = Pause(desk.clock.now(), visitor_of(request).name or "")
    begin = partial(Pauses(desk.connections).begin, company_id, pause)
    await done(desk, request, "paused the company", begin, company_id=company_id)
    return desk.back(PATH, said="paused")


async def _resume(desk: Desk, request: Request) -> Response:
    poller = _poller(desk, request)
    end = partial(Pauses(desk.connections).end, poller.company_id)
    await done(desk, request, "resumed the company", end, company_id=poller.company_id)
    poller.look_now()
    return desk.back(PATH, said="resumed")


async def _look_for_job(desk: Desk, request: Request) -> Response:
    poller = _poller(desk, request)
    try:
        job_id = str(UUID(form_of(request).get("job_id", "").strip()))
    except ValueError:
        return desk.back(PATH, said="no-id")

    async def look() -> str:
        asked_at = desk.clock.now()
        try:
            job = await poller.pleo.job(job_id)
        except PleoNotFound:
            return "unknown"
        if job.company_id != poller.company_id:
            return "unknown"
        if job.status not in ELIGIBLE:
            return "closed"
        return "job" if await poller.take_up(job, asked_at=asked_at) else "held"

    ids = {"company_id": poller.company_id, "job_id": job_id}
    said = await done(desk, request, "looked for a job again", look, **ids, told=_FOUND.__getitem__)
    return desk.back(PATH, said=said)


def _poller(desk: Desk, request: Request) -> Poller:
    """Find who watches the company of the address.

    Raises:
        HTTPException: it is none of ours.
    """
    for poller in desk.standing.pollers:
        if poller.company_id == request.path_params["company_id"]:
            return poller
    raise HTTPException(404)
