"""The HTTP server on its address, in the event loop of whoever opens it."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from tallybook.errors import SettingsError

_STOP_WITHIN_S: Final = 1  # callers that are still there when we stop
_CONNECTIONS_MAX: Final = 256


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it runs in, and says when it listens."""

    def __init__(self, app: Starlette) -> None:
        config = uvicorn.Config(
            app,
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
async def listening(listener: socket.socket, routes: Sequence[Route]) -> AsyncIterator[Server]:
    """Serve these routes at a bound address while the block lasts.

    Raises:
        SettingsError: the server did not start.
    """
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
