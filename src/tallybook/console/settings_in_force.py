"""The settings as they are in force, and the check of everything an export depends on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallybook import app as composition
from tallybook.console.deeds import done
from tallybook.console.desk import Desk
from tallybook.settings.in_force import SettingInForce, in_force
from tallybook.store.database import Database

PATH: Final = "/settings"


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found for one company: each part by name, with all that is wrong with it."""

    company: str
    parts: Sequence[tuple[str, Sequence[str]]]


def routes(desk: Desk) -> list[Route]:
    """Give the routes of the page and of the check."""
    return [
        Route(PATH, partial(_show, desk)),
        Route(f"{PATH}/check", partial(_check, desk, asyncio.Lock()), methods=["POST"]),
    ]


async def _show(desk: Desk, request: Request) -> Response:
    tables = {name: _in_force(desk, company_id) for company_id, name in desk.companies.items()}
    return desk.render(request, "settings.html", tables=tables)


def _in_force(desk: Desk, company_id: str) -> list[SettingInForce]:
    settings = desk.settings_of(company_id)
    if settings is None:
        return []
    shown = Database(settings.database.url).shown  # without a password
    return [
        replace(each, value=shown) if each.name == "database.url" else each
        for each in in_force(settings, desk.environment)
    ]


async def _check(desk: Desk, turn: asyncio.Lock, request: Request) -> Response:
    """Run `tallybook check` for every company, one check at a time: each asks Pleo and the books.

    Repeat: checks again.
    """

    async def check() -> list[Checked]:
        return [
            Checked(desk.companies[each.pleo.company_id.lower()], await composition.check(each, clock=desk.clock))
            for each in desk.settings
        ]

    async with turn:
        found = await done(desk, request, "checked settings, Pleo and books", check)
    return desk.render(request, "checked.html", found=found)
