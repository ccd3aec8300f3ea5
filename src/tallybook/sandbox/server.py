"""The sandbox on a port of this machine: in the foreground for a person, in a thread for a test or a demonstration."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from tallybook.clock import Clock, SystemClock
from tallybook.sandbox.api.traffic import HANG_UP
from tallybook.sandbox.app import SandboxApp, create_app
from tallybook.sandbox.rules import Profile
from tallybook.sandbox.store import Store
from tallybook.sandbox.worlds import DEMO_ITEMS, Founding, WorldKind

HOST: Final = "127.0.0.1"
_STOP_WITHIN_S: Final = 5


@dataclass(frozen=True, slots=True)
class SandboxAddress:
    """Where a sandbox is reached, and as whom; a world founded later has other credentials."""

    url: str
    company_id: str
    api_key: str = field(repr=False)
    access_token: str = field(repr=False)


class _Protocol(H11Protocol):
    """HTTP over h11, with a way for the app to end its connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app = self.app

        async def app_that_can_hang_up(scope: Scope, receive: Receive, send: Send) -> None:
            scope[HANG_UP] = self._hang_up
            await app(scope, receive, send)

        self.app = app_that_can_hang_up

    def _hang_up(self, reset: bool) -> None:
        if not reset:
            self.transport.close()
            return
        if self.transport.is_closing():
            return  # the caller was quicker
        connection = self.transport.get_extra_info("socket")
        # Linger of zero seconds: the kernel sends RST, as a crashed peer or a firewall would.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class _Server(uvicorn.Server):
    """A server that says when it is ready and lets go of callers kept waiting when it stops."""

    def __init__(self, app: SandboxApp, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=_STOP_WITHIN_S,
        )
        super().__init__(config)
        self._app = app
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.sandbox.closing.set()
        await super().shutdown(sockets)


class SandboxFailedError(RuntimeError):
    """The sandbox's server did not come up; the server's own log says why."""


def serve(
    port: int,
    data: Path | None = None,
    world: str = WorldKind.DEMO,
    profile: str = Profile.GUIDE,
    ready: Callable[[SandboxAddress], None] | None = None,
    *,
    items: int = DEMO_ITEMS,
    seed: int = 1,
    clock: Clock | None = None,
) -> None:
    """Run a sandbox on 127.0.0.1 until the process is interrupted; port 0 takes a free one.

    `ready` hears the real address once requests are answered. `data` names the file that keeps the state; without it
    everything is gone at the end. A file that holds a world is opened, whatever `world`, `items` and `seed` say.

    Repeat: a second one on the same port fails.
    Raises:
        KeyboardInterrupt: Ctrl-C, after an orderly end.
        OSError: the port is taken.
        sqlite3.Error: the file is no sandbox database or cannot be written.
        ValueError: no such world or profile.
        SandboxFailedError: it did not come up.
    """
    founding = Founding(WorldKind(world), items, seed)
    with _listening(port) as listener, _stored(data) as store:
        app = create_app(store, clock=clock or SystemClock(), profile=Profile(profile), founding=founding)
        server = _Server(app, lambda: ready(_address(app, listener)) if ready else None)
        server.run(sockets=[listener])
        if not server.started:
            raise SandboxFailedError("the sandbox did not start")


@contextmanager
def running(
    *,
    port: int = 0,
    data: Path | None = None,
    world: str = WorldKind.DEMO,
    profile: str = Profile.GUIDE,
    items: int = DEMO_ITEMS,
    seed: int = 1,
    troubles: bool = True,
    clock: Clock | None = None,
) -> Iterator[SandboxAddress]:
    """Run a sandbox in a thread of this process while the block lasts; the arguments are those of `serve`.

    Repeat: another sandbox, on another port.
    Raises:
        As `serve`.
    """
    founding = Founding(WorldKind(world), items, seed, troubles)
    up = threading.Event()
    with _listening(port) as listener, _stored(data) as store:
        app = create_app(store, clock=clock or SystemClock(), profile=Profile(profile), founding=founding)
        server = _Server(app, up.set)

        def run() -> None:
            try:
                asyncio.run(server.serve(sockets=[listener]))
            finally:
                up.set()

        thread = threading.Thread(target=run, name="sandbox", daemon=True)
        thread.start()
        try:
            up.wait()
            if not server.started:
                raise SandboxFailedError("the sandbox did not start")
            yield _address(app, listener)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    # asyncio switches Nagle's algorithm off only where the protocol is named; with it on an answer waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        yield listener


@contextmanager
def _stored(data: Path | None) -> Iterator[Store]:
    store = Store(data)
    try:
        yield store
    finally:
        store.close()


def _address(app: SandboxApp, listener: socket.socket) -> SandboxAddress:
    company = app.sandbox.world.company
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    return SandboxAddress(url, company.id, company.api_key, company.access_token)
