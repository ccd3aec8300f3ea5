"""How a page is answered: templates with what they all need, forms read with limits, refusals as pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tallybook.pages import SAFETY_HEADERS, STATIC_PATH, templates
from tallybook.sandbox.api.requests import sandbox_of
from tallybook.sandbox.api.schemas import UUID_PATTERN
from tallybook.sandbox.api.wire import PleoResponse, json_text
from tallybook.sandbox.errors import Refusal, bad_request
from tallybook.sandbox.webapp import words

FORM_BYTES_MAX: Final = 4 * 1024 * 1024
_FORM_FIELDS_MAX: Final = 50_000
_FORM: Final = "application/x-www-form-urlencoded"
_API: Final = ("/v3", "/v1", "/_sandbox", "/oauth", "/files", "/openapi.json")
_GUARDED_API: Final = "/_sandbox"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# What a page says after a form was sent; the address carries the word on the left and a number, never a text.
_SAID: Final = {
    "queued": "{n} moved to the export queue.",
    "taken-back": "{n} taken back from the export queue.",
    "nothing": "Nothing was selected.",
    "mended": "The expense was changed.",
    "unchanged": "Nothing was changed: everything was as chosen already.",
    "cancelled": "The export was cancelled.",
}

_templates: Final = templates("tallybook.sandbox.webapp")
_templates.filters["named"] = words.named


def _instant(epoch_s: float | None) -> str:
    return "" if epoch_s is None else datetime.fromtimestamp(int(epoch_s), UTC).strftime("%Y-%m-%d %H:%M UTC")


_templates.filters["instant"] = _instant


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Answer with a template."""
    company = sandbox_of(request).world.company
    shared = {
        "static": STATIC_PATH,
        "company": company.name,
        "person": company.bookkeeper.name,
        "said": _said(request.query_params),
        "wants_part": wants_part(request),
    }
    text = _templates.get_template(name).render(shared | values)
    return HTMLResponse(text, status, headers=SAFETY_HEADERS)


def _said(query: Mapping[str, str]) -> str:
    said = _SAID.get(query.get("said", ""), "")
    count = query.get("n", "")
    number = int(count) if re.fullmatch(r"[0-9]{1,9}", count) else 0
    return said.format(n="1 expense was" if number == 1 else f"{number} expenses were")


def is_for_a_page(request: Request) -> bool:
    """Whether a request is for the pages: anything that is not Pleo's API, the files or the controls."""
    path = request.url.path
    return not any(path == prefix or path.startswith(f"{prefix}/") for prefix in _API)


def wants_part(request: Request) -> bool:
    """Whether htmx asks, which puts a part of a page into the page that is there."""
    # Going back in the browser, htmx asks for the whole page.
    return "hx-request" in request.headers and "hx-history-restore-request" not in request.headers


def refused(request: Request, refusal: Refusal) -> HTMLResponse:
    """Say on a page what was refused."""
    titles = {404: "There is no such page", 409: "That cannot be done now", 403: "That was refused"}
    title = titles.get(refusal.status, "That did not work")
    return page(request, "refused.html", refusal.status, title=title, message=refusal.message)


def back_to(path: str, fragment: str = "", **query: str) -> RedirectResponse:
    """Send the browser on with a GET, so that loading the page again repeats nothing."""
    address = f"{path}?{urlencode(query)}" if query else path
    return RedirectResponse(f"{address}#{fragment}" if fragment else address, 303, headers=SAFETY_HEADERS)


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was sent: every value of each name."""

    values: Mapping[str, list[str]]

    def text(self, name: str) -> str:
        """Give the last value of a name; empty when there is none."""
        return self.values.get(name, [""])[-1]

    def entries(self) -> list[str]:
        """Give the ids of the expenses that were selected.

        Raises:
            Refusal: 400, one is no id.
        """
        selected = self.values.get("entry", [])
        for entry_id in selected:
            if not re.fullmatch(UUID_PATTERN, entry_id):
                raise bad_request("An expense was named by something that is no id; go back and select it again.")
        return [entry_id.lower() for entry_id in selected]


async def read_form(request: Request) -> Form:
    """Read a form.

    Raises:
        Refusal: 400, it cannot be read; 413, larger than FORM_BYTES_MAX; 415, it is no form.
    """
    if request.headers.get("content-type", _FORM).partition(";")[0].strip().lower() != _FORM:
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", f"A form is sent as {_FORM}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise Refusal(413, "CONTENT_TOO_LARGE", f"The form is larger than {FORM_BYTES_MAX} bytes.")
    try:
        return Form(parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_FORM_FIELDS_MAX))
    except ValueError as error:
        raise bad_request("The form cannot be read; go back and send it again.") from error


class OwnPagesOnly:
    """ASGI middleware that refuses what changes something and was sent by another site's page in a browser.

    A browser says where a request comes from, in `Sec-Fetch-Site` or `Origin`; a program says neither and passes.
    Pleo's API is left alone: it asks for credentials, which no other site has.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request pass, or answer it with a 403."""
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS:
            request = Request(scope)
            to_page = is_for_a_page(request)
            guarded = to_page or request.url.path.startswith(_GUARDED_API)
            if guarded and _is_from_another_site(request):
                message = "This came from another site's page; use the sandbox's own pages."
                text = json_text({"type": "ACCESS_DENIED", "message": message})
                refusal = refused(request, Refusal(403, "ACCESS_DENIED", message)) if to_page else None
                await (refusal or PleoResponse(text, 403))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_from_another_site(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}  # none: the person themselves, by the address bar
    origin = request.headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    except ValueError:
        return True
