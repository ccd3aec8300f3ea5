"""Fetching receipts: from allowed hosts only, by stream to disk, within limits of size and time.

A download that is cut off goes on where it stopped, if the server offers that and still has the same file: it must
have announced ranges of bytes and a strong ETag. Otherwise it begins anew.

A receipt's link is signed: whoever has it can read the file, so it shows in no error and no log.

Source: definition `ExportItemFile` (valid for 24 hours after the item was read); docs/decisions.md 29; RFC 9110
sections 13.1.5 (If-Range) and 14 (ranges).
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import BinaryIO, Self

import httpcore

from tallybook import __version__
from tallybook.clock import Clock
from tallybook.pleo.bodies import BodyTooLarge, BodyUndecodable, unpacked
from tallybook.pleo.errors import (
    ReceiptError,
    ReceiptLinkExpired,
    ReceiptLinkRefused,
    ReceiptTooLarge,
    ReceiptUnavailable,
)
from tallybook.pleo.receipt_links import CheckedBackend, Link, LinkRules
from tallybook.pleo.receipt_types import receipt_type
from tallybook.pleo.retry import RetryPolicy, Timeouts, retry_after_s
from tallybook.pleo.transport import CallRecord

SIZE_BYTES_MAX = 30 * 1024 * 1024  # Pleo guide "Transfer attachments": 30 MB a file
REDIRECTS_MAX = 3  # ours
INLINE_SIZE_BYTES_MAX = 256 * 1024  # ours

_OK, _PARTIAL, _RANGE_REFUSED = 200, 206, 416
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Refusals that a second attempt may mend: slow, too many, or a fault over there.
_TRANSIENT = frozenset({408, 425, 429, *range(500, 600)})
# What file stores answer when a link's time is over: 403 most, 400 Google's, 404 and 410 others.
_EXPIRED = frozenset({400, 401, 403, 404, 410})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_STRONG_ETAG = re.compile(r'"[!#-~]{1,200}"', re.ASCII)

# What the HTTP library and the layers below it raise, all of them: no common root exists.
_FOREIGN = (
    httpcore.ConnectionNotAvailable,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    OSError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt on disk: `path` is named after `sha256` (hex, of the content), `media_type` is by content."""

    path: Path
    media_type: str
    sha256: str
    size_bytes: int


@dataclass(slots=True)
class _Part:
    """What has arrived of a file, and the last answer's `status`.

    With an `etag` the rest may be asked for; `total_bytes` was announced with it.
    """

    file: BinaryIO
    path: Path
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    size_bytes: int = 0
    etag: str | None = None
    total_bytes: int = 0
    status: int | None = None

    def begin(self, headers: dict[str, str]) -> None:
        """Forget what has arrived, and note whether the answer that follows could be continued."""
        self.file.seek(0)
        self.file.truncate()
        self.digest, self.size_bytes, self.etag = hashlib.sha256(), 0, None
        etag, length = headers.get("etag", ""), headers.get("content-length", "")
        offered = headers.get("accept-ranges", "").strip().lower() == "bytes" and not _is_packed(headers)
        if offered and _STRONG_ETAG.fullmatch(etag) and re.fullmatch(r"[0-9]{1,18}", length, re.ASCII):
            self.etag, self.total_bytes = etag, int(length)

    def is_continued_by(self, headers: dict[str, str]) -> bool:
        """Tell whether an answer is the rest of this very file, to its end."""
        found = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
        if found is None or headers.get("etag") != self.etag or _is_packed(headers):
            return False
        return tuple(map(int, found.groups())) == (self.size_bytes, self.total_bytes - 1, self.total_bytes)


def _is_packed(headers: dict[str, str]) -> bool:
    return headers.get("content-encoding", "").strip().lower() not in {"", "identity"}


