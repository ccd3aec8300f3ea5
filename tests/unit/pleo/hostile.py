"""A server that answers with whatever bytes it is told to, or not at all, and a clock that is moved, not awaited."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

JOB_ID = "5f0a1b2c-0000-4000-8000-00000000000a"
COMPANY_ID = "5f0a1b2c-0000-4000-8000-00000000000c"
ENTRY_ID = "5f0a1b2c-0000-4000-8000-00000000000e"


class FakeClock:
    """A clock that stands still until somebody sleeps; `sleeps` are the pauses asked for, in seconds."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
        self.elapsed_s = 0.0
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return self.elapsed_s

    async def sleep(self, delay_s: float) -> None:
        self.sleeps.append(delay_s)
        self.elapsed_s += delay_s
        self.at += timedelta(seconds=delay_s)


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[asyncio.StreamWriter], Awaitable[bool]]  # True: the connection stays open


def raw(data: bytes, *, keep: bool = False) -> Answer:
    """Send these bytes, then close the connection."""

    async def answer(writer: asyncio.StreamWriter) -> bool:
        writer.write(data)
        await writer.drain()
        return keep

    return answer


def http(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    """Send a whole and correct answer."""
    fields = {"Content-Length": str(len(body)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return raw(f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode("latin-1") + body, keep=True)


def says(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Answer with JSON."""
    return http(status, json.dumps(value).encode(), headers)


def refuses(status: int, name: str, message: str = "", headers: dict[str, str] | None = None) -> Answer:
    """Answer with an error in Pleo's form."""
    return says({"type": name, "message": message}, status, headers)


async def resets(writer: asyncio.StreamWriter) -> bool:
    """Break the connection without a word."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


async def stays_silent(_writer: asyncio.StreamWriter) -> bool:
    """Never answer."""
    await asyncio.Event().wait()
    return False


def drips(head: bytes, piece: bytes) -> Answer:
    """Send `head`, then `piece` after `piece` for ever, each in time, the whole never."""

    async def answer(writer: asyncio.StreamWriter) -> bool:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        return False

    return answer


@dataclass
class HostileServer:
    """Gives its `answers` in turn, the last one for ever."""

    answers: list[Answer] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def will(self, *answers: Answer) -> None:
        self.answers = list(answers)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["HostileServer"]:
        open_connections: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            open_connections.add(task)
            try:
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    while await self._answer(reader, writer):
                        pass
            finally:
                open_connections.discard(task)
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(open_connections):
                task.cancel()
            await asyncio.gather(*open_connections, return_exceptions=True)
            await server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append(Received(method, target, headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(writer)


def job(status: str = "in_progress", **fields: Any) -> dict[str, Any]:
    """Write an export job as Pleo does."""
    return {
        "id": JOB_ID,
        "companyId": COMPANY_ID,
        "status": status,
        "numberOfItems": 3,
        "createdAt": "2026-03-01T11:00:00Z",
        "expiresIn": 3600,
        "isInteractive": True,
        "vendorBasedBookkeeping": False,
        **fields,
    }


def job_item(number: int = 0, status: str = "pending", **fields: Any) -> dict[str, Any]:
    """Write an export job item as Pleo does."""
    return {"accountingEntryId": entry_id(number), "exportJobId": JOB_ID, "status": status, **fields}


def entry_id(number: int) -> str:
    return f"5f0a1b2c-0000-4000-9000-{number:012x}"


def amount(value: Any = 1234) -> dict[str, Any]:
    money = {"currency": "EUR", "value": value}
    return {"inSupplierCurrency": money, "inWalletCurrency": money}


def export_item(number: int = 0, **fields: Any) -> dict[str, Any]:
    """Write an export item as Pleo does, with two lines, tax and tags."""
    line = {
        "accountingEntryLineId": entry_id(number + 1),
        "lineAmount": amount(617),
        "netAmount": amount(514),
        "account": {"id": ENTRY_ID, "name": "Meals", "code": "6071", "identifier": None},
        "tags": [{"id": ENTRY_ID, "code": "CPH", "groupCode": "OFFICE"}],
        "tax": {"id": ENTRY_ID, "rate": 0.2, "type": "exclusive", "amount": amount(103), "code": "V20"},
    }
    return {
        "_links": {},
        "accountingEntryId": entry_id(number),
        "accountingEntryLines": [line, line],
        "additionalInformation": {"reconciliationId": f"R-{number}"},
        "amount": amount(1234),
        "companyId": COMPANY_ID,
        "date": "2026-02-11T09:30:00Z",
        "type": "card_purchase",
        "note": "Lunch with the auditors",
        "supplier": {"name": "Café Ærlig", "country": "DK"},
        "user": {"id": ENTRY_ID, "name": "Anna Holm"},
        **fields,
    }


def page(rows: list[Any], *, end: str | None = None) -> dict[str, Any]:
    """Write a page; `end` is its cursor and says that another page follows."""
    info: dict[str, Any] = {"hasNextPage": end is not None, "hasPreviousPage": False}
    info["currentRequestPagination"] = {"parameters": {}}
    return {"data": rows, "pagination": info | ({"endCursor": end} if end else {})}
