"""Downloads of receipts from a hostile server."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from tallybook.pleo.receipts import Receipt, ReceiptDownloader
from tallybook.pleo.retry import RetryPolicy, Timeouts
from tallybook.pleo.transport import CallRecord
from tests.unit.pleo.hostile import FakeClock, HostileServer

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer <<>>\n%%EOF\n"
LINK = "/files/receipt.pdf?X-Signature=very-secret"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n"
SIZE_BYTES_MAX = 200_000


def downloading(
    clock: FakeClock,
    *hosts: str,
    whole_call_s: float = 30.0,
    connect_s: float = 10.0,
    read_s: float = 10.0,
    observer: Callable[[CallRecord], None] = lambda _: None,
) -> ReceiptDownloader:
    return ReceiptDownloader(
        allowed_hosts=["*.pleo.example"],
        insecure_hosts=hosts,
        size_bytes_max=SIZE_BYTES_MAX,
        timeouts=Timeouts(connect_s=connect_s, read_s=read_s, whole_call_s=whole_call_s),
        retry=RetryPolicy(attempts=3),
        clock=clock,
        random=Random(5),  # noqa: S311 - scatters pauses
        observer=observer,
    )


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def fetch(server: HostileServer, clock: FakeClock, directory: Path, link: str = LINK) -> Receipt:
    async with downloading(clock, f"127.0.0.1:{server.port}") as downloader:
        return await downloader.fetch(server.url + link, directory)
