"""Accounts and tax codes of the books, and what settings and pending jobs name and the books do not have."""

from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Final, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tallybook import app as composition
from tallybook.accounting.system import Account, ReferenceData, TaxCode
from tallybook.console.desk import Desk
from tallybook.settings import Settings

PATH: Final = "/accounts"
SHOWN_MAX: Final = 300  # of accounts, and of tax codes
SOUGHT_LENGTH_MAX: Final = 200
_Coded = TypeVar("_Coded", Account, TaxCode)


def routes(desk: Desk) -> list[Route]:
    """Give the routes: the choice of a company, its accounts, and what they lack, which takes longer to find out."""
    return [
        Route(PATH, partial(_choose, desk)),
        Route(f"{PATH}/{{company_id}}", partial(_show, desk)),
        Route(f"{PATH}/{{company_id}}/lacking", partial(_lacking, desk)),
    ]


async def _choose(desk: Desk, request: Request) -> Response:
    companies = desk.companies
    if len(companies) == 1:
        return RedirectResponse(f"{PATH}/{next(iter(companies))}", 303)
    return desk.render(request, "accounts_of.html", companies=companies)


async def _show(desk: Desk, request: Request) -> Response:
    settings = _settings(desk, request)
    sought = request.query_params.get("sought", "").strip()[:SOUGHT_LENGTH_MAX]
    known = await _reference_data(settings)
    roles = {code: role for role, code in settings.accounts if code is not None}
    return desk.render(
        request,
        "accounts.html",
        company_id=request.path_params["company_id"],
        sought=sought,
        roles=roles,
        tells_accounts=known.accounts is not None,
        tells_tax_codes=known.tax_codes is not None,
        accounts=_found(known.accounts or (), sought),
        tax_codes=_found(known.tax_codes or (), sought),
        shown_max=SHOWN_MAX,
    )


async def _lacking(desk: Desk, request: Request) -> Response:
    settings = _settings(desk, request)
    parts = composition.check(settings, clock=desk.clock)  # it holds what is named against the books
    sentences = [f"{part}: {problem}" async for part, problems in parts for problem in problems]
    return desk.render(request, "lacking.html", company_id=request.path_params["company_id"], sentences=sentences)


async def _reference_data(settings: Settings) -> ReferenceData:
    """Read what the books know.

    Repeat: safe.
    Raises:
        AccountingError: the books cannot be read.
    """
    books = composition.open_books(settings)
    try:
        return await books.reference_data()
    finally:
        await books.aclose()


def _found(every: Iterable[_Coded], sought: str) -> list[_Coded]:
    """Give those whose code or name has what is sought, one more than is shown."""
    wanted = sought.casefold()
    fitting = (each for each in every if wanted in each.code.casefold() or wanted in each.name.casefold())
    return list(islice(fitting, SHOWN_MAX + 1))


def _settings(desk: Desk, request: Request) -> Settings:
    """Find the settings of the company of the address.

    Raises:
        HTTPException: it is none of ours.
    """
    if (settings := desk.settings_of(request.path_params["company_id"])) is None:
        raise HTTPException(404)
    return settings
