"""The audit log as a page: who did what, and when."""

from functools import partial
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallybook.console.desk import Desk
from tallybook.store.audit import Audit

PAGE_LENGTH: Final = 100


def routes(desk: Desk) -> list[Route]:
    """Give the route of the page."""
    return [Route("/audit", partial(_show, desk))]


async def _show(desk: Desk, request: Request) -> Response:
    before = request.query_params.get("before")
    if before is not None and not (before.isascii() and before.isdecimal() and len(before) <= 9):  # noqa: PLR2004 - as long as an id can be
        raise HTTPException(404)
    found = await Audit(desk.connections).newest(PAGE_LENGTH + 1, before_id=None if before is None else int(before))
    shown = found[:PAGE_LENGTH]
    older = shown[-1].id if len(found) > PAGE_LENGTH else None
    return desk.render(request, "audit_log.html", deeds=shown, older=older)
