"""Logging in and out."""

from functools import partial
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tallybook.console.desk import Desk
from tallybook.console.gate import LOGIN_PATH, cookie
from tallybook.console.sessions import LoginRefused, Sessions
from tallybook.console.visitor import form_of, fresh_token, visitor_of
from tallybook.store.audit import Audit, Deed

NAME_LENGTH_MAX: Final = 60
log = structlog.get_logger()


def routes(desk: Desk, sessions: Sessions) -> list[Route]:
    """Give the routes; they are there only where a password is asked for."""
    return [
        Route(LOGIN_PATH, partial(_show, desk)),
        Route(LOGIN_PATH, partial(_log_in, desk, sessions), methods=["POST"]),
        Route("/logout", partial(_log_out, desk, sessions), methods=["POST"]),
    ]


async def _show(desk: Desk, request: Request) -> Response:
    if visitor_of(request).name is not None:
        return RedirectResponse("/", 303)
    return desk.render(request, "login.html", wrong="", name="", wanted=request.query_params.get("next", "/"))


async def _log_in(desk: Desk, sessions: Sessions, request: Request) -> Response:
    form = form_of(request)
    name, wanted = " ".join(form.get("name", "").split()), form.get("next", "/")
    address = request.client.host if request.client else ""
    try:
        _require_name(name)
        visitor = await sessions.log_in(name, form.get("password", ""), address)
    except LoginRefused as refused:
        log.warning("console_login_refused", status=refused.status, address=address)
        return desk.render(
            request, "login.html", status=refused.status, wrong=str(refused), name=name[:NAME_LENGTH_MAX], wanted=wanted
        )
    await Audit(desk.connections).begin(Deed(desk.clock.now(), name, "logged in", detail=address, result="done"))
    log.info("console_login", address=address)
    answer = RedirectResponse(_path_of_ours(wanted), 303)
    answer.headers.append("set-cookie", cookie(request, visitor.token))
    return answer


async def _log_out(desk: Desk, sessions: Sessions, request: Request) -> Response:
    visitor = visitor_of(request)
    await sessions.operators.dismiss(visitor.kept_as)
    await Audit(desk.connections).begin(Deed(desk.clock.now(), visitor.name or "", "logged out", result="done"))
    answer = RedirectResponse(LOGIN_PATH, 303)
    answer.headers.append("set-cookie", cookie(request, fresh_token()))
    return answer


def _require_name(name: str) -> None:
    if not name or len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise LoginRefused(f"Give your name, {NAME_LENGTH_MAX} letters at most.", 400)


def _path_of_ours(wanted: str) -> str:
    """Give a path to go on to after the login; the first page in place of anything that could lead elsewhere."""
    ours = wanted.startswith("/") and wanted[1:2] not in {"/", "\\"} and wanted.isprintable() and "\\" not in wanted
    return wanted if ours else "/"
