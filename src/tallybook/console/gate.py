"""The gate: every request passes it, and no page has to think of safety by itself.

It knows who is asking, turns strangers to the login page, reads posted forms, and believes only those that came from a
page of ours. Without a password the console is for this machine alone: then a name that is not this machine's (DNS
rebinding), or a sign that a proxy passes others on, is refused.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallybook import pages
from tallybook.console.desk import Desk
from tallybook.console.sessions import Sessions
from tallybook.console.visitor import AT_THIS_MACHINE, COOKIE, FORM_FIELD, Visitor, fresh_token, token_of
from tallybook.listening.server import is_loopback
from tallybook.store.errors import StoreError

LOGIN_PATH: Final = "/login"
FORM_BYTES_MAX: Final = 64 * 1024
FORM_WITHIN_S: Final = 10.0
_FIELDS_MAX: Final = 200
_PASSED_ON: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class Gate:
    """The console's pages behind their gate, as an ASGI app."""

    def __init__(self, app: ASGIApp, *, desk: Desk, sessions: Sessions | None, routes: Sequence[BaseRoute]) -> None:
        self._app, self._desk, self._sessions, self._routes = app, desk, sessions, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        request = Request(scope, receive)
        token = token_of(request)
        visitor = Visitor(token or fresh_token(), None)
        request.state.visitor = visitor
        try:
            answer = await self._let_in(request, visitor)
        except ClientDisconnect:
            return  # nobody is there to read it
        except StoreError as error:
            answer = self._desk.told(request, 503, f"{error}; try again in a moment.")

        async def with_cookie(message: Message) -> None:
            if token is None and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"set-cookie", cookie(request, visitor.token).encode())]
            await send(message)

        await (answer or self._app)(scope, _read_already if scope["method"] == "POST" else receive, with_cookie)

    async def _let_in(self, request: Request, visitor: Visitor) -> Response | None:
        """Give the answer to a request that is not let in; None for one that is."""
        if refused := self._refused(request):
            return self._desk.told(request, *refused)
        if path_of(request).startswith(f"{pages.STATIC_PATH}/"):
            return None
        name = await self._sessions.name_of(visitor) if self._sessions else AT_THIS_MACHINE
        request.state.visitor = Visitor(visitor.token, name)
        if name is None and path_of(request) != LOGIN_PATH:
            return _to_login(request)
        return await self._read_form(request, visitor) if request.method == "POST" else None

    def _refused(self, request: Request) -> tuple[int, str] | None:
        """Say what is wrong with a request whoever sent it: the status, and a sentence."""
        if self._sessions is None and (why := _not_this_machine(request)):
            return 421, why
        if request.method not in {"GET", "HEAD", "POST"}:
            return 405, "The console only answers GET and POST."
        ours = any(route.matches(request.scope)[0] is not Match.NONE for route in self._routes)
        if request.method == "POST" and not ours:  # Pleo's notification, say, where none is heard
            return 404, "There is nothing at this address."
        return None

    async def _read_form(self, request: Request, visitor: Visitor) -> Response | None:
        """Read a posted form for the page; gives the answer to one that is not believed."""
        form = await _form(request)
        if isinstance(form, str):
            return self._desk.told(request, 413, form)
        if _from_elsewhere(request) or not visitor.believes(form.get(FORM_FIELD)):
            sentence = "This form did not come from a page of this console; open the page and try again."
            return self._desk.told(request, 403, sentence)
        request.state.form = form
        return None


def path_of(request: Request) -> str:
    """Give the path that the routes go by; an address put together from headers is the visitor's word."""
    path: str = request.scope["path"]
    return path


def cookie(request: Request, token: str) -> str:
    """Write the header that gives a browser its token, for as long as it is open.

    Lax, so that a link from a mail finds the visitor logged in: whatever changes anything is a form with a token.
    """
    secure = "https" in {request.url.scheme, request.headers.get("x-forwarded-proto")}
    return f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


def _not_this_machine(request: Request) -> str | None:
    if not is_loopback(_host(request.headers.get("host", ""))):
        return (
            "This console is for the machine it runs on: open it as http://127.0.0.1 or http://localhost, or set"
            " console.password_hash."
        )
    if any(name in request.headers for name in _PASSED_ON):
        return "This console is for the machine it runs on, not behind a proxy: set console.password_hash first."
    return None


def _from_elsewhere(request: Request) -> bool:
    """Whether the browser says that a page of another site sent it; one that says nothing is judged by its form."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site not in {"same-origin", "none"}
    try:
        return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    except ValueError:
        return True


def _host(given: str) -> str:
    try:
        return urlsplit(f"//{given}").hostname or ""
    except ValueError:
        return ""


async def _form(request: Request) -> Mapping[str, str] | str:
    """Read the fields of a form; text says what is wrong with it."""
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > FORM_BYTES_MAX:
                    return f"The form is larger than {FORM_BYTES_MAX} bytes."
    except TimeoutError:
        return f"The form did not arrive within {FORM_WITHIN_S:g} seconds."
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict"))
    except ValueError:  # no UTF-8, or more fields than any form of ours has
        return "The form cannot be read; open the page and try again."


def _to_login(request: Request) -> Response:
    if "hx-request" in request.headers:  # a part of a page that was left open: the page itself has to go
        return Response(status_code=401, headers={"HX-Redirect": LOGIN_PATH})
    wanted = path_of(request) + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{LOGIN_PATH}?next={quote(wanted)}" if request.method == "GET" else LOGIN_PATH, 303)


async def _read_already() -> Message:
    """Stand in for the rest of a request whose form was read: nothing more comes."""
    return {"type": "http.disconnect"}
