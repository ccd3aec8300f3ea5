"""Doing something for a visitor: written to the audit log before and after, so that nothing is done unseen."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from starlette.requests import Request

from tallybook.console.desk import Desk
from tallybook.console.visitor import visitor_of
from tallybook.store.audit import Audit, Deed

_Answer = TypeVar("_Answer")
log = structlog.get_logger()


async def done(
    desk: Desk,
    request: Request,
    action: str,
    deed: Callable[[], Awaitable[_Answer]],
    *,
    company_id: str | None = None,
    job_id: str | None = None,
    entry_id: str | None = None,
    detail: str | None = None,
    told: Callable[[_Answer], str] = lambda _: "done",
) -> _Answer:
    """Do it, with a row in the audit log: who, when, what, on what, and how it ended, as `told` says of its answer.

    Repeat: as the deed; another row.
    Raises:
        StoreError: the log cannot be written; then nothing was done.
        TallybookError: what the deed raises; the log has its class.
    """
    who = visitor_of(request).name or ""
    begun = Deed(desk.clock.now(), who, action, company_id, job_id, entry_id, detail)
    log.info("console_action", action=action, company_id=company_id, job_id=job_id, entry_id=entry_id)
    return await Audit(desk.connections).over(begun, deed, told)
