"""Whatever comes back, or does not, becomes one clear error of ours."""

import gzip
import logging
import ssl
import zlib
from collections.abc import Generator, Iterator
from random import Random

import httpx
import pytest

from tallybook.errors import TallybookError
from tallybook.pleo import transport
from tallybook.pleo.auth import api_key, bearer
from tallybook.pleo.client import PleoClient, RetryPolicy, Timeouts
from tallybook.pleo.errors import (
    ExportAlreadyInProgress,
    InvalidJobStatusChange,
    JobStatusUnprocessable,
    MissingContraAccounts,
    PleoAnswerUnreadable,
    PleoBadRequest,
    PleoError,
    PleoNotAuthenticated,
    PleoNotAuthorized,
    PleoNotFound,
    PleoRateLimited,
    PleoRefused,
    PleoServerFault,
    PleoTimeout,
    PleoUnclear,
    PleoUnreachable,
    TooManyItems,
)
from tallybook.pleo.models import ItemStatus, ItemUpdate, JobEvent
from tallybook.pleo.transport import CallRecord
from tests.unit.pleo.conftest import TOKEN
from tests.unit.pleo.hostile import (
    COMPANY_ID,
    ENTRY_ID,
    JOB_ID,
    Answer,
    FakeClock,
    HostileServer,
    drips,
    entry_id,
    http,
    job,
    page,
    raw,
    refuses,
    resets,
    says,
    stays_silent,
)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BOMB = gzip.compress(b"[" + b" " * 40_000_000 + b"]", compresslevel=1)
UPDATE = ItemUpdate(accounting_entry_id=entry_id(1), status=ItemStatus.SUCCESSFUL)


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "MISSING_CONTRA_ACCOUNTS", MissingContraAccounts),
        (400, "missing_contra_accounts", MissingContraAccounts),
        (400, "UNSUPPORTED_API_VERSION", PleoBadRequest),
        (401, "", PleoNotAuthenticated),
        (403, "Access_Denied", PleoNotAuthorized),
        (404, "EXPORT_NOT_FOUND", PleoNotFound),
        (405, "", PleoBadRequest),
        (409, "EXPORT_ALREADY_IN_PROGRESS", ExportAlreadyInProgress),
        (413, "EXPORT_JOB_ITEMS_UPDATE_LIMIT", TooManyItems),
        (418, "TEAPOT", PleoBadRequest),
        (422, "EXPORT_JOB_STATUS_UNPROCESSABLE", JobStatusUnprocessable),
        (422, "INVALID_EXPORT_JOB_STATUS_CHANGE", InvalidJobStatusChange),
        (422, "SOMETHING_ELSE", PleoBadRequest),
        (429, "", PleoRateLimited),
        (500, "", PleoServerFault),
        (503, "DOWN", PleoServerFault),
    ],
)
async def test_each_status_becomes_its_error(
    client: PleoClient, server: HostileServer, status: int, name: str, kind: type[PleoRefused]
) -> None:
    """Status and type together decide the class; both stay readable on it."""
    server.will(refuses(status, name, "because"))
    with pytest.raises(PleoRefused) as caught:
        await client.job(JOB_ID)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.type, caught.value.message) == (status, name, "because")


@pytest.mark.parametrize(
    "answer",
    [
        http(200, b"<html><title>Sign in to the hotel wifi</title>"),
        http(200, b""),
        http(200, b"[" * 100_000),
        http(200, b'{"data": \xff}'),
        http(200, b'{"data": ' + b"9" * 5000 + b"}"),
        says([]),
        says({"data": None}),
        says({"data": [job()]}),
        says({"data": job(id="no id")}),
        says({"data": job(createdAt="yesterday")}),
        says({"data": job(createdAt="0001-01-01T00:00:00+23:59")}),
        http(200, BOMB, {"Content-Encoding": "gzip"}),
        http(200, b"no gzip at all", {"Content-Encoding": "gzip"}),
        http(200, gzip.compress(b"{}")[:-4], {"Content-Encoding": "gzip"}),
        http(200, zlib.compress(b"{}"), {"Content-Encoding": "br"}),
        http(200, b"x" * (1024 * 1024 + 1)),
        raw(HEAD + b"Content-Length: 500\r\n\r\n{"),
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"),
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        http(302, b"", {"Location": "https://elsewhere.example/"}),
        http(204),
    ],
)
async def test_an_unreadable_answer_is_said_to_be_one(
    client: PleoClient, server: HostileServer, answer: Answer
) -> None:
    """Not JSON, wrong shape, too large, cut off, wrongly packed or redirected: one error, and no job."""
    server.will(answer)
    with pytest.raises(PleoAnswerUnreadable) as caught:
        await client.job(JOB_ID)
    assert str(caught.value).isprintable()
    assert len(server.requests) <= 3


