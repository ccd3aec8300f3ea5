"""Uncertain entries: what was attempted and what was found, and a person's word on whether they are in the books."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallybook import app as composition
from tallybook.accounting.entry import EntryKey
from tallybook.accounting.errors import AccountingError
from tallybook.console.deeds import done
from tallybook.console.desk import Desk
from tallybook.console.visitor import form_of
from tallybook.errors import SettingsError
from tallybook.history.history import History
from tallybook.postings.errors import NoPosting
from tallybook.postings.posting import JournalState, Posting
from tallybook.postings.searching import Search, search
from tallybook.postings.settling import settle
from tallybook.postings.writing import EntryWriter

PATH: Final = "/uncertain"
NUMBER_LENGTH_MAX: Final = 200  # as `tallybook uncertain settle` takes it
SHOWN_MAX: Final = 200  # per company; the others appear as these are settled
_SAID: Final = {
    "booked": "Noted: the entry is in the books. The next export that carries it links it under that number.",
    "not-booked": "Noted: the entry is not in the books. The next export that carries it records it.",
    "changed": "Somebody, or an export, has written about that entry meanwhile: nothing was noted. Look at it again.",
    "writing": "An export is writing that entry at this moment: nothing was noted. Look again when it has ended.",
    "ended": "That entry is not open any more: somebody has settled it, or an export has found it.",
    "no-number": f"Give the number the entry has in the books, {NUMBER_LENGTH_MAX} letters at most.",
    "not-looked": "Look into the books first, then tick the box: an entry that is there would be booked twice.",
}


def routes(desk: Desk) -> list[Route]:
    """Give the routes of the page, of the search, and of the two buttons."""
    one = f"{PATH}/{{company_id}}/{{entry_id}}"
    return [
        Route(PATH, partial(_show, desk)),
        Route(f"{one}/search", partial(_search, desk), methods=["POST"]),
        Route(f"{one}/booked", partial(_booked, desk), methods=["POST"]),
        Route(f"{one}/not-booked", partial(_not_booked, desk), methods=["POST"]),
    ]


async def _show(desk: Desk, request: Request) -> Response:
    return await _page(desk, request, {})


async def _page(desk: Desk, request: Request, searched: Mapping[EntryKey, Search]) -> Response:
    found = {
        company_id: await desk.journal.open_postings(company_id, limit=SHOWN_MAX + 1) for company_id in desk.companies
    }
    at_work: set[str] = set()
    for postings in found.values():
        at_work |= await _at_work(desk, postings)
    return desk.render(
        request,
        "uncertain.html",
        at_work=at_work,
        found={company_id: postings[:SHOWN_MAX] for company_id, postings in found.items()},
        more={company_id for company_id, postings in found.items() if len(postings) > SHOWN_MAX},
        cut_off=JournalState.INTENT,
        said=_SAID.get(request.query_params.get("said", "")),
        searched=searched,
        shown_max=SHOWN_MAX,
    )


async def _search(desk: Desk, request: Request) -> Response:
    """Show the page with what the books hold of one entry; nothing is written to them or to the journal.

    Repeat: searches again.
    """
    key = _key(desk, request)
    posting = (await desk.journal.read([key])).get(key)
    settings = desk.settings_of(key.company_id)
    if posting is None or settings is None or posting.state not in {JournalState.INTENT, JournalState.UNCERTAIN}:
        return desk.back(PATH, said="ended")

    async def look() -> Search:
        async with composition.onlooker(settings, clock=desk.clock) as company:
            writer = EntryWriter(company.books, desk.journal, company.books_name, posting.job_id, desk.clock)
            return (await search(writer, [posting]))[key]

    try:
        ids = {"company_id": key.company_id, "entry_id": key.entry_id}
        found = await done(desk, request, "searched the books for an entry", look, told=Search.told, **ids)
    except (AccountingError, SettingsError) as error:
        found = Search(inconclusive=f"The books could not be searched: {error}")
    return await _page(desk, request, {key: found})


async def _booked(desk: Desk, request: Request) -> Response:
    number = form_of(request).get("number", "").strip()
    if not number or not number.isprintable() or len(number) > NUMBER_LENGTH_MAX:
        return desk.back(PATH, said="no-number")
    return await _settle(desk, request, number, said="booked")


async def _not_booked(desk: Desk, request: Request) -> Response:
    if form_of(request).get("looked") != "yes":
        return desk.back(PATH, said="not-looked")
    return await _settle(desk, request, None, said="not-booked")


async def _settle(desk: Desk, request: Request, number: str | None, *, said: str) -> Response:
    """Settle what was shown, and no later version of it.

    Repeat: refused, the posting has changed.
    """
    key = _key(desk, request)
    try:
        version = int(form_of(request).get("version", ""))
    except ValueError:
        raise HTTPException(404) from None
    if await _at_work(desk, (await desk.journal.read([key])).values()):
        return desk.back(PATH, said="writing")
    try:
        await done(
            desk,
            request,
            "settled an entry",
            partial(settle, desk.journal, key, booked_as=number, seen_version=version),
            company_id=key.company_id,
            entry_id=key.entry_id,
            detail="not in the books" if number is None else f"in the books as {number}",
        )
    except NoPosting:
        return desk.back(PATH, said="changed")
    return desk.back(PATH, said=said)


def _key(desk: Desk, request: Request) -> EntryKey:
    """Read the entry of the address.

    Raises:
        HTTPException: it is no id, or the company is none of ours.
    """
    company_id = request.path_params["company_id"]
    try:
        entry_id = str(UUID(request.path_params["entry_id"]))
    except ValueError:
        raise HTTPException(404) from None
    if company_id not in desk.companies:
        raise HTTPException(404)
    return EntryKey(company_id, entry_id)


async def _at_work(desk: Desk, postings: Iterable[Posting]) -> set[str]:
    """Give the jobs that are writing some of these at this moment."""
    begun = {each.job_id for each in postings if each.state is JournalState.INTENT}
    return await History(desk.connections).at_work(begun, desk.clock.now())
