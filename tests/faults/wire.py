"""The wire between a worker and the servers it calls: every call has a number, and any of them can go wrong.

It carries real HTTP. A call can be hit at three moments: before the server was asked, after the server answered and
before the worker has the answer, and with half of the answer.
"""

import asyncio
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import h11

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=/)\d+(?=/|$)")
_WEB_PAGE = b"<!doctype html><title>Just a moment</title><p>We will be back shortly.</p>"


class Moment(StrEnum):
    """When a call is hit: its server has not heard of it, or has done all of it."""

    BEFORE = "before"
    AFTER = "after"


class Kind(StrEnum):
    """What the worker gets instead of its answer."""

    STATUS = "status"
    RESET = "reset"
    TIMEOUT = "timeout"  # nothing, until the worker hangs up
    NOT_JSON = "not_json"  # 200 and a web page
    HALF = "half"  # the first half of the answer; after the effect


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with one call."""

    kind: Kind
    status: int = 503


@dataclass(frozen=True, slots=True)
class Call:
    """A call on the wire. `occurrence` counts the calls of this sort to this server, from 1."""

    number: int
    server: str
    method: str
    path: str
    occurrence: int

    @property
    def sort(self) -> str:
        """Server, method and path without ids and query."""
        return _sort(self.server, self.method, self.path)

    @property
    def label(self) -> str:
        """The sort and the occurrence: the same call in another run of the same job."""
        return f"{self.sort} #{self.occurrence}"


Plan = Callable[[Call, Moment], Fault | None]


def calm(_call: Call, _moment: Moment) -> None:
    """The plan by which nothing goes wrong."""


def _sort(server: str, method: str, path: str) -> str:
    plain = path.partition("?")[0]
    if server == "books":  # the first part names the ledger
        plain = plain[plain.index("/", 1) :]
    template = "/files/{}" if server == "pleo" and plain.startswith("/files/") else _ID.sub("{}", plain)
    return f"{server} {method} {template}"


@dataclass(slots=True)
class _Answer:
    response: h11.Response
    body: bytes


@dataclass
class Wire:
    """A wire with any number of servers at its end; made by `laid`."""

    loop: asyncio.AbstractEventLoop
    plan: Plan = calm
    calls: list[Call] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)  # what went wrong so far, by kind
    held: threading.Event = field(default_factory=threading.Event)
    _counts: Counter[str] = field(default_factory=Counter)
    _held_labels: dict[tuple[str, Moment], asyncio.Event] = field(default_factory=dict)
    _listeners: list[asyncio.Server] = field(default_factory=list)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    def lead_to(self, server: str, url: str) -> str:
        """Open a port of this machine that leads to a server; its address."""
        return asyncio.run_coroutine_threadsafe(self._open(server, url), self.loop).result(10)

    def renew(self, plan: Plan = calm) -> None:
        """Count from the beginning, by another plan."""
        self.calls, self._counts, self.plan = [], Counter(), plan
        self.held.clear()

    def hold(self, label: str, moment: Moment) -> None:
        """Keep the call of this label at this moment until `release`; `held` is set once it is there."""
        self._held_labels[label, moment] = asyncio.Event()

    def release(self) -> None:
        """Let go of every call that is held."""
        for event in self._held_labels.values():
            self.loop.call_soon_threadsafe(event.set)
        self._held_labels = {}

    async def _open(self, server: str, url: str) -> str:
        host, _, port = url.removeprefix("http://").partition(":")

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connections.add(task)
            try:
                await self._talk(server, (host, int(port)), reader, writer)
            except (OSError, h11.ProtocolError, asyncio.CancelledError):
                writer.transport.abort()  # one of the two ends is gone, or the wire is taken up
            finally:
                self._connections.discard(task)
                writer.close()

        listener = await asyncio.start_server(talk, "127.0.0.1", 0)
        self._listeners.append(listener)
        return f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"

    async def _talk(
        self, server: str, upstream: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = h11.Connection(h11.SERVER)
        while (heard := await _request(connection, reader)) is not None:
            request, body = heard
            call = self._counted(server, request)
            if await self._hit(call, Moment.BEFORE, None, connection, reader, writer):
                return
            try:
                answer = await _forward(upstream, request, body)
            except (ConnectionResetError, h11.RemoteProtocolError):
                self.hits["broken down"] += 1  # the server itself, as the books do when they are told to
                raise
            if await self._hit(call, Moment.AFTER, answer, connection, reader, writer):
                return
            writer.write(_bytes(connection, answer))
            await writer.drain()
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()

    def _counted(self, server: str, request: h11.Request) -> Call:
        method, path = request.method.decode(), request.target.decode()
        sort = _sort(server, method, path)
        self._counts[sort] += 1
        call = Call(len(self.calls) + 1, server, method, path, self._counts[sort])
        self.calls.append(call)
        return call

    async def _hit(
        self,
        call: Call,
        moment: Moment,
        answer: _Answer | None,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Let a call go wrong if the plan says so; True: nothing more can be said on this connection."""
        if (waiting := self._held_labels.get((call.label, moment))) is not None:
            self.held.set()
            await waiting.wait()
        fault = self.plan(call, moment)
        if fault is None:
            return False
        self.hits[f"{fault.status if fault.kind is Kind.STATUS else fault.kind} {moment}"] += 1
        if fault.kind in {Kind.STATUS, Kind.NOT_JSON}:
            writer.write(_bytes(connection, _wrong(fault)))
            await writer.drain()
            return True
        if fault.kind is Kind.HALF:
            whole = _bytes(connection, answer or _wrong(fault))
            writer.write(whole[: len(whole) // 2])
            await writer.drain()
        elif fault.kind is Kind.TIMEOUT:
            while await reader.read(4096):
                pass
        else:
            _reset(writer)
        return True


def _wrong(fault: Fault) -> _Answer:
    status, kind, body = (fault.status, b"application/json", b'{"type":"FAULT","message":"A fault of the wire."}')
    if fault.kind is Kind.NOT_JSON:
        status, kind, body = 200, b"text/html", _WEB_PAGE
    headers = [(b"content-type", kind), (b"connection", b"close")]
    return _Answer(h11.Response(status_code=status, headers=headers), body)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    # Linger of zero seconds: the kernel sends RST, as a crashed peer or a firewall would.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _bytes(connection: h11.Connection, answer: _Answer) -> bytes:
    headers = [
        (name, value)
        for name, value in answer.response.headers
        if name not in {b"content-length", b"transfer-encoding", b"keep-alive", b"date", b"server"}
        and (name, value) != (b"connection", b"keep-alive")
    ]
    status = answer.response.status_code
    if status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    parts = [
        connection.send(h11.Response(status_code=status, headers=headers)),
        connection.send(h11.Data(answer.body)) if answer.body else b"",
        connection.send(h11.EndOfMessage()),
    ]
    return b"".join(part or b"" for part in parts)


async def _events(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[h11.Event]:
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Event):
            yield event
            if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return
        else:
            return  # paused: the other end has said goodbye


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[h11.Request, bytes] | None:
    request: h11.Request | None = None
    body = b""
    async for event in _events(connection, reader):
        if isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return request, body
    return None


async def _forward(upstream: tuple[str, int], request: h11.Request, body: bytes) -> _Answer:
    """Ask the server in the worker's words, over a connection of its own."""
    reader, writer = await asyncio.open_connection(*upstream)
    try:
        connection = h11.Connection(h11.CLIENT)
        headers = [
            (name, value)
            for name, value in request.headers
            if name not in {b"connection", b"content-length", b"transfer-encoding"}
        ]
        if body or request.method in {b"POST", b"PUT"}:
            headers.append((b"content-length", str(len(body)).encode()))
        headers.append((b"connection", b"close"))
        parts = [
            connection.send(h11.Request(method=request.method, target=request.target, headers=headers)),
            connection.send(h11.Data(body)) if body else b"",
            connection.send(h11.EndOfMessage()),
        ]
        writer.write(b"".join(part or b"" for part in parts))
        await writer.drain()
        response: h11.Response | None = None
        answered = b""
        async for event in _events(connection, reader):
            if isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                answered += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                return _Answer(response, answered)
        raise ConnectionResetError("the server hung up before it answered")
    finally:
        writer.close()


@contextmanager
def laid() -> Iterator[Wire]:
    """Lay a wire, in a thread of its own, for the length of a block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="wire", daemon=True)
    thread.start()
    wire = Wire(loop)
    try:
        yield wire
    finally:
        asyncio.run_coroutine_threadsafe(_taken_up(wire), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _taken_up(wire: Wire) -> None:
    for listener in wire._listeners:
        listener.close()
    connections = list(wire._connections)
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    await asyncio.sleep(0)