async def test_credentials_do_not_follow_a_redirect(client: PleoClient, server: HostileServer) -> None:
    """A redirect back to ourselves is not followed either: one request, one error."""
    server.will(http(307, b"", {"Location": f"{server.url}/elsewhere"}))
    with pytest.raises(PleoAnswerUnreadable, match="307"):
        await client.job(JOB_ID)
    assert [request.target for request in server.requests] == [f"/v3/export-jobs/{JOB_ID}"]


@pytest.mark.parametrize(
    "answer", [resets, raw(b""), raw(b"\x16\x03\x01 is no HTTP\r\n\r\n"), raw(b"HTTP/1.1 abc\r\n\r\n")]
)
async def test_a_broken_connection_is_unreachable(client: PleoClient, server: HostileServer, answer: Answer) -> None:
    """A read is tried again, and when all attempts are used up Pleo is unreachable."""
    server.will(answer)
    with pytest.raises(PleoUnreachable):
        await client.job(JOB_ID)
    assert len(server.requests) == 3


async def test_nobody_listening_is_unreachable(client: PleoClient, server: HostileServer) -> None:
    """Also an event is repeated then, because it was never sent."""
    async with HostileServer().serving() as gone:
        port = gone.port
    client._transport._http.base_url = httpx.URL(f"http://127.0.0.1:{port}")
    with pytest.raises(PleoUnreachable):
        await client.send_event(JOB_ID, JobEvent.STARTED)
    assert not server.requests


async def test_silence_is_a_timeout(hasty: PleoClient, server: HostileServer) -> None:
    """A server that never answers is given up after each attempt's patience."""
    server.will(stays_silent)
    with pytest.raises(PleoTimeout):
        await hasty.job(JOB_ID)
    assert len(server.requests) == 3


async def test_silence_after_an_event_is_doubt(hasty: PleoClient, server: HostileServer) -> None:
    """Pleo may have taken the event and be slow to say so: it is not repeated."""
    server.will(stays_silent)
    with pytest.raises(PleoUnclear):
        await hasty.send_event(JOB_ID, JobEvent.COMPLETED)
    assert len(server.requests) == 1


async def test_a_slow_drip_is_cut_by_the_timeout_of_the_whole_call(server: HostileServer, clock: FakeClock) -> None:
    """Bytes that keep coming do not keep the call alive."""
    server.will(drips(HEAD + b"Content-Length: 100000\r\n\r\n", b" "))
    async with PleoClient(
        base_url=server.url,
        auth=bearer(TOKEN),
        clock=clock,
        random=Random(5),  # noqa: S311 - scatters pauses
        timeouts=Timeouts(connect_s=1.0, read_s=5.0, whole_call_s=0.3),
    ) as client:
        with pytest.raises(PleoTimeout, match=r"within 0\.3 s"):
            await client.job(JOB_ID)
        with pytest.raises(PleoUnclear, match=r"within 0\.3 s"):
            await client.create_job(COMPANY_ID, [ENTRY_ID])


