"""The settings as they are in force, and the check of everything an export depends on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallybook import app as composition
from tallybook.console.deeds import done
from tallybook.console.desk import Desk
from tallybook.console.visitor import visitor_of
from tallybook.errors import TallybookError
from tallybook.settings.in_force import SettingInForce, in_force
from tallybook.store.database import Database

PATH: Final = "/settings"
CHECK_PATH: Final = f"{PATH}/check"


@dataclass(slots=True)
class Check:
    """What `check` has found so far: for each company by name its parts, each with all that is wrong with it."""

    begun_at: datetime
    who: str | None
    companies: dict[str, list[tuple[str, Sequence[str]]]] = field(default_factory=dict)
    running: bool = True
    broken: str | None = None  # the sentence of what ended it early

    @property
    def news(self) -> int:
        """Grows with whatever there is to see."""
        return sum(1 + len(parts) for parts in self.companies.values()) + (not self.running)

    @property
    def wrong(self) -> int:
        """How many things are to be mended, as far as it got."""
        return sum(len(problems) for parts in self.companies.values() for _, problems in parts)

    @property
    def told(self) -> str:
        """What it came to, in a few words."""
        things = "1 thing is" if self.wrong == 1 else f"{self.wrong} things are"
        return f"{things} to be mended" if self.wrong else "everything is ready"


class Checks:
    """The newest check of this worker; while it runs there is no other: each asks Pleo and the books."""

    def __init__(self, desk: Desk) -> None:
        self.newest: Check | None = None
        self._desk = desk
        self._task: asyncio.Task[None] | None = None

    def begun(self, request: Request) -> asyncio.Task[None]:
        """Begin a check, with a row in the audit log, or join the one that runs.

        Repeat: while one runs nothing; then another check.
        """
        if self._task is None or self._task.done():
            self.newest = Check(self._desk.clock.now(), visitor_of(request).name)
            self._task = asyncio.create_task(self._run(request, self.newest))
        return self._task

    def seen_to_end(self) -> None:
        """Let a fault of ours that ended the check come out, once: nobody waited for it."""
        if self._task is not None and self._task.done() and self._task.exception() is not None:
            (task, self._task), self.newest = (self._task, None), None
            task.result()

    async def _run(self, request: Request, check: Check) -> None:
        try:
            what = "checked settings, Pleo and books"
            await done(self._desk, request, what, partial(self._try, check), told=lambda _: check.told)
        except TallybookError as error:
            check.broken = str(error)
        finally:
            check.running = False

    async def _try(self, check: Check) -> None:
        for settings in self._desk.settings:
            parts = check.companies.setdefault(self._desk.companies[settings.pleo.company_id.lower()], [])
            async for part in composition.check(settings, clock=self._desk.clock):
                parts.append(part)


def routes(desk: Desk) -> list[Route]:
    """Give the routes of the page and of the check."""
    checks = Checks(desk)
    return [
        Route(PATH, partial(_show, desk, checks)),
        Route(CHECK_PATH, partial(_begin_check, desk, checks), methods=["POST"]),
        Route(CHECK_PATH, partial(_show_check, desk, checks)),
    ]


async def _show(desk: Desk, checks: Checks, request: Request) -> Response:
    tables = {name: _in_force(desk, company_id) for company_id, name in desk.companies.items()}
    running = checks.newest if checks.newest is not None and checks.newest.running else None
    return desk.render(request, "settings.html", tables=tables, check=running)


def _in_force(desk: Desk, company_id: str) -> list[SettingInForce]:
    settings = desk.settings_of(company_id)
    if settings is None:
        return []
    shown = Database(settings.database.url).shown  # without a password
    return [
        replace(each, value=shown) if each.name == "database.url" else each
        for each in in_force(settings, desk.environment)
    ]


async def _begin_check(desk: Desk, checks: Checks, request: Request) -> Response:
    """Run `tallybook check` for every company: a page with scripts is shown it part by part, another one at its end.

    Repeat: as `Checks.begun`.
    """
    task = checks.begun(request)
    if "hx-request" in request.headers:
        return desk.render(request, "check.html", check=checks.newest)
    await asyncio.shield(task)  # also if whoever asked goes away
    return desk.back(CHECK_PATH)


async def _show_check(desk: Desk, checks: Checks, request: Request) -> Response:
    checks.seen_to_end()
    check = checks.newest
    if "hx-request" not in request.headers:
        return desk.render(request, "checked.html", check=check)
    if check is not None and request.query_params.get("seen") == str(check.news):
        return Response(status_code=204)  # nothing new: what stands there is not read out again
    return desk.render(request, "check.html", check=check)
