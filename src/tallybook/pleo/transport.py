"""The one place where a call to Pleo leaves and its answer comes in: attempts, patience, limits, and no foreign error.

A call that may be repeated is: GET, and PUT, which is idempotent at Pleo. A POST is repeated only where it certainly
was not done: it never left this machine, or Pleo answered 429. An event is not even repeated after a 429: what stands
between Pleo and us may say so after Pleo has done it, and whoever sends events reads the job anyway to find out.

Source: contract/pleo-export-v3.openapi.yaml; RFC 9110 sections 9.2.2 and 10.2.3.
"""

import asyncio
import base64
import binascii
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from random import Random
from typing import Any

import httpx

from tallybook import __version__
from tallybook.clock import Clock
from tallybook.pleo.auth import WORTH_ANOTHER_TRY
from tallybook.pleo.bodies import ACCEPT_ENCODING, BodyTooLarge, BodyUndecodable, read_body
from tallybook.pleo.errors import (
    PleoAnswerUnreadable,
    PleoError,
    PleoRateLimited,
    PleoRefused,
    PleoServerFault,
    PleoTimeout,
    PleoUnclear,
    PleoUnreachable,
)
from tallybook.pleo.refusals import refusal, spoken
from tallybook.pleo.retry import RetryPolicy, Timeouts, retry_after_s

ERROR_BODY_BYTES_MAX = 64 * 1024
_OK = range(200, 300)
_ERRORS = range(400, 600)
_REQUEST_TIMEOUT = 408  # the server gave up waiting for the request. Source: RFC 9110 section 15.5.9.