@pytest.mark.parametrize(
    "answer", [resets, http(500), http(503), raw(b"HTTP/1.1 2"), http(200, b" <html>Sign in to the hotel wifi")]
)
async def test_a_doubtful_event_is_sent_once(client: PleoClient, server: HostileServer, answer: Answer) -> None:
    """After a reset, a fault, half an answer or a portal's page Pleo may have taken the event: it is not repeated."""
    server.will(answer)
    with pytest.raises(PleoUnclear):
        await client.send_event(JOB_ID, JobEvent.COMPLETED)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer", [raw(b"HTTP/1.1 202 Accepted\r\nContent-Length: 90\r\n\r\nhalf"), http(202, b"<html>"), http(204)]
)
async def test_an_accepted_event_needs_no_readable_body(
    client: PleoClient, server: HostileServer, answer: Answer
) -> None:
    """The status alone says that the event was taken."""
    server.will(answer)
    await client.send_event(JOB_ID, JobEvent.STARTED)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer", [http(201, b"<html>"), says({"data": 5}, 201), raw(HEAD + b"Content-Length: 9\r\n\r\n")]
)
async def test_a_created_job_that_cannot_be_read_is_unclear(
    client: PleoClient, server: HostileServer, answer: Answer
) -> None:
    """The job may exist although its description is lost; it is not created a second time."""
    server.will(answer)
    with pytest.raises(PleoUnclear):
        await client.create_job(COMPANY_ID, [ENTRY_ID])
    assert len(server.requests) == 1


@pytest.mark.parametrize("doubt", [resets, http(502), raw(HEAD + b"Content-Length: 9\r\n\r\n{")])
async def test_a_doubtful_update_is_repeated(client: PleoClient, server: HostileServer, doubt: Answer) -> None:
    """The same report changes nothing at Pleo, so doubt is answered by sending it again."""
    server.will(doubt, says({"data": [], "errors": []}))
    assert (await client.update_items(JOB_ID, [UPDATE])).errors == ()
    assert [request.body for request in server.requests] == [server.requests[0].body] * 2


async def test_a_422_without_a_body_is_still_understood(client: PleoClient, server: HostileServer) -> None:
    """Each operation has one published 422; it is taken for that when its name is lost."""
    server.will(raw(b"HTTP/1.1 422 X\r\nContent-Length: 50\r\n\r\n{"))
    with pytest.raises(InvalidJobStatusChange):
        await client.send_event(JOB_ID, JobEvent.STARTED)
    with pytest.raises(JobStatusUnprocessable):
        await client.update_items(JOB_ID, [UPDATE])
    with pytest.raises(JobStatusUnprocessable):
        await client.list_export_items(job_id=JOB_ID)


async def test_pleos_words_are_made_printable_and_short(client: PleoClient, server: HostileServer) -> None:
    """Control characters, right-to-left marks and a thousand lines do not reach a terminal."""
    server.will(refuses(400, "BAD\x1b[31m", "line\n" * 5000 + "\u202e"))
    with pytest.raises(PleoBadRequest) as caught:
        await client.job(JOB_ID)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize(("auth", "secret"), [(bearer(TOKEN), TOKEN), (api_key("key-77aa"), "key-77aa")])
