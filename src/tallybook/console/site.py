"""The console as a whole: its pages behind one gate, to be mounted beside the server's other paths."""

import traceback
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tallybook import pages
from tallybook.console import accounts, audit_log, companies, jobs, login, settings_in_force, tie_out, uncertain
from tallybook.console.desk import Desk
from tallybook.console.gate import Gate
from tallybook.console.sessions import Sessions, password_id
from tallybook.errors import TallybookError
from tallybook.store.operators import Operators
from tallybook.telemetry import logs

# Every module of pages has `routes(desk)`; its place in the navigation is in desk.py.
PAGES: Final = (jobs, companies, uncertain, tie_out, accounts, settings_in_force, audit_log)
log = structlog.get_logger()


def console(desk: Desk) -> Mount:
    """Give the console as one route, to be the last of all: it answers every path that nobody else does."""
    password, hours = desk.password_hash, desk.settings[0].console.session_hours
    sessions = None
    if password is not None:
        sessions = Sessions(Operators(desk.connections, password_id(password)), password, hours, desk.clock)
    routes: list[BaseRoute] = [pages.static_files(), Route("/", _first), Route("/alive", _alive)]
    for page in PAGES:
        routes += page.routes(desk)
    if sessions is not None:
        routes += login.routes(desk, sessions)
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=pages.with_safety_headers),
            Middleware(Gate, desk=desk, sessions=sessions, routes=routes),
        ],
        exception_handlers={
            HTTPException: lambda request, error: _not_there(desk, request, error),
            TallybookError: lambda request, error: _refused(desk, request, error),
            Exception: lambda request, error: _broken(desk, request, error),
        },
    )
    return Mount("/", app=app)


async def _first(_: Request) -> Response:
    return RedirectResponse("/jobs", 303)


async def _alive(_: Request) -> Response:
    """Answer a page that asks whether the server is still there."""
    return Response(status_code=204)


def _not_there(desk: Desk, request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 404:  # noqa: PLR2004 - not found
        return desk.told(request, status, "There is no such page, or what it was about is not known here.")
    return desk.told(request, status, "This address does not answer that; go back and use the page's own buttons.")


def _refused(desk: Desk, request: Request, error: Exception) -> Response:
    log.warning("console_refused", path=request.url.path, why=logs.told(error))
    return desk.told(request, 503, str(error))


def _broken(desk: Desk, request: Request, error: Exception) -> Response:
    where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-4:]]
    log.error("console_broken", path=request.url.path, error=type(error).__name__, where=where)  # never its text
    sentence = f"The console stopped at a fault of its own ({type(error).__name__}). Please report this sentence."
    answer = desk.told(request, 500, sentence)
    answer.headers.update(pages.SAFETY_HEADERS)  # this answer leaves past the middleware
    return answer
