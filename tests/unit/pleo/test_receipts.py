"""Receipts come whole, from where they may, within limits, or not at all."""

import asyncio
import gzip
import hashlib
import logging
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpcore
import pytest

from tallybook.pleo import receipts
from tallybook.pleo.errors import (
    ReceiptError,
    ReceiptLinkExpired,
    ReceiptLinkRefused,
    ReceiptTooLarge,
    ReceiptUnavailable,
    ReceiptUnsupported,
)
from tallybook.pleo.receipts import ReceiptDownloader
from tallybook.pleo.transport import CallRecord
from tests.unit.pleo.fetching import HEAD, LINK, PDF, SIZE_BYTES_MAX, downloading, fetch, left
from tests.unit.pleo.hostile import Answer, FakeClock, HostileServer, drips, http, raw, resets, stays_silent


async def test_a_receipt_is_stored_under_its_sha256(server: HostileServer, clock: FakeClock, tmp_path: Path) -> None:
    """Name, size and hash are those of the content, and nothing else lies in the directory."""
    server.will(http(200, PDF, {"Content-Type": "text/html"}))
    receipt = await fetch(server, clock, tmp_path)
    digest = hashlib.sha256(PDF).hexdigest()
    assert receipt == receipts.Receipt(tmp_path / f"{digest}.pdf", "application/pdf", digest, len(PDF))
    assert left(tmp_path) == [f"{digest}.pdf"]
    assert receipt.path.read_bytes() == PDF
    assert server.requests[0].target == LINK


async def test_every_attempt_is_told_without_the_link(server: HostileServer, clock: FakeClock, tmp_path: Path) -> None:
    """Name, host, status, attempt and the error's class; nothing of path or query, which is a key to the file."""
    server.will(http(503), resets, http(200, PDF), http(403))
    calls: list[CallRecord] = []
    where = f"127.0.0.1:{server.port}"
    async with downloading(clock, where, observer=calls.append) as downloader:
        await downloader.fetch(server.url + LINK, tmp_path, name="receipt 1 of an entry")
        with pytest.raises(ReceiptLinkExpired):
            await downloader.fetch(server.url + LINK, tmp_path)
    assert [(call.operation, call.status, call.attempt, call.error) for call in calls] == [
        (f"receipt 1 of an entry at {where}", 503, 1, "ReceiptUnavailable"),
        (f"receipt 1 of an entry at {where}", None, 2, "ReceiptUnavailable"),
        (f"receipt 1 of an entry at {where}", 200, 3, None),
        (f"receipt at {where}", 403, 1, "ReceiptLinkExpired"),
    ]


async def test_a_download_that_takes_too_long_is_told_as_cut_off(
    server: HostileServer, clock: FakeClock, tmp_path: Path
) -> None:
    """Its end is not known to whoever made it, and it stands in the list all the same."""
    server.will(stays_silent)
    calls: list[CallRecord] = []
    async with downloading(clock, f"127.0.0.1:{server.port}", whole_call_s=0.2, observer=calls.append) as downloader:
        with pytest.raises(ReceiptUnavailable):
            await downloader.fetch(server.url + LINK, tmp_path)
    assert [(call.status, call.error) for call in calls] == [(None, "cut off")]


async def test_the_same_receipt_twice_is_one_file(server: HostileServer, clock: FakeClock, tmp_path: Path) -> None:
    """A repeat, even at the same time, replaces the file by itself."""
    server.will(http(200, PDF))
    async with downloading(clock, f"127.0.0.1:{server.port}") as downloader:
        found = await asyncio.gather(*[downloader.fetch(server.url + LINK, tmp_path) for _ in range(5)])
    assert len({receipt.path for receipt in found}) == len(left(tmp_path)) == 1


async def test_a_packed_receipt_is_unpacked(server: HostileServer, clock: FakeClock, tmp_path: Path) -> None:
    """A store that packs all the same is understood."""
    server.will(http(200, gzip.compress(PDF), {"Content-Encoding": "gzip"}))
    assert (await fetch(server, clock, tmp_path)).path.read_bytes() == PDF


@pytest.mark.parametrize(
    "answer",
    [
        http(200, PDF + b"x" * SIZE_BYTES_MAX),
        raw(HEAD + b"\r\n" + PDF + b"x" * SIZE_BYTES_MAX),
        raw(HEAD + b"Content-Length: 99999999999999\r\n\r\n" + PDF),
        http(200, gzip.compress(b"%PDF-" + b"x" * 50_000_000, 1), {"Content-Encoding": "gzip"}),
        drips(HEAD + b"\r\n%PDF-", b"x" * 50_000),
    ],
    ids=["whole", "without length", "announced", "packed", "endless"],
)
async def test_a_receipt_too_large_is_cut_off(
    server: HostileServer, clock: FakeClock, tmp_path: Path, answer: Answer
) -> None:
    """Announced or not, packed or not, no more than allowed is taken, and no file is left."""
    server.will(answer)
    with pytest.raises(ReceiptTooLarge, match="200000"):
        await fetch(server, clock, tmp_path)
    assert (left(tmp_path), len(server.requests)) == ([], 1)


