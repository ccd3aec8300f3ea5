"""What lies between the wire and the API: the delay, the faults on order, and the journal of it all.

Plain ASGI, since a connection that is reset or an answer cut in half is below what a web framework can say.
"""

import asyncio
import http
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallybook.sandbox.api.operations import Operation, operation_of
from tallybook.sandbox.api.wire import PleoResponse, json_text
from tallybook.sandbox.faults import Fault, FaultKind, Phase
from tallybook.sandbox.journal import BODY_BYTES_HEARD
from tallybook.sandbox.sandbox import Sandbox

# The server puts a function under this name into the scope: (reset: bool) -> None, ends the connection at once.
HANG_UP: Final = "tallybook.hang_up"

_WEB_PAGE: Final = b"<!doctype html><title>Just a moment</title><p>We will be back shortly.</p>"
_WRONG_SHAPE: Final = b'{"data":"soon","pagination":[],"errors":{"of":"another shape"}}'
_CHUNK: Final = bytes(64 * 1024)
_HUGE_BYTES: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class _Exchange:
    """One request and its answer as they pass by; bodies are kept up to BODY_BYTES_HEARD."""

    receive: Receive
    send: Send
    asked: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)
    status: int | None = None
    media_type: str = ""
    size_bytes: int = 0
    read_to_end: bool = False

    async def hear(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.request":
            self.asked += message.get("body", b"")[: BODY_BYTES_HEARD - len(self.asked)]
            self.read_to_end = not message.get("more_body", False)
        return message

    async def say(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.media_type = dict(message["headers"]).get(b"content-type", b"").decode("latin-1")
        elif message["type"] == "http.response.body":
            self.size_bytes += len(message.get("body", b""))
            self.answered += message.get("body", b"")[: BODY_BYTES_HEARD - len(self.answered)]
        await self.send(message)

    def answer(self) -> bytes:
        """Give the beginning of an answer in text; of a file only what it was."""
        if self.size_bytes and not self.media_type.startswith(("application/json", "text/")):
            return f"({self.size_bytes} bytes of {self.media_type})".encode()
        return bytes(self.answered)

    async def hear_out(self) -> None:
        """Read what is left of the request."""
        while not self.read_to_end:
            if (await self.hear())["type"] == "http.disconnect":
                return

    async def until_gone(self) -> None:
        """Wait until the caller has hung up."""
        while (await self.hear())["type"] != "http.disconnect":
            pass


@dataclass(slots=True)
class _Collected:
    """An answer held back."""

    start: dict[str, Any] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    async def take(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.start = dict(message)
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


class Traffic:
    """ASGI middleware over /v3, /v1, /oauth and /files; other paths pass untouched."""

    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or not, and write it down."""
        if scope["type"] != "http" or not scope["path"].startswith(("/v3", "/v1", "/oauth", "/files")):
            await self._app(scope, receive, send)
            return
        sandbox = self._sandbox
        operation = operation_of(scope["method"], scope["path"])
        exchange = _Exchange(receive, send)
        at, began = sandbox.now_s(), sandbox.clock.monotonic_s()
        fault = sandbox.faults.next_for(operation.id)
        try:
            if sandbox.faults.latency_ms:
                await sandbox.clock.sleep(sandbox.faults.latency_ms / 1000)
            if fault is None:
                await self._app(scope, exchange.hear, exchange.say)
            else:
                await self._go_wrong(fault, scope, exchange)
        finally:
            duration_s = sandbox.clock.monotonic_s() - began
            sandbox.journal.append(_entry(scope, operation, exchange, fault, (at, duration_s)))

    async def _go_wrong(self, fault: Fault, scope: Scope, exchange: _Exchange) -> None:
        if fault.kind is FaultKind.ITEM_ERRORS:
            refused = dict.fromkeys(fault.entry_ids, fault.error_type)
            scope.setdefault("state", {})["refused_on_purpose"] = refused
            await self._app(scope, exchange.hear, exchange.say)
            return
        if fault.kind is FaultKind.SLOW:
            await self._sandbox.clock.sleep(fault.delay_ms / 1000)
            await self._app(scope, exchange.hear, exchange.say)
            return
        answer = _Collected()
        if fault.phase is Phase.AFTER or fault.kind is FaultKind.HALF:
            await self._app(scope, exchange.hear, answer.take)
        await exchange.hear_out()
        hang_up: Callable[[bool], None] = scope[HANG_UP]
        if fault.kind is FaultKind.TIMEOUT:
            await self._stay_silent(fault, exchange)
            hang_up(True)
            await exchange.until_gone()
        elif fault.kind is FaultKind.RESET:
            hang_up(True)
            await exchange.until_gone()
        elif fault.kind is FaultKind.HALF:
            await exchange.say(answer.start)
            half = bytes(answer.body[: len(answer.body) // 2])
            await exchange.say({"type": "http.response.body", "body": half, "more_body": True})
            hang_up(False)
            await exchange.until_gone()
        elif fault.kind is FaultKind.HUGE:
            await _send_huge(fault.size_bytes or _HUGE_BYTES, exchange)
        else:
            await _send_wrong(fault, exchange)

    async def _stay_silent(self, fault: Fault, exchange: _Exchange) -> None:
        waits = {asyncio.ensure_future(exchange.until_gone()), asyncio.ensure_future(self._sandbox.closing.wait())}
        if fault.delay_ms:
            waits.add(asyncio.ensure_future(self._sandbox.clock.sleep(fault.delay_ms / 1000)))
        _, waiting = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waiting:
            wait.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _send_wrong(fault: Fault, exchange: _Exchange) -> None:
    headers: list[tuple[bytes, bytes]] = []
    if fault.kind is FaultKind.NOT_JSON:
        status, media_type, body = 200, "text/html;charset=UTF-8", _WEB_PAGE
    elif fault.kind is FaultKind.WRONG_SHAPE:
        status, media_type, body = 200, PleoResponse.media_type, _WRONG_SHAPE
    else:
        status, media_type = fault.status, PleoResponse.media_type
        name = {429: "RATE_LIMITED", 500: "INTERNAL_ERROR"}.get(status) or _status_name(status)
        body = json_text({"type": name, "message": "A fault set in the sandbox."}).encode()
        if fault.retry_after_s is not None:
            headers.append((b"retry-after", str(fault.retry_after_s).encode()))
    headers += [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    await exchange.say({"type": "http.response.start", "status": status, "headers": headers})
    await exchange.say({"type": "http.response.body", "body": body})


def _status_name(status: int) -> str:
    try:
        return http.HTTPStatus(status).name
    except ValueError:
        return "UNKNOWN"


async def _send_huge(size_bytes: int, exchange: _Exchange) -> None:
    headers = [(b"content-type", b"application/pdf"), (b"content-length", str(size_bytes).encode())]
    await exchange.say({"type": "http.response.start", "status": 200, "headers": headers})
    gone = asyncio.ensure_future(exchange.until_gone())
    try:
        while size_bytes > 0 and not gone.done():
            chunk = _CHUNK[:size_bytes]
            size_bytes -= len(chunk)
            await exchange.say({"type": "http.response.body", "body": chunk, "more_body": size_bytes > 0})
            await asyncio.sleep(0)  # sending to a caller who has left returns at once, and would starve the loop
    finally:
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)


def _entry(
    scope: Scope, operation: Operation, exchange: _Exchange, fault: Fault | None, times: tuple[float, float]
) -> dict[str, Any]:
    query = scope["query_string"].decode("latin-1")
    authorization = dict(scope["headers"]).get(b"authorization", b"")
    scheme = authorization.split(b" ", 1)[0].decode("latin-1").lower()
    at, duration_s = times
    return {
        "at": at,
        "operation": operation.template,
        "method": scope["method"],
        "path": f"{scope['path']}?{query}" if query else scope["path"],
        "authentication": scheme if scheme in {"basic", "bearer"} else None,
        "status": exchange.status,
        "fault": None if fault is None else fault.kind.value,
        "request_body": bytes(exchange.asked),
        "answer_body": exchange.answer(),
        "duration_ms": round(duration_s * 1000, 3),
    }
