"""The jobs: a live list with charts, and a page for each with its steps, calls, items, and the final event as sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallybook.console import charts
from tallybook.console.desk import Desk, amount
from tallybook.history.history import History
from tallybook.history.job import PAGED, STEPS, Item, Job, State, Step

PATH: Final = "/jobs"
JOBS_SHOWN: Final = 30
ITEMS_SHOWN: Final = 50
CALLS_SHOWN: Final = 100
_DAYS_CHARTED: Final = 30
_SKIPPED_MAX: Final = 1_000_000
# How each state is called, and the class it is drawn in.
STATES: Final[Mapping[State, tuple[str, str]]] = {
    State.WAITING: ("Waiting", "soft"),
    State.RUNNING: ("Running", "act"),
    State.INTERRUPTED: ("Interrupted, goes on", "warn"),
    State.COMPLETED: ("Completed", "good"),
    State.COMPLETED_WITH_ERRORS: ("Completed with errors", "warn"),
    State.FAILED: ("Failed", "bad"),
    State.ENDED_ELSEWHERE: ("Ended without us", "bad"),
}
# What each call asks, in words; one without any is shown by its name.
ASKED: Final[Mapping[str, str]] = {
    "job": "read the job",
    "list_job_items": "list the job's items and their results",
    "list_export_items": "read what the items say",
    "update_items": "report results of items",
    "send_event": "send the job's event",
    "check_ready": "can a job be recorded?",
    "reference_data": "read accounts, tax codes, tags, vendors, periods",
    "find": "search for entries",
    "record": "record entries",
    "attach": "store receipts with their entries",
    "post": "post entries",
    "reverse": "record reversals",
    "settle": "let entries be handed over",
    "finish": "hand entries over",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A job and what is reckoned of it for the page; `left` until Pleo lets it expire."""

    job: Job
    word: str
    kind: str
    step: str
    left: str
    speed: str
    took: str
    silent: bool


@dataclass(frozen=True, slots=True)
class StepShown:
    """One of the seven steps; `standing` says whether it is done, at work, or not reached."""

    number: int
    name: str
    standing: str
    step: Step | None
    took: str


def routes(desk: Desk) -> list[Route]:
    """Give the routes of the list and of the page of a job, and of the parts of them that are asked for again."""
    return [
        Route(PATH, partial(_list, desk, "jobs.html")),
        Route(f"{PATH}/rows", partial(_list, desk, "job_rows.html")),
        Route(f"{PATH}/charts", partial(_charts, desk)),
        Route(f"{PATH}/{{job_id}}", partial(_job, desk)),
        Route(f"{PATH}/{{job_id}}/standing", partial(_standing, desk)),
        Route(f"{PATH}/{{job_id}}/calls", partial(_calls, desk)),
    ]


async def _list(desk: Desk, template: str, request: Request) -> Response:
    history, now = History(desk.connections), desk.clock.now()
    company_id, state = _company(desk, request), _state(request)
    before = _before(request)
    found = await history.jobs(company_id=company_id, state=state, before=before, limit=JOBS_SHOWN + 1)
    shown, more = found[:JOBS_SHOWN], found[JOBS_SHOWN:]
    chosen = {"company": company_id, "state": state and state.value}
    values: dict[str, Any] = {
        "jobs": [_shown(job, now) for job in shown],
        "query": _query(**chosen, before=request.query_params.get("before") if before else None),
        "older": _query(**chosen, before=_mark(shown[-1])) if more else None,
        "newest": before is None,
        "company_id": company_id,
        "state": state,
        "states": STATES,
    }
    if template == "jobs.html":
        values |= await _charted(history, now, company_id)
    return desk.render(request, template, **values)


async def _charts(desk: Desk, request: Request) -> Response:
    """Draw the charts anew; 204 as long as they would show what the page shows, so that an open table stays open."""
    values = await _charted(History(desk.connections), desk.clock.now(), _company(desk, request))
    if request.query_params.get("seen") == values["seen"]:
        return Response(status_code=204)
    return desk.render(request, "job_charts.html", **values)


async def _charted(history: History, now: datetime, company_id: str | None) -> dict[str, Any]:
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=_DAYS_CHARTED - 1)
    days = await history.outcomes(since, company_id=company_id)
    seen = f"{now.date()} {sum(sum(day.ended.values()) for day in days)}"
    return {
        "outcomes": charts.outcomes(days, since.date(), now.date()),
        "durations": charts.durations(days, since.date(), now.date()),
        "parts": charts.PARTS,
        "seconds": _seconds,
        "seen": seen,
        "charted": _query(company=company_id, seen=seen),
    }


async def _job(desk: Desk, request: Request) -> Response:
    history, job = await _known(desk, request)
    failed = {"failed": True, "booked": False}.get(request.query_params.get("items", ""))
    after = request.query_params.get("after") or None
    items = await history.items(job.job_id, failed=failed, after=after, limit=ITEMS_SHOWN + 1)
    shown, more = items[:ITEMS_SHOWN], items[ITEMS_SHOWN:]
    _, listed = await history.listed(job.job_id)
    chosen = {"items": request.query_params["items"]} if failed is not None else {}
    return desk.render(
        request,
        "job.html",
        **await _standing_values(desk, history, job),
        items=[(item, _total(item), _documents(item)) for item in shown],
        unlisted=max(job.done - listed, 0),
        only=chosen.get("items"),
        after=after,
        next_items=_query(**chosen, after=shown[-1].entry_id) if more else None,
        event=_event(desk, job),
    )