@pytest.mark.parametrize(
    ("answer", "attempts"),
    [
        (http(404), 1),
        (http(403, b"<Error>expired</Error>"), 1),
        (http(410), 1),
        (http(204), 1),
        (http(206, PDF), 1),
        (http(500), 3),
        (http(429, headers={"Retry-After": "1"}), 3),
        (resets, 3),
        (raw(b""), 3),
        (raw(b"no http\r\n\r\n"), 3),
        (raw(HEAD + b"Content-Length: 500\r\n\r\n%PDF-"), 3),
        (raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n%PDF-\r\n"), 3),
        (http(200, b"no gzip", {"Content-Encoding": "gzip"}), 1),
        (http(200, gzip.compress(PDF)[:-6], {"Content-Encoding": "gzip"}), 1),
        (http(200, PDF, {"Content-Encoding": "br"}), 1),
    ],
)
async def test_a_link_that_gives_nothing_is_unavailable(
    server: HostileServer, clock: FakeClock, tmp_path: Path, answer: Answer, attempts: int
) -> None:
    """What may mend itself is tried again, the rest is not; no file is left and no signature shown."""
    server.will(answer)
    with pytest.raises(ReceiptUnavailable) as caught:
        await fetch(server, clock, tmp_path)
    assert (left(tmp_path), len(server.requests)) == ([], attempts)
    assert "secret" not in f"{caught.value} {caught.value.__cause__!r}"


async def test_silence_is_unavailable(server: HostileServer, clock: FakeClock, tmp_path: Path) -> None:
    """A store that never answers is given up after three attempts."""
    server.will(stays_silent)
    async with downloading(clock, f"127.0.0.1:{server.port}", read_s=0.1) as downloader:
        with pytest.raises(ReceiptUnavailable):
            await downloader.fetch(server.url + LINK, tmp_path)
    assert (left(tmp_path), len(server.requests)) == ([], 3)


async def test_a_second_attempt_starts_anew(server: HostileServer, clock: FakeClock, tmp_path: Path) -> None:
    """Half a file from a broken attempt is not part of the whole one."""
    server.will(raw(HEAD + b"Content-Length: 500\r\n\r\n%PDF-half"), http(200, PDF))
    receipt = await fetch(server, clock, tmp_path)
    assert (receipt.path.read_bytes(), len(left(tmp_path))) == (PDF, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_dead_link_is_told_from_a_server_in_trouble(
    server: HostileServer, clock: FakeClock, tmp_path: Path, status: int
) -> None:
    """Only for a dead one Pleo is worth asking."""
    server.will(http(status))
    with pytest.raises(ReceiptLinkExpired):
        await fetch(server, clock, tmp_path)
    server.will(http(503))
    with pytest.raises(ReceiptUnavailable) as caught:
        await fetch(server, clock, tmp_path)
    assert not isinstance(caught.value, ReceiptLinkExpired)


async def test_a_slow_drip_is_cut_off(server: HostileServer, clock: FakeClock, tmp_path: Path) -> None:
    """Bytes that keep coming do not keep the download alive, and no file is left."""
    server.will(drips(HEAD + b"Content-Length: 100000\r\n\r\n%PDF-", b"x"))
    async with downloading(clock, f"127.0.0.1:{server.port}", whole_call_s=0.3) as downloader:
        with pytest.raises(ReceiptUnavailable, match=r"within 0\.3 s"):
            await downloader.fetch(server.url + LINK, tmp_path)
    assert left(tmp_path) == []


async def test_a_cancelled_download_leaves_no_file(server: HostileServer, clock: FakeClock, tmp_path: Path) -> None:
    """Ctrl-C in the middle of a file cleans up."""
    arrived = asyncio.Event()

    async def answers_half(writer: asyncio.StreamWriter) -> bool:
        writer.write(HEAD + b"Content-Length: 100000\r\n\r\n%PDF-")
        arrived.set()
        return await stays_silent(writer)

    server.will(answers_half)
    async with downloading(clock, f"127.0.0.1:{server.port}") as downloader:
        fetching = asyncio.create_task(downloader.fetch(server.url + LINK, tmp_path))
        await arrived.wait()
        assert len(left(tmp_path)) == 1
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
    assert left(tmp_path) == []


@pytest.mark.parametrize("body", [b"", b"<!DOCTYPE html><p>Sign in", b'{"error": "expired"}', b"GIF89a" + b"\0" * 99])
async def test_what_is_no_receipt_is_unsupported(
    server: HostileServer, clock: FakeClock, tmp_path: Path, body: bytes
) -> None:
    """The content decides, not the status, the name or the announced type; no file is left."""
    server.will(http(200, body, {"Content-Type": "application/pdf"}))
    with pytest.raises(ReceiptUnsupported):
        await fetch(server, clock, tmp_path)
    assert (left(tmp_path), len(server.requests)) == ([], 1)


async def test_a_redirect_within_allowed_hosts_is_followed(
    server: HostileServer, clock: FakeClock, tmp_path: Path
) -> None:
    """Up to three redirects are followed, relative ones too."""
    moved = [http(status, headers={"Location": f"/step{status}?sig=b"}) for status in (301, 302, 307)]
    server.will(*moved, http(200, PDF))
    await fetch(server, clock, tmp_path)
    assert [request.target for request in server.requests][1:] == ["/step301?sig=b", "/step302?sig=b", "/step307?sig=b"]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/?very-secret",
        "http://localhost/?very-secret",
        "https://evil.example/?very-secret",
        "file:///etc/passwd?very-secret",
        "//127.0.0.1:1/?very-secret",
        "http://[::1/?very-secret",
        "http://user:very-secret@127.0.0.1/",
        "/again",
    ],
)
async def test_a_redirect_elsewhere_is_refused(
    server: HostileServer, clock: FakeClock, tmp_path: Path, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Another host, another scheme, or one redirect too many ends the download; the link shows nowhere."""
    server.will(http(302, headers={"Location": location}))
    with caplog.at_level(logging.DEBUG), pytest.raises(ReceiptLinkRefused) as caught:
        await fetch(server, clock, tmp_path)
    assert "very-secret" not in f"{caught.value}{caplog.text}"
    assert (left(tmp_path), len(server.requests)) == ([], 4 if location == "/again" else 1)


@pytest.mark.parametrize(
    "link",
    [
        "http://files.pleo.example/a",
        "https://pleo.example/a",
        "https://files.pleo.example:8443/a",
        "https://files.pleo.example.evil.example/a",
        "https://files.pleo.example@evil.example/a",
        "https://key:very-secret@files.pleo.example/a",
        "https://127.0.0.1/a",
        "ftp://files.pleo.example/a",
        "data:text/plain,very-secret",
        "",
        "https://",
        "https://\x00/very-secret",
        "https://files.pleo.example:99999999/very-secret",
        "https://[fe80::1%25eth0]/a",
    ],
)
async def test_a_link_elsewhere_is_refused(clock: FakeClock, tmp_path: Path, link: str) -> None:
    """Only https, to the hosts in the settings, without a credential in the link."""
    async with downloading(clock) as downloader:
        with pytest.raises(ReceiptLinkRefused) as caught:
            await downloader.fetch(link, tmp_path)
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_an_allowed_name_with_a_private_address_is_refused(clock: FakeClock, tmp_path: Path, host: str) -> None:
    """Being on the list is not enough: the address behind the name must be public, or nothing is sent."""
    async with HostileServer().serving() as server:
        server.will(http(200, PDF))
        async with ReceiptDownloader(
            allowed_hosts=[f"{host}:{server.port}"],
            clock=clock,
            random=Random(5),  # noqa: S311 - scatters pauses
        ) as downloader:
            with pytest.raises(ReceiptLinkRefused, match="private address"):
                await downloader.fetch(f"https://{host}:{server.port}/a", tmp_path)
        assert not server.requests


async def test_an_unknown_name_is_unavailable(clock: FakeClock, tmp_path: Path) -> None:
    """A name that stands for nothing is a dead link."""
    async with downloading(clock) as downloader:
        with pytest.raises(ReceiptUnavailable):
            await downloader.fetch("https://no-such-host-.pleo.example/a?very-secret", tmp_path)


async def test_a_server_without_tls_is_unavailable(clock: FakeClock, tmp_path: Path) -> None:
    """Https means https, also for a host that may use http."""
    async with HostileServer().serving() as server:
        server.will(http(200, PDF))
        async with downloading(clock, f"127.0.0.1:{server.port}", connect_s=0.2) as downloader:
            with pytest.raises(ReceiptUnavailable):
                await downloader.fetch(f"https://127.0.0.1:{server.port}/a", tmp_path)


async def test_no_directory_is_said_clearly(server: HostileServer, clock: FakeClock, tmp_path: Path) -> None:
    """What is wrong on our own disk is an error of ours, too."""
    server.will(http(200, PDF))
    with pytest.raises(ReceiptUnavailable, match="written to disk"):
        await fetch(server, clock, tmp_path / "missing")


def _kin(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for heir in kind.__subclasses__():
        yield from _kin(heir)


def test_no_error_of_the_library_is_forgotten() -> None:
    """Every exception the library publishes is one we translate, and all of ours are receipt errors."""
    published = {getattr(httpcore, name) for name in httpcore.__all__}
    kinds = [kind for kind in published if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 10
    assert all(issubclass(kind, receipts._FOREIGN) for kind in kinds)
    assert issubclass(socket.gaierror, receipts._FOREIGN)
    assert len(list(_kin(ReceiptError))) == 6


async def test_a_full_disk_fails_the_receipt_and_nothing_else(
    server: HostileServer, clock: FakeClock, tmp_path: Path
) -> None:
    """Closing the file tries to write once more: that failure is the same one, and none of Python's own escapes."""
    server.will(http(200, PDF * 100))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # stands for a disk with 1000 bytes left
    try:
        with pytest.raises(ReceiptUnavailable, match="make room"):
            await fetch(server, clock, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert left(tmp_path) == []
