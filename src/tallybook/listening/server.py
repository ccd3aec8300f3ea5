"""The HTTP server on its address, in the event loop of whoever opens it."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from tallybook.errors import SettingsError
from tallybook.telemetry import logs

_STOP_WITHIN_S: Final = 1  # callers that are still there when we stop
_CONNECTIONS_MAX: Final = 256
HEAD_WITHIN_S: Final = 10.0


class _Connection(H11Protocol):
    """A connection that is closed when nobody says on it what is asked: else a few hundred keep all others out."""

    _awaited: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        last = self.cycle
        super().data_received(data)
        if self.cycle is not last:
            self._stop_awaiting()
        elif last is not None and last.response_complete and self._awaited is None:  # the next request has begun
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._awaited = self.loop.call_later(HEAD_WITHIN_S, self._let_go, self.cycle)

    def _stop_awaiting(self) -> None:
        if self._awaited is not None:
            self._awaited.cancel()
            self._awaited = None

    def _let_go(self, last: RequestResponseCycle | None) -> None:
        self._awaited = None
        if self.cycle is last:
            self.transport.close()


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it runs in, and says when it listens."""

    def __init__(self, app: Starlette) -> None:
        config = uvicorn.Config(
            app,
            http=_Connection,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_graceful_shutdown=_STOP_WITHIN_S,
        )
        super().__init__(config)
        self.up = asyncio.Event()

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class Server:
    """A server that listens: its address, and a way to let it go before its block ends."""

    def __init__(self, url: str, server: _Server) -> None:
        self.url = url
        self._server = server

    def stop(self) -> None:
        """Take no more callers, and let those at hand go within a second.

        Repeat: safe.
        """
        self._server.should_exit = True


@asynccontextmanager
async def listening(listener: socket.socket, routes: Sequence[BaseRoute]) -> AsyncIterator[Server]:
    """Serve these routes at a bound address while the block lasts.

    Raises:
        SettingsError: the server did not start.
    """
    logs.bridge("uvicorn")  # its own way of telling a fault of ours quotes what the fault is about
    server = _Server(Starlette(routes=list(routes)))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    up = asyncio.create_task(server.up.wait())
    try:
        await asyncio.wait({serving, up}, return_when=asyncio.FIRST_COMPLETED)
        if not server.started:
            raise SettingsError([f"serve.listen: no server could be started at {_url(listener)}"])
        yield Server(_url(listener), server)
    finally:
        up.cancel()
        server.should_exit = True
        with suppress(SystemExit):
            await serving


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """Bind an address while the block lasts; port 0 takes a free one. Nobody is answered until it is served.

    Repeat: refused while the first one lasts.
    Raises:
        SettingsError: it is no address of this machine, or another program has it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError([f"serve.listen: {host}:{port} is no address to listen on ({error.strerror})"]) from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise SettingsError(
                [f"serve.listen: {host}:{port} cannot be listened on ({error.strerror}); name another, or port 0"]
            ) from error
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