# What the HTTP library and the layers below it raise, all of them: no common root exists.
_FOREIGN = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One attempt at one operation, for metrics: `status` None where no answer came, `error` the class that came of it.

    `attempt` counts from 1; `duration_s` in seconds.
    """

    operation: str
    status: int | None
    attempt: int
    duration_s: float
    error: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """What to send: `content` is the body as JSON bytes; `repeatable` says that twice is as good as once."""

    operation: str
    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    content: bytes | None = None
    repeatable: bool = True
    body_wanted: bool = True  # False: the status alone is the answer
    confirmable: bool = False  # whoever calls can read whether it was done, so that no 429 need be taken at its word


@dataclass(slots=True)
class _Attempt:
    """How far an attempt got, so that a cut at any moment knows whether Pleo may have heard us."""

    sent: bool = False
    status: int | None = None

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.sent = True


class _Failed(Exception):
    """An attempt that brought no answer; `certain` means Pleo did not do what was asked."""

    def __init__(self, error: PleoError, *, certain: bool, again: bool, retry_after_s: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.certain = certain
        self.again = again
        self.retry_after_s = retry_after_s


class Transport:
    """Sends calls to one Pleo."""

    def __init__(
        self,
        *,
        base_url: str,
        auth: httpx.Auth,
        clock: Clock,
        random: Random,
        timeouts: Timeouts,
        retry: RetryPolicy,
        observer: Callable[[CallRecord], None] | None,
        answer_size_bytes_max: int,
        before_write: Callable[[], None] | None = None,
    ) -> None:
        url = _address(base_url)
        self._clock = clock
        self._random = random
        self._timeouts = timeouts
        self._retry = retry
        self._observer = observer
        self._before_write = before_write
        self._answer_size_bytes_max = answer_size_bytes_max
        self._where = url.host
        self._http = httpx.AsyncClient(
            base_url=url,
            auth=auth,
            headers={
                "Accept": "application/json",
                "Accept-Encoding": ACCEPT_ENCODING,
                "User-Agent": f"tallybook/{__version__}",
            },
            # Nothing an answer plants here travels back to Pleo.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            timeout=httpx.Timeout(timeouts.read_s, connect=timeouts.connect_s, pool=timeouts.whole_call_s),
            follow_redirects=False,  # credentials go to the configured host and nowhere else
            trust_env=not is_loopback(url.host),  # a company's proxy lies between us and Pleo, not us and ourselves
        )

    async def aclose(self) -> None:
        """Close all connections. Repeat: safe."""
        await self._http.aclose()

    async def call(self, call: Call) -> bytes:
        """Make a call and return the body of its 2xx answer, unpacked.

        Repeat: safe if `call.repeatable`; otherwise it asks Pleo a second time.
        Raises:
            PleoUnclear: not repeatable, sent, and no clear answer.
            PleoError: everything else; nothing was done.
        """
        deadline_s = self._clock.monotonic_s() + self._timeouts.whole_call_s
        attempt = _Attempt()
        try:
            async with asyncio.timeout(self._timeouts.whole_call_s):
                for count in range(1, self._retry.attempts + 1):
                    attempt = _Attempt()
                    if self._before_write is not None and call.method != "GET":
                        self._before_write()
                    try:
                        return await self._observed(call, count, attempt)
                    except _Failed as failed:
                        pause_s = self._retry.delay_s(count, self._random, failed.retry_after_s)
                        in_time = self._clock.monotonic_s() + pause_s < deadline_s
                        if not self._may_repeat(call, failed) or count == self._retry.attempts or not in_time:
                            raise self._final(call, failed, count) from failed.error.__cause__
                    await self._clock.sleep(pause_s)
        except TimeoutError:
            if attempt.status in _OK and not call.body_wanted:
                return b""
        patience = f"within {self._timeouts.whole_call_s:g} s"
        message = f"Pleo at {self._where} did not {spoken(call.operation)} {patience}; try again later"
        if attempt.sent and not call.repeatable:
            raise PleoUnclear(f"{message}, after reading whether it was done", status=attempt.status)
        raise PleoTimeout(message)

    @staticmethod
    def _may_repeat(call: Call, failed: _Failed) -> bool:
        return failed.again and (call.repeatable or failed.certain)

    @staticmethod
    def _final(call: Call, failed: _Failed, count: int) -> PleoError:
        if not call.repeatable and not failed.certain:
            status = failed.error.status if isinstance(failed.error, PleoRefused) else None
            return PleoUnclear(
                f"Pleo was asked to {spoken(call.operation)} and it is unclear whether it did: {failed.error}",
                status=status,
                retry_after_s=failed.retry_after_s,
            )
        if count > 1:
            failed.error.add_note(f"after {count} attempts")
        return failed.error

    async def _observed(self, call: Call, count: int, attempt: _Attempt) -> bytes:
        began_s = self._clock.monotonic_s()
        error: str | None = "Cancelled"  # by the timeout of the whole call, or from outside
        try:
            body = await self._exchange(call, attempt)
            error = None
        except _Failed as failed:
            error = type(failed.error).__name__
            raise
        except PleoError as failed:  # a login that could not be renewed: the call was not made
            error = type(failed).__name__
            raise
        finally:
            if self._observer is not None:
                duration_s = self._clock.monotonic_s() - began_s
                self._observer(CallRecord(call.operation, attempt.status, count, duration_s, error))
        return body

    async def _exchange(self, call: Call, attempt: _Attempt) -> bytes:
        try:
            request = self._http.build_request(
                call.method,
                call.path,
                params=list(call.query) or None,
                content=call.content,
                headers={"Content-Type": "application/json;charset=UTF-8"} if call.content is not None else None,
                extensions={"trace": attempt.trace},
            )
            response = await self._http.send(request, stream=True)
        except _FOREIGN as error:
            raise self._broken(call, error, attempt) from error
        try:
            attempt.status = response.status_code
            return await self._body(call, response)
        finally:
            with contextlib.suppress(*_FOREIGN):  # the answer is read or given up; how the connection ends is no news
                await response.aclose()

    async def _body(self, call: Call, response: httpx.Response) -> bytes:
        status = response.status_code
        size_bytes_max = self._answer_size_bytes_max if status in _OK else ERROR_BODY_BYTES_MAX
        body, fault = b"", ""
        cause: Exception | None = None
        slow = False
        try:
            body = await read_body(response.aiter_raw(), response.headers.get("content-encoding", ""), size_bytes_max)
        except BodyTooLarge:
            fault = f"is larger than {size_bytes_max} bytes"
        except BodyUndecodable as error:
            fault, cause = "is packed in a way that cannot be unpacked", error
        except _FOREIGN as error:
            fault, cause, slow = "is cut off", error, isinstance(error, httpx.TimeoutException)
        if status in _ERRORS:  # the status counts even where its explanation is lost
            raise self._refused(call, response, body)
        if status not in _OK:
            raise _Failed(
                PleoAnswerUnreadable(
                    f"{self._where}, asked to {spoken(call.operation)}, answered with status {status}, which is not"
                    " Pleo's and is not followed with credentials; check pleo.base_url"
                ),
                certain=True,
                again=False,
            )
        if not call.body_wanted and status == HTTPStatus.OK and body[:200].lstrip().startswith(b"<"):
            fault = "is a web page, perhaps of a proxy's"  # Pleo itself says 202 or 204 to such a call
        elif not fault or not call.body_wanted:
            return body
        sentence = f"the answer of Pleo at {self._where}, asked to {spoken(call.operation)}, {fault}; try again later"
        error_made = PleoTimeout(sentence) if slow else PleoAnswerUnreadable(sentence)
        error_made.__cause__ = cause
        raise _Failed(error_made, certain=False, again=fault == "is cut off")

    def _refused(self, call: Call, response: httpx.Response, body: bytes) -> _Failed:
        after_s = retry_after_s(response.headers, self._clock.now())
        error = refusal(
            call.operation, response.status_code, body, retry_after_s=after_s, secrets=_secrets(response.request)
        )
        if isinstance(error, PleoRateLimited):
            return _Failed(error, certain=not call.confirmable, again=True, retry_after_s=after_s)
        if isinstance(error, PleoServerFault):
            return _Failed(error, certain=False, again=True, retry_after_s=after_s)
        again = error.status == _REQUEST_TIMEOUT or response.extensions.get(WORTH_ANOTHER_TRY, False)
        return _Failed(error, certain=True, again=again)

    def _broken(self, call: Call, cause: Exception, attempt: _Attempt) -> _Failed:
        """Translate what the HTTP library raised before a status came."""
        what = type(cause).__name__
        error: PleoError
        if isinstance(cause, httpx.TimeoutException | TimeoutError):
            error = PleoTimeout(
                f"Pleo at {self._where} did not answer in time when asked to {spoken(call.operation)} ({what});"
                " try again later"
            )
        elif isinstance(cause, httpx.DecodingError | httpx.TooManyRedirects):
            error = PleoAnswerUnreadable(
                f"the answer of {self._where}, asked to {spoken(call.operation)}, cannot be read ({what})"
            )
        else:
            error = PleoUnreachable(
                f"Pleo at {self._where} could not be reached to {spoken(call.operation)} ({what});"
                " check pleo.base_url and the network"
            )
        error.__cause__ = cause
        # A broken URL or header is broken the next time, too.
        again = not isinstance(
            cause, httpx.InvalidURL | httpx.UnsupportedProtocol | httpx.LocalProtocolError | ValueError
        )
        return _Failed(error, certain=not attempt.sent, again=again)


def _address(base_url: str) -> httpx.URL:
    url: httpx.URL | None = None
    with contextlib.suppress(httpx.InvalidURL, ValueError):  # the library's text would quote a password in the URL
        url = httpx.URL(base_url)
    if url is None or url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise PleoUnreachable("pleo.base_url is no address such as https://external.pleo.io; mend it in the settings")
    return url


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secrets(request: httpx.Request) -> tuple[str, ...]:
    """List the forms in which an answer could quote our credential back."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if not credential:
        return ()
    if scheme.lower() != "basic":
        return (credential,)
    try:
        return (base64.b64decode(credential).decode().removesuffix(":"), credential)
    except (binascii.Error, UnicodeDecodeError):
        return (credential,)


def json_of(value: Any) -> bytes:
    """Write a request body as JSON in UTF-8; half characters become question marks."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
