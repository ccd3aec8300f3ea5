"""A download that is cut off goes on where it stopped, or begins anew."""

import gzip
import hashlib
from pathlib import Path

import pytest

from tallybook.pleo.errors import ReceiptTooLarge
from tests.unit.pleo.fetching import PDF, SIZE_BYTES_MAX, fetch, left
from tests.unit.pleo.hostile import Answer, FakeClock, HostileServer, http, raw

ETAG = '"v1"'
OFFERED = {"Accept-Ranges": "bytes", "ETag": ETAG}


def _cut(at: int, headers: dict[str, str], body: bytes = PDF, status: int = 200) -> Answer:
    """Announce the whole body and break off after `at` bytes."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return raw(f"HTTP/1.1 {status} OK\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body[:at])


def _rest(start: int, *, etag: str = ETAG, total: int = len(PDF), packed: str = "identity") -> Answer:
    place = f"bytes {start}-{len(PDF) - 1}/{total}"
    body = PDF[start:] if etag == ETAG else b"x" * (len(PDF) - start)
    return http(206, body, {"Content-Range": place, "ETag": etag, "Content-Encoding": packed})


async def test_a_cut_download_goes_on_where_it_stopped(server: HostileServer, clock: FakeClock, tmp_path: Path) -> None:
    """Twice, asking for the rest of the very file that began to come."""
    again = _cut(7, {"Content-Range": f"bytes 10-{len(PDF) - 1}/{len(PDF)}", "ETag": ETAG}, PDF[10:], 206)
    server.will(_cut(10, OFFERED), again, _rest(17))
    receipt = await fetch(server, clock, tmp_path)
    assert (receipt.path.read_bytes(), receipt.sha256, receipt.size_bytes) == (
        PDF,
        hashlib.sha256(PDF).hexdigest(),
        len(PDF),
    )
    asked = [(request.headers.get("range"), request.headers.get("if-range")) for request in server.requests]
    assert asked == [(None, None), ("bytes=10-", ETAG), ("bytes=17-", ETAG)]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": ETAG},
        {"Accept-Ranges": "none", "ETag": ETAG},
        {"Accept-Ranges": "bytes"},
        {"Accept-Ranges": "bytes", "ETag": 'W/"v1"'},
        {"Accept-Ranges": "bytes", "ETag": ETAG, "Content-Encoding": "gzip"},
    ],
)
async def test_without_an_offer_a_cut_download_begins_anew(
    server: HostileServer, clock: FakeClock, tmp_path: Path, headers: dict[str, str]
) -> None:
    """No range is asked for where none was offered, or nothing tells whether the file is the same."""
    packed = "Content-Encoding" in headers
    server.will(_cut(10, headers, gzip.compress(PDF) if packed else PDF), http(200, PDF))
    assert (await fetch(server, clock, tmp_path)).path.read_bytes() == PDF
    assert [request.headers.get("range") for request in server.requests] == [None, None]


@pytest.mark.parametrize(
    "answer",
    [
        http(200, PDF, OFFERED),
        http(416),
        _rest(9),
        _rest(11),
        _rest(10, etag='"v2"'),
        _rest(10, total=len(PDF) + 5),
        _rest(10, packed="gzip"),
        http(206, PDF[10:]),
        http(206, PDF[10:], {"Content-Range": "bytes */*", "ETag": ETAG}),
    ],
    ids=["whole", "416", "before", "after", "other file", "other size", "packed", "unsaid", "odd"],
)
async def test_the_rest_of_another_file_is_not_taken(
    server: HostileServer, clock: FakeClock, tmp_path: Path, answer: Answer
) -> None:
    """Then the whole is fetched anew, without a range, and no byte of the old half is in it."""
    server.will(_cut(10, OFFERED), answer, http(200, PDF))
    receipt = await fetch(server, clock, tmp_path)
    assert (receipt.path.read_bytes(), receipt.size_bytes) == (PDF, len(PDF))
    assert [request.headers.get("range") for request in server.requests[2:]] in ([], [None])


async def test_the_limit_counts_what_came_before_the_cut(
    server: HostileServer, clock: FakeClock, tmp_path: Path
) -> None:
    """A server cannot send more than allowed by sending it in pieces."""
    size = SIZE_BYTES_MAX - 1
    more = raw(
        f"HTTP/1.1 206 OK\r\nETag: {ETAG}\r\nContent-Range: bytes 10-{size - 1}/{size}\r\n\r\n".encode()
        + b"x" * SIZE_BYTES_MAX
    )
    server.will(_cut(10, OFFERED, PDF + b"x" * (size - len(PDF))), more)
    with pytest.raises(ReceiptTooLarge):
        await fetch(server, clock, tmp_path)
    assert left(tmp_path) == []
