"""A real HTTP proxy between an adapter and its system that can cut, delay and answer in the system's place."""

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FORWARD_TIMEOUT_S = 120.0
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


class Fault(Enum):
    """What happens to a request on its way."""

    CUT_BEFORE = auto()  # the connection breaks, the system never sees the request
    CUT_AFTER = auto()  # the system has answered, the connection breaks before the adapter hears of it
    SILENT_AFTER = auto()  # the system has answered, and the adapter hears nothing until its own time limit
    HOLD = auto()  # the request waits before the system sees it, until it is released
    STATUS_401 = 401
    STATUS_429 = 429
    STATUS_503 = 503


@dataclass(slots=True)
class Armed:
    """One fault lying in wait: from the `at`th request on (1 is the next one), for `times` requests."""

    fault: Fault
    at: int
    times: int
    seen: int = 0
    happened: int = 0
    met: threading.Event = field(default_factory=threading.Event)  # the fault has begun
    released: threading.Event = field(default_factory=threading.Event)


class FaultProxy:
    """Forwards HTTP/1.1 from a free port of 127.0.0.1 to `upstream`, an http:// address, until `close`."""

    def __init__(self, upstream: str) -> None:
        split = urlsplit(upstream)
        if split.scheme != "http" or split.hostname is None:
            raise ValueError(f"the proxy forwards to an http:// address, and {upstream!r} is none")
        self._address = (split.hostname, split.port or 80)
        self._lock = threading.Lock()
        self._armed: Armed | None = None
        proxy = self

        class Handler(_Forwarding):
            def forward(self) -> None:
                proxy._forward(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{split.path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="tallybook-fault-proxy")
        self._thread.start()

    @contextmanager
    def fault(self, fault: Fault, at: int = 1, times: int = 1) -> Iterator[Armed]:
        """Disturb the `at`th request from now and the `times` - 1 after it, for the length of a block."""
        armed = Armed(fault, at, times)
        with self._lock:
            self._armed = armed
        try:
            yield armed
        finally:
            with self._lock:
                self._armed = None
            armed.released.set()

    def close(self) -> None:
        """Stop listening.

        Repeat: safe.
        """
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _due(self) -> Armed | None:
        with self._lock:
            armed = self._armed
            if armed is None:
                return None
            armed.seen += 1
            if not armed.at <= armed.seen < armed.at + armed.times:
                return None
            armed.happened += 1
            return armed

    def _forward(self, request: "_Forwarding") -> None:
        body = request.body()
        armed = self._due()
        if armed is None:
            request.answer(*self._ask(request, body))
            return
        if armed.fault is Fault.HOLD:
            armed.met.set()
            armed.released.wait(FORWARD_TIMEOUT_S)
            request.answer(*self._ask(request, body))
        elif armed.fault in {Fault.CUT_AFTER, Fault.SILENT_AFTER}:
            self._ask(request, body)
            armed.met.set()
            if armed.fault is Fault.SILENT_AFTER:
                armed.released.wait(FORWARD_TIMEOUT_S)
            request.cut()
        elif armed.fault is Fault.CUT_BEFORE:
            armed.met.set()
            request.cut()
        else:
            armed.met.set()
            request.answer(
                armed.fault.value, [("Content-Type", "text/plain"), ("Retry-After", "0")], b"told by the kit"
            )

    def _ask(self, request: "_Forwarding", body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self._address, timeout=FORWARD_TIMEOUT_S)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
            headers["Host"] = "{}:{}".format(*self._address)
            connection.request(request.command, request.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except OSError as error:
            return 502, [("Content-Type", "text/plain")], f"no system behind the proxy: {error}".encode()
        finally:
            connection.close()


class _Forwarding(BaseHTTPRequestHandler):
    """Reads one request and writes one answer, or breaks the connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def forward(self) -> None:
        raise NotImplementedError

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = lambda self: self.forward()  # noqa: N815 - the standard library's names

    def body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass  # trailers
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def cut(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
        self.close_connection = True

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the adapter went away first, as it may

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        del format, args
