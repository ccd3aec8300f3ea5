"""Where the browser comes back to: one address on this machine, open until the answer to our question arrives.

Source: RFC 8252 section 7.3 and 8.3: 127.0.0.1 and not localhost, any port, closed as soon as it has done its work.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tallybook.errors import SettingsError

HOST = "127.0.0.1"
_LINE_BYTES_MAX = 8192
_REQUEST_TIMEOUT_S, _LEAVE_WITHIN_S = 10.0, 1.0
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Tallybook</title>'
    "<style>body{{font:16px/1.5 sans-serif;max-width:32em;margin:4em auto}}</style><p>{text}</p></html>"
)
_DONE = "Tallybook has the answer. You can close this window; the terminal says how it went."
_ELSEWHERE = "Tallybook waits for an answer from Pleo; this is none."


@dataclass(slots=True)
class Listener:
    """Listens on this machine; `redirect_uri` is the address that leads here."""

    redirect_uri: str
    _path: str
    _state: str = ""
    _answered: asyncio.Future[str] | None = None

    async def answer(self, state: str, within_s: float) -> str:
        """Wait for the address the browser comes with; what does not carry `state` is not it.

        Raises:
            TimeoutError: nobody came in time.
        """
        self._state = state
        self._answered = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(within_s):
            return await self._answered

    def take(self, target: str) -> tuple[int, str]:
        """Look at one request's target: its answer's status and what to say."""
        parts = urlsplit(target)
        states = parse_qs(parts.query, max_num_fields=50).get("state", [""])
        if self._answered is None or parts.path != self._path or not self._state:
            return 404, _ELSEWHERE
        if len(states) != 1 or not hmac.compare_digest(states[0].encode(), self._state.encode()):
            return 400, _ELSEWHERE  # somebody else's page: it neither ends the wait nor counts as the answer
        if not self._answered.done():
            self._answered.set_result(f"{self.redirect_uri}?{parts.query}")
        return 200, _DONE


@asynccontextmanager
async def listening(redirect_uri: str) -> AsyncIterator[Listener]:
    """Listen where an address on this machine leads; one without a port gets any that is free.

    Repeat: refused where the address names a port, while the first one lasts.
    Raises:
        SettingsError: the address is not on this machine, or its port is taken.
    """
    parts = urlsplit(redirect_uri)
    port = None
    with suppress(ValueError):  # a port that no address can have
        port = parts.port or 0
    if parts.scheme != "http" or parts.hostname != HOST or port is None:
        raise SettingsError(
            [f"oauth.redirect_uri {redirect_uri} is not on this machine; log in with `tallybook login --paste`"]
        )

    callers: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = asyncio.current_task()
        if caller is not None:
            callers.add(caller)
            caller.add_done_callback(callers.discard)
        try:
            # A caller may be anybody on this machine: whatever it sends, the wait goes on.
            with suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                    request = await reader.readuntil(b"\r\n\r\n")
                    method, target, _ = request.split(b"\r\n", 1)[0].decode("ascii").split(" ")
                    status, text = listener.take(target) if method == "GET" else (405, _ELSEWHERE)
                    writer.write(_response(status, text))
                    await writer.drain()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    try:
        server = await asyncio.start_server(serve, HOST, port, limit=_LINE_BYTES_MAX)
    except OSError as error:
        raise SettingsError(
            [f"oauth.redirect_uri: port {port} cannot be listened on ({error.strerror}); name another"]
        ) from error
    port = server.sockets[0].getsockname()[1]
    listener = Listener(parts._replace(netloc=f"{HOST}:{port}").geturl(), parts.path or "/")
    try:
        yield listener
    finally:
        server.close()
        if callers:  # the browser gets its page; others are not waited for
            _, waiting = await asyncio.wait(callers, timeout=_LEAVE_WITHIN_S)
            for caller in waiting:
                caller.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        await server.wait_closed()


def _response(status: int, text: str) -> bytes:
    body = _PAGE.format(text=text).encode()
    head = (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'Refused'}\r\ncontent-type: text/html; charset=utf-8\r\n"  # noqa: PLR2004 - HTTP's own
        f"content-length: {len(body)}\r\ncontent-security-policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        "referrer-policy: no-referrer\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
