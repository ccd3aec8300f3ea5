"""Attachments on the whole way: links that die, downloads that are cut, and a system that takes one file only."""

import asyncio
import io
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader

from tallybook import app
from tallybook.engine.guard import GuardedBooks
from tallybook.outcome import JobReport
from tests.flow.conftest import Stage
from tests.unit.documents.conftest import docx, pdf, picture

THREE = [
    {"receipt": 1},
    {"receipt": 2, "type": "image/jpeg", "size": 20_000},
    {"receipt": 3, "type": "application/pdf", "size": 30_000},
]
ONE_FILE = {"attachments_per_entry_max": 1}


class _Serving(BaseHTTPRequestHandler):
    server: "FileServer"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

    def do_GET(self) -> None:
        body = self.server.contents[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class FileServer(ThreadingHTTPServer):
    """Serves what it is given, each under its path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Serving)
        self.contents: dict[str, bytes] = {}
        self.where = f"127.0.0.1:{self.server_address[1]}"

    def file(self, content: bytes, media_type: str) -> dict[str, Any]:
        """Give what Pleo would say of a file."""
        path = f"/{len(self.contents)}"
        self.contents[path] = content
        return {"url": f"http://{self.where}{path}", "type": media_type, "size": len(content)}


@pytest.fixture
def files(stage: Stage) -> Iterator[FileServer]:
    """A file store of its own, from which receipts may be fetched."""
    with FileServer() as server:
        stage.changes = {"pleo": {"receipt_hosts_insecure": [server.where]}}
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def kept(stage: Stage) -> list[tuple[int, str, Path]]:
    """The files in the book: position, media type and where their content is."""
    with closing(sqlite3.connect(f"file:{stage.place.book}?mode=ro", uri=True)) as book:
        rows = book.execute("SELECT position, media_type, sha256 FROM attachments ORDER BY entry, position").fetchall()
    folder = stage.place.book.with_name(stage.place.book.name + ".files")
    return [(position, media_type, folder / sha256[:2] / sha256) for position, media_type, sha256 in rows]


def run(stage: Stage, capabilities: dict[str, Any]) -> Sequence[JobReport]:
    """Run what is pending into a book that can do less than it can."""

    async def exports() -> Sequence[JobReport]:
        async with app.company(stage.settings(), clock=stage.clock) as company:
            assert isinstance(company.books, GuardedBooks)
            company.books.capabilities = replace(company.books.capabilities, **capabilities)
            return await app.export_pending(company)

    return asyncio.run(exports())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_expired_link_is_renewed(stage: Stage, status: int) -> None:
    """The page is read once more, for all its dead links, and every entry is booked with its files."""
    stage.add(*[{"files": [{"receipt": 1}]}] * 3)
    stage.call("POST", "/faults", {"operation": "files", "kind": "status", "status": status, "times": 3})
    assert stage.export().successful == 3
    assert len(kept(stage)) == 3
    assert len(stage.journal("GET /v3/export-items")) == 2
    assert len(stage.journal("GET /files/")) == 6


def test_a_pleo_that_gives_no_new_links_ends_the_run_and_not_the_entry(stage: Stage) -> None:
    """The next run takes the job up and books it."""
    stage.add({"files": [{"receipt": 1}]})
    job_id = stage.press_export()
    stage.call("POST", "/faults", {"operation": "files", "kind": "status", "status": 403})
    stage.call("POST", "/faults", {"operation": "getExportItemsV3", "kind": "status", "skip": 1, "times": 10})
    (report,) = stage.run(job_id)
    assert (report.event, report.failed) == (None, 0)
    stage.call("DELETE", "/faults")
    (report,) = stage.run(job_id)
    assert report.successful == 1


def test_a_cut_download_goes_on(stage: Stage) -> None:
    """The second half is asked for as such, and the book has the file that Pleo has."""
    stage.add({"files": [{"receipt": 1, "type": "application/pdf", "size": 300_000}]})
    stage.call("POST", "/faults", {"operation": "files", "kind": "half"})
    assert stage.export().successful == 1
    assert [call["status"] for call in stage.journal("GET /files/")] == [200, 206]
    ((_, _, path),) = kept(stage)
    assert path.stat().st_size == 300_000
    assert PdfReader(path).get_num_pages() == 1


def test_a_photo_on_its_side_is_booked_upright(stage: Stage, files: FileServer) -> None:
    """Whatever the accounting system makes of EXIF."""
    stage.add({"files": [files.file(picture("JPEG", (300, 200), 6), "image/jpeg")]})
    assert stage.export().successful == 1
    ((_, _, path),) = kept(stage)
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert (image.size, image.getexif().get(0x0112)) == ((200, 300), None)


def test_a_system_that_takes_one_file_gets_one(stage: Stage) -> None:
    """Three receipts are the three pages of one PDF; an entry with a single one keeps it as it is."""
    stage.add({"files": THREE}, {"files": THREE[1:2]})
    stage.press_export()
    (report,) = run(stage, ONE_FILE)
    assert report.successful == 2
    found = sorted((position, media_type) for position, media_type, _ in kept(stage))
    assert found == [(1, "application/pdf"), (1, "image/jpeg")]
    (merged,) = [path for _, media_type, path in kept(stage) if media_type == "application/pdf"]
    assert PdfReader(merged).get_num_pages() == 3


def test_a_merged_file_is_recognised_by_the_next_run(stage: Stage) -> None:
    """A run that ended before it reported has stored the file; the next one merges the same bytes and stores none."""
    stage.add({"files": THREE})
    stage.press_export()
    stage.call("POST", "/faults", {"operation": "updateExportJobItemsV3", "kind": "reset", "times": 20})
    (report,) = run(stage, ONE_FILE)
    assert report.event is None
    before = kept(stage)
    assert len(before) == 1
    stage.call("DELETE", "/faults")
    (report,) = run(stage, ONE_FILE)
    assert report.successful == 1
    assert kept(stage) == before
    assert len(stage.journal("GET /files/")) == 6


@pytest.mark.parametrize("rule", ["required", "best_effort"])
def test_an_office_file_is_refused_by_rule(stage: Stage, files: FileServer, rule: str) -> None:
    """Under `required` with its entry; under `best_effort` alone."""
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    both = [files.file(pdf("a"), "application/pdf"), files.file(docx(), word)]
    stage.add({"files": both})
    stage.changes["books"] = {"attachments_office": "refuse", "attachments": rule}
    report = stage.export()
    assert (report.successful, report.failed) == ((0, 1) if rule == "required" else (1, 0))
    if rule == "required":
        (outcome,) = stage.outcomes().values()
        assert outcome["failureReasonType"] == "receipt_conversion_failure"
        assert outcome["failureReason"].startswith("Attachment 2 is of the type")
        stage.changes["books"] = {"attachments_office": "pass"}
        assert stage.export(only_failed=True).successful == 1
    assert len(kept(stage)) == (2 if rule == "required" else 1)


def test_a_file_that_is_too_large_for_the_system_and_no_photo_fails_its_entry(stage: Stage) -> None:
    """With the figures and what to do, and no other entry."""
    bad, _ = stage.add({"files": THREE[2:]}, {"files": [{"receipt": 1, "type": "application/pdf", "size": 9_000}]})
    stage.press_export()
    (report,) = run(stage, {"attachment_size_bytes_max": 15_000})
    assert (report.successful, report.failed) == (1, 1)
    outcome = stage.outcomes()[bad]
    assert outcome["failureReasonType"] == "receipt_file_size_limit_exceeded"
    assert "has 30000 bytes, but the accounting system takes at most 15000" in outcome["failureReason"]
    ((_, _, path),) = kept(stage)
    assert path.stat().st_size == 9_000