async def test_a_secret_that_pleo_quotes_is_taken_out(
    server: HostileServer, clock: FakeClock, auth: httpx.Auth, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the error, nor its fields, nor any log line shows the credential."""
    server.will(refuses(401, "X", f"token {secret} is expired"))
    with caplog.at_level(logging.DEBUG):
        async with PleoClient(base_url=server.url, auth=auth, clock=clock, random=Random(5)) as client:  # noqa: S311
            with pytest.raises(PleoNotAuthenticated) as caught:
                await client.job(JOB_ID)
            assert secret not in repr(vars(client)) + repr(vars(client._transport))
    assert secret not in f"{caught.value!s}{caught.value!r}{vars(caught.value)}{caplog.text}"
    assert "is expired" in caught.value.message


async def test_a_cookie_does_not_come_back(client: PleoClient, server: HostileServer) -> None:
    """What an answer plants is not carried to the next call."""
    server.will(says({"data": job()}, headers={"Set-Cookie": "a=b; Path=/"}))
    await client.job(JOB_ID)
    await client.job(JOB_ID)
    assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "external.pleo.io",
        "ftp://pleo.io",
        "http://",
        "http://[::bad",
        "https://u:p-secret@pleo.io",
        "https://x/?a=b",
    ],
)
def test_an_address_that_is_none_is_said_at_once(clock: FakeClock, base_url: str) -> None:
    """A wrong pleo.base_url is an error of ours, without the password it may hold."""
    with pytest.raises(PleoUnreachable, match="base_url") as caught:
        PleoClient(base_url=base_url, auth=bearer(TOKEN), clock=clock, random=Random(5))  # noqa: S311 - scatters pauses
    assert "p-secret" not in str(caught.value)


async def test_every_attempt_is_recorded(client: PleoClient, server: HostileServer, records: list[CallRecord]) -> None:
    """The observer learns operation, status, count and error class of each attempt."""
    server.will(http(503), resets, says({"data": job()}))
    await client.job(JOB_ID)
    assert [(each.operation, each.status, each.attempt, each.error) for each in records] == [
        ("job", 503, 1, "PleoServerFault"),
        ("job", None, 2, "PleoUnreachable"),
        ("job", 200, 3, None),
    ]


@pytest.mark.parametrize(
    "pages",
    [
        [page([], end="AA")],
        [page([], end="AA"), page([], end="BB"), page([], end="CC")] * 9,
        [{"data": [], "pagination": {"hasNextPage": True}}],
        [{"data": [], "pagination": {"hasNextPage": True, "endCursor": ""}}],
    ],
)
async def test_a_list_that_goes_in_circles_ends(
    client: PleoClient, server: HostileServer, pages: list[dict[str, object]]
) -> None:
    """A cursor that comes back, or none where one is promised, is an error instead of a loop."""
    server.will(*[says(each) for each in pages])
    with pytest.raises(PleoAnswerUnreadable):
        _ = [each async for each in client.jobs()]
    assert len(server.requests) <= 4


def _kin(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for heir in kind.__subclasses__():
        yield from _kin(heir)


def _foreign() -> list[Exception]:
    """Make one of each error of the HTTP library and of the layers below."""
    roots = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict)
    published = {getattr(httpx, name) for name in httpx.__all__}
    kinds = {kind for kind in published if isinstance(kind, type) and issubclass(kind, Exception)}
    kinds |= {kind for root in roots for kind in _kin(root)}
    made: list[Exception] = []
    for kind in sorted(kinds, key=lambda each: each.__name__):
        if issubclass(kind, httpx.HTTPStatusError):
            request = httpx.Request("GET", "http://x")
            made.append(kind("broken", request=request, response=httpx.Response(500, request=request)))
        elif kind in {httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead}:
            made.append(kind())
        else:
            made.append(kind("broken"))
    below = (
        ssl.SSLError("x"),
        ssl.SSLCertVerificationError("x"),
        ConnectionResetError(),
        BrokenPipeError(),
        OSError(5, "x"),
    )
    return [*made, *below, TimeoutError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), ValueError("x")]


class BreakingAuth(httpx.Auth):
    """An authentication that raises what it is told, in the middle of the library's work."""

    def __init__(self, error: Exception, *, after_the_answer: bool) -> None:
        self.error = error
        self.after_the_answer = after_the_answer

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self.after_the_answer:
            yield request
        raise self.error


def test_all_errors_of_the_library_are_known() -> None:
    """The list of errors made here is the library's whole tree, and a tree of a good size."""
    assert len(_foreign()) > 30
    assert all(isinstance(error, transport._FOREIGN) for error in _foreign())


@pytest.mark.parametrize("after_the_answer", [False, True])
@pytest.mark.parametrize("error", _foreign(), ids=lambda error: type(error).__name__)
async def test_no_foreign_error_escapes(
    server: HostileServer, clock: FakeClock, error: Exception, *, after_the_answer: bool
) -> None:
    """Each error of the HTTP library, raised before or after the answer, comes out as one of ours."""
    server.will(says({"data": job()}))
    auth = BreakingAuth(error, after_the_answer=after_the_answer)
    policy = RetryPolicy(attempts=2)
    async with PleoClient(base_url=server.url, auth=auth, clock=clock, random=Random(5), retry=policy) as client:  # noqa: S311
        with pytest.raises(PleoError):
            await client.job(JOB_ID)
        with pytest.raises(PleoUnclear if after_the_answer else PleoError):
            await client.create_job(COMPANY_ID, [ENTRY_ID])
        if not after_the_answer:
            assert not server.requests


def test_all_errors_are_tallybooks() -> None:
    """Whoever catches TallybookError catches all of them."""
    assert all(issubclass(kind, TallybookError) for kind in _kin(PleoError))