class _Again(Exception):
    """An attempt failed in a way that the next one may mend."""

    def __init__(self, error: ReceiptUnavailable, after_s: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.after_s = after_s


class ReceiptDownloader:
    """Downloads receipts. Use it as an async context manager, or call `aclose` at the end.

    `allowed_hosts` and `insecure_hosts` list "host", "host:port" or "*.domain" (its subdomains, not itself); without a
    port the scheme's own is meant. Insecure hosts are allowed too, and may use http and private addresses.
    No proxy is used: it would look names up where they cannot be checked. `observer` is told of every attempt.
    """

    def __init__(
        self,
        *,
        allowed_hosts: Sequence[str],
        clock: Clock,
        random: Random,
        insecure_hosts: Sequence[str] = (),
        size_bytes_max: int = SIZE_BYTES_MAX,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(attempts=3),  # noqa: B008 - frozen
        ssl_context: ssl.SSLContext | None = None,
        at_once: int = 8,
        observer: Callable[[CallRecord], None] = lambda _: None,
    ) -> None:
        self._rules = LinkRules(allowed_hosts, insecure_hosts)
        self._clock = clock
        self._random = random
        self._size_bytes_max = size_bytes_max
        self._timeouts = timeouts
        self._retry = retry
        self._observer = observer
        tls = ssl_context or httpcore.default_ssl_context()
        # A pool for each download under way: one pool for all looks at every connection at every request.
        self._pools = [
            httpcore.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=1,
                keepalive_expiry=30.0,
                network_backend=CheckedBackend(self._rules),
            )
            for _ in range(at_once)
        ]
        # Last in, first out: the pool that was used last has its connection open.
        self._free: asyncio.LifoQueue[httpcore.AsyncConnectionPool] = asyncio.LifoQueue()
        for pool in self._pools:
            self._free.put_nowait(pool)
        logging.getLogger("httpcore.http11").addFilter(_without_answer_headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections. Repeat: safe."""
        for pool in self._pools:
            await pool.aclose()

    async def fetch(self, url: str, directory: Path, *, name: str = "receipt") -> Receipt:
        """Download one receipt into an existing directory; a download that fails leaves no file there.

        At most `at_once` downloads are under way; the others wait their turn, which counts towards no timeout. The
        observer is told `name` and the host: the rest of a link is a key to the file, and may name people.

        Repeat: safe; the same content gets the same name and replaces itself.
        Raises:
            ReceiptLinkRefused: the link, or a redirect, leads where we do not go.
            ReceiptTooLarge: more than `size_bytes_max` bytes.
            ReceiptUnsupported: by its content none of the types Pleo hands over.
            ReceiptLinkExpired: the link is dead; Pleo may give a new one.
            ReceiptUnavailable: error status, no connection, too slow, or no room on disk.
        """
        link = self._rules.check(url)
        pool = await self._free.get()
        try:
            async with asyncio.timeout(self._timeouts.whole_call_s):
                return await self._repeatedly(pool, link, directory, name)
        except TimeoutError:
            raise ReceiptUnavailable(
                f"the receipt at {link.where} did not arrive within {self._timeouts.whole_call_s:g} s; try again later"
            ) from None
        finally:
            self._free.put_nowait(pool)

    async def _repeatedly(self, pool: httpcore.AsyncConnectionPool, link: Link, directory: Path, name: str) -> Receipt:
        deadline_s = self._clock.monotonic_s() + self._timeouts.whole_call_s
        with _part_file(directory, link.where) as part:
            for attempt in range(1, self._retry.attempts + 1):
                try:
                    with self._told(f"{name} at {link.where}", attempt, part):
                        await self._once(pool, link, part)
                        return await self._finished(part, directory, link.where)
                except _Again as again:
                    pause_s = self._retry.delay_s(attempt, self._random, again.after_s)
                    in_time = self._clock.monotonic_s() + pause_s < deadline_s
                    if attempt == self._retry.attempts or not in_time:
                        raise again.error from again.error.__cause__
                await self._clock.sleep(pause_s)
        raise ReceiptUnavailable("a retry policy needs at least one attempt")

    @contextlib.contextmanager
    def _told(self, operation: str, attempt: int, part: _Part) -> Iterator[None]:
        """Tell the observer of the attempt that is made inside, however it ends."""
        began_s, error, part.status = self._clock.monotonic_s(), "cut off", None
        try:
            yield
            error = ""
        except _Again as again:
            error = type(again.error).__name__
            raise
        except ReceiptError as raised:
            error = type(raised).__name__
            raise
        finally:
            took_s = self._clock.monotonic_s() - began_s
            self._observer(CallRecord(operation, part.status, attempt, took_s, error or None))

    async def _finished(self, part: _Part, directory: Path, where: str) -> Receipt:
        try:
            part.file.flush()
            # A small file is in the page cache: reading it takes less than handing it to a thread.
            small = part.size_bytes <= INLINE_SIZE_BYTES_MAX
            found = receipt_type(part.path) if small else await asyncio.to_thread(receipt_type, part.path)
            digest = part.digest.hexdigest()
            final = directory / f"{digest}{found.suffix}"
            part.path.replace(final)
        except OSError as error:
            raise _no_room(where, error) from error
        return Receipt(path=final, media_type=found.media_type, sha256=digest, size_bytes=part.size_bytes)

    async def _once(self, pool: httpcore.AsyncConnectionPool, link: Link, part: _Part) -> None:
        try:
            await self._download(pool, link, part)
        except BodyTooLarge:
            raise ReceiptTooLarge(
                f"the receipt at {link.where} is larger than the {self._size_bytes_max} bytes allowed;"
                " replace it by a smaller file in Pleo and export the entry again"
            ) from None
        except BodyUndecodable as error:
            raise ReceiptUnavailable(f"the receipt at {link.where} cannot be unpacked ({error})") from error
        except _FOREIGN as error:
            unavailable = ReceiptUnavailable(
                f"the receipt at {link.where} could not be fetched ({type(error).__name__}); try again later"
            )
            unavailable.__cause__ = error
            raise _Again(unavailable) from error

    async def _download(self, pool: httpcore.AsyncConnectionPool, link: Link, part: _Part) -> None:
        """Follow redirects and write the body to the part, or the rest of the body after what is there."""
        for _ in range(REDIRECTS_MAX + 1):
            rest: dict[bytes | str, bytes | str] = {}
            if part.etag is not None:
                rest = {"Range": f"bytes={part.size_bytes}-", "If-Range": part.etag}
            async with self._answer(pool, link, rest) as (response, headers):
                part.status = response.status
                if response.status == _OK:
                    part.begin(headers)
                    return await self._write(link, response, headers, part)
                if response.status == _PARTIAL and rest and part.is_continued_by(headers):
                    return await self._write(link, response, headers, part)
                if response.status in {_PARTIAL, _RANGE_REFUSED} and rest:
                    part.begin({})  # from now on without a range
                    raise _Again(ReceiptUnavailable(f"the receipt at {link.where} changed on the way; try again later"))
                if response.status not in _REDIRECTS:
                    raise self._refused(link, response.status, headers)
                link = self._rules.check(headers.get("location", ""), base=link.text)
        raise ReceiptLinkRefused(
            f"the receipt's link was redirected more than {REDIRECTS_MAX} times; it is not followed"
        )

    @contextlib.asynccontextmanager
    async def _answer(
        self, pool: httpcore.AsyncConnectionPool, link: Link, further: dict[bytes | str, bytes | str]
    ) -> AsyncIterator[tuple[httpcore.Response, dict[str, str]]]:
        timeouts = self._timeouts
        request = pool.stream(
            "GET",
            link.url,
            headers={
                "Host": link.where,
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "User-Agent": f"tallybook/{__version__}",
                **further,
            },
            extensions={
                "timeout": {
                    "connect": timeouts.connect_s,
                    "read": timeouts.read_s,
                    "write": timeouts.read_s,
                    "pool": timeouts.whole_call_s,
                }
            },
        )
        async with request as response:
            yield (
                response,
                {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers},
            )

    def _refused(self, link: Link, status: int, headers: dict[str, str]) -> Exception:
        mend = "try again later" if status in _TRANSIENT else "export the entry again from Pleo"
        kind = ReceiptLinkExpired if status in _EXPIRED else ReceiptUnavailable
        error = kind(f"the receipt's link at {link.where} answered with status {status}; {mend}")
        return _Again(error, retry_after_s(headers, self._clock.now())) if status in _TRANSIENT else error

    async def _write(self, link: Link, response: httpcore.Response, headers: dict[str, str], part: _Part) -> None:
        room = self._size_bytes_max - part.size_bytes
        announced = headers.get("content-length", "")
        if announced.isdecimal() and len(announced) < 20 and int(announced) > room:  # noqa: PLR2004 - digits
            raise BodyTooLarge
        encoding = headers.get("content-encoding", "")
        body = unpacked(response.aiter_stream(), encoding, room)
        async with contextlib.aclosing(body):
            async for piece in body:
                part.digest.update(piece)
                part.size_bytes += len(piece)
                try:
                    part.file.write(piece)  # 64 KiB into the page cache: shorter than handing it to a thread
                except OSError as error:
                    raise _no_room(link.where, error) from error


@contextlib.contextmanager
def _part_file(directory: Path, where: str) -> Iterator[_Part]:
    """Lend a temporary file in `directory`; it is gone afterwards unless it was renamed."""
    try:
        number, name = tempfile.mkstemp(prefix=".receipt-", suffix=".part", dir=directory)
    except OSError as error:
        raise _no_room(where, error) from error
    path = Path(name)
    file = os.fdopen(number, "wb")
    try:
        yield _Part(file, path)
    finally:
        # What counts is flushed by now; after a failed write, closing would try and fail again, in its own words.
        with contextlib.suppress(OSError):
            file.close()
        path.unlink(missing_ok=True)


def _no_room(where: str, error: OSError) -> ReceiptUnavailable:
    return ReceiptUnavailable(
        f"the receipt at {where} could not be written to disk ({error.strerror or type(error).__name__});"
        " make room in the temporary directory"
    )


def _without_answer_headers(record: logging.LogRecord) -> bool:
    """Keep answer headers out of the debug log: a redirect's Location is a signed link."""
    return not record.getMessage().startswith("receive_response_headers.complete")