async def _standing(desk: Desk, request: Request) -> Response:
    history, job = await _known(desk, request)
    answer = desk.render(request, "job_standing.html", **await _standing_values(desk, history, job))
    if not job.is_open:  # the page that asks was written before the end: its items and its final event are there now
        answer.headers["HX-Refresh"] = "true"
    return answer


async def _calls(desk: Desk, request: Request) -> Response:
    history, job = await _known(desk, request)
    given = request.query_params.get("skip", "0")
    skip = min(int(given[:9]), _SKIPPED_MAX) if given.isascii() and given.isdigit() else 0
    calls = await history.calls(job.job_id, limit=CALLS_SHOWN + 1, skip=skip)
    listed, _ = await history.listed(job.job_id)
    made = sum(step.calls for step in (await history.steps(job.job_id)).values())
    return desk.render(
        request,
        "job_calls.html",
        job=job,
        calls=calls[:CALLS_SHOWN],
        skip=skip,
        newer=max(skip - CALLS_SHOWN, 0) if skip else None,
        older=skip + CALLS_SHOWN if calls[CALLS_SHOWN:] else None,
        listed=listed,
        unlisted=max(made - listed, 0),
        steps=STEPS,
        asked=ASKED,
    )


async def _standing_values(desk: Desk, history: History, job: Job) -> dict[str, Any]:
    steps = await history.steps(job.job_id)
    return {
        "shown": _shown(job, desk.clock.now()),
        "job": job,
        "steps": [_step_shown(job, number, steps.get(number)) for number in STEPS],
        "calls_made": sum(step.calls for step in steps.values()),
    }


async def _known(desk: Desk, request: Request) -> tuple[History, Job]:
    """Find the job of the address.

    Raises:
        HTTPException: no job of that id is known.
    """
    history = History(desk.connections)
    job = await history.job(request.path_params["job_id"].replace("\0", ""))
    if job is None:
        raise HTTPException(404)
    return history, job


def _shown(job: Job, now: datetime) -> Shown:
    word, kind = STATES[job.state]
    silent = job.is_silent(now)
    rate, left = job.items_per_s, job.expires_at - now if job.is_open and job.expires_at else None
    name = STEPS.get(job.step, "")
    return Shown(
        job=job,
        word="Running, but silent" if silent else word,
        kind="warn" if silent else kind,
        step=f"{job.step} {name}" + (f", page {job.page}" if job.step in PAGED and job.page else "") if name else "",
        left="" if left is None else _seconds(left.total_seconds()) if left.total_seconds() > 0 else "time is up",
        speed="" if rate is None or job.state is not State.RUNNING or silent else f"{rate:.1f} items/s",
        took=_seconds(job.took.total_seconds()) if job.took else "",
        silent=silent,
    )


def _step_shown(job: Job, number: int, step: Step | None) -> StepShown:
    current = PAGED[-1] if job.step in PAGED else job.step
    at_work = job.state is State.RUNNING and (number in PAGED if job.step in PAGED else number == job.step)
    standing = "at work" if at_work else "done" if step is not None and number <= current else "not reached"
    took = "" if step is None else _seconds((step.ended_at - step.began_at).total_seconds())
    return StepShown(number, STEPS[number], standing, step, took)


def _seconds(seconds: float | None) -> str:
    """Write a length of time as people say it: to a tenth below ten seconds, in minutes from two of them on."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004


def _documents(item: Item) -> list[tuple[str, str, list[tuple[Any, str, str]]]]:
    """Give an item's documents with their lines, each with its amount on the debit or on the credit side."""
    return [
        (
            f"{document.kind.replace('_', ' ').capitalize()} of {document.posting_on}",
            document.currency,
            [
                (
                    line,
                    amount(line.amount_minor, document.currency) if line.amount_minor >= 0 else "",
                    amount(-line.amount_minor, document.currency) if line.amount_minor < 0 else "",
                )
                for line in document.lines
            ],
        )
        for document in item.documents
    ]


def _total(item: Item) -> tuple[str, str] | None:
    """Give what an item comes to, and in what currency: the debit side of its first document."""
    if not item.documents:
        return None
    document = item.documents[0]
    debit_minor = sum(line.amount_minor for line in document.lines if line.amount_minor > 0)
    return amount(debit_minor, document.currency), document.currency


def _event(desk: Desk, job: Job) -> str | None:
    """Write the final event as it was sent, under the id fields of today's settings, without its reason in words."""
    if job.event is None:
        return None
    settings = desk.settings_of(job.company_id)
    fields = settings.pleo.event_id_fields if settings else ("jobId", "exportJobId")
    body = dict.fromkeys(fields, job.job_id) | {"event": job.event}
    if job.reason is not None:
        body["failureReasonType"] = job.reason
    return json.dumps(body, indent=2)


def _company(desk: Desk, request: Request) -> str | None:
    asked = request.query_params.get("company", "").lower()
    return asked if asked in desk.companies else None


def _state(request: Request) -> State | None:
    asked = request.query_params.get("state", "")
    return State(asked) if asked in set(State) else None


def _mark(job: Job) -> str:
    return f"{job.first_seen_at.isoformat()} {job.job_id}"


def _before(request: Request) -> tuple[datetime, str] | None:
    seen_at, _, job_id = request.query_params.get("before", "").partition(" ")
    try:
        at = datetime.fromisoformat(seen_at)
    except ValueError:
        return None
    return (at, job_id.replace("\0", "")) if at.tzinfo else None


def _query(**chosen: str | None) -> str:
    given = {name: value for name, value in chosen.items() if value}
    return f"?{urlencode(given)}" if given else ""
