import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog

from tallybook.outcome import JobReport
from tallybook.pleo.models import JobEvent
from tallybook.sandbox import server
from tests.flow.conftest import Stage

LIMIT_BYTES = 50_000
ENTRY = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"
PDF = b"%PDF-1.4\n%%EOF\n"


class Store(ThreadingHTTPServer):
    """A file store that has gone bad: every path is a way of being no receipt, except /good."""

    daemon_threads = True

    def __init__(self, elsewhere: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.elsewhere = elsewhere  # where /redirect leads
        self.closing = threading.Event()
        self.asked: list[str] = []

    @property
    def where(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: Store

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        name = self.path.strip("/").partition("?")[0]
        with suppress(OSError):  # the caller hung up, as it should
            getattr(self, f"_{name}")()

    def _send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _good(self) -> None:
        self._send(PDF, Content_Type="application/pdf")

    def _html(self) -> None:
        self._send(b"<!doctype html><title>Sign in</title>", Content_Type="application/pdf")

    def _program(self) -> None:
        self._send(b"\x7fELF\x02\x01\x01" + bytes(500), Content_Type="application/pdf")

    def _empty(self) -> None:
        self._send(b"", Content_Type="application/pdf")

    def _said_in_json(self) -> None:
        self._send(b'{"error":"AccessDenied"}', Content_Type="application/pdf")

    def _redirect(self) -> None:
        self._send(b"", 302, Location=f"http://{self.server.elsewhere}/good?signature=hidden")

    def _inward(self) -> None:
        self._send(b"", 302, Location="http://169.254.169.254/latest/meta-data/")

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "40000")
        self.end_headers()
        while not self.server.closing.wait(0.02):
            self.wfile.write(b"%")

    def _announced(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(10**12))
        self.end_headers()
        self.server.closing.wait()

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.closing.is_set():
            self.wfile.write(PDF * 1000)


@contextmanager
def serving(made: Store) -> Iterator[Store]:
    with made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.closing.set()
        made.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def stranger() -> Iterator[Store]:
    """Serve files at an address that no setting allows."""
    with serving(Store()) as made:
        yield made


@pytest.fixture(scope="module")
def store(stranger: Store) -> Iterator[Store]:
    with serving(Store(stranger.where)) as made:
        yield made


@dataclass(frozen=True)
class Bad:
    """Files of an expense (`{store}`, `{stranger}`, `{sandbox}` stand for servers), and what must be said of them."""

    reason: str
    words: tuple[str, ...]
    files: tuple[dict[str, Any], ...]


def bad(url: str, reason: str, *words: str, **declared: Any) -> Bad:
    return Bad(reason, words, ({"url": url, **declared},))


DOWNLOAD, SIZE, KIND = "receipt_download_failure", "receipt_file_size_limit_exceeded", "receipt_conversion_failure"
AGAIN, REPLACE, HOSTS = "export the entry again", "replace the file in Pleo", "pleo.receipt_hosts"
GOOD = {"url": "{store}/good?signature=hidden"}
BAD = {
    "not signed": bad(f"{{sandbox}}/files/{ENTRY}/0?expires=9&signature=hidden", DOWNLOAD, "status 403", AGAIN),
    "gone": bad("{sandbox}/files/nothing?signature=hidden", DOWNLOAD, "status 404", AGAIN),
    "slow": bad("{store}/drip", DOWNLOAD, "did not arrive within 1 s", "try again"),
    "declared huge": bad("{store}/good", SIZE, f"at most {LIMIT_BYTES} are allowed", "smaller", size=10**9),
    "declared small, endless": bad("{store}/endless", SIZE, f"larger than the {LIMIT_BYTES} bytes", "smaller", size=9),
    "announced huge": bad("{store}/announced", SIZE, f"larger than the {LIMIT_BYTES} bytes", "smaller", size=9),
    "a web page": bad("{store}/html", KIND, "web page", REPLACE, type="application/pdf"),
    "a program": bad("{store}/program", KIND, "none of pdf", REPLACE, type="application/pdf"),
    "empty": bad("{store}/empty", KIND, "empty", REPLACE),
    "an error in JSON": bad("{store}/said_in_json", KIND, "none of pdf", REPLACE),
    "another host": bad("https://elsewhere.example/a?signature=hidden", DOWNLOAD, "elsewhere.example", HOSTS),
    "another port": bad("{stranger}/good?signature=hidden", DOWNLOAD, "127.0.0.1:", HOSTS),
    "redirect elsewhere": bad("{store}/redirect", DOWNLOAD, "127.0.0.1:", HOSTS),
    "redirect inward": bad("{store}/inward", DOWNLOAD, "169.254.169.254"),
    "a local file": bad("file:///etc/hostname", DOWNLOAD, "no web address", AGAIN),
    "no address": bad("nonsense", DOWNLOAD, "no web address", AGAIN),
    "no link": bad(" ", DOWNLOAD, "has no link", "add the receipt again"),
    "no connection": bad("http://127.0.0.1:9/x", DOWNLOAD, "127.0.0.1:9", "try again"),
    "the second of two": Bad(KIND, ("Attachment 2: ", "web page"), (GOOD, {"url": "{store}/html"})),
}
# What is good about the others: the number of their files in the book.
GOODS: dict[str, tuple[list[Any], int]] = {
    "one": ([GOOD], 1),
    "two and a gap": ([GOOD, None, {"receipt": 0}], 2),
    "none": ([], 0),
}


@dataclass(frozen=True)
class Export:
    """One export of expenses with bad receipts and with good ones, by their names."""

    report: JobReport
    outcomes: dict[str, dict[str, Any]]
    files: dict[str, int]  # files kept with each entry that is in the book
    kept: list[Path]  # what the book's folder of receipts holds
    left_out: dict[str, str]  # what was logged


def exported(folder: Path, store: Store, rule: str) -> Export:
    with server.running(world="empty") as address, structlog.testing.capture_logs() as log:
        stage = Stage(address, folder)
        stage.found()
        stage.changes = {
            "books": {"attachments": rule, "posting": "posted"},
            "pleo": {
                "receipt_hosts_insecure": [address.url.removeprefix("http://"), store.where, "127.0.0.1:9"],
                "receipt_size_bytes_max": LIMIT_BYTES,
                "receipt_timeout_s": 1,
            },
        }
        listed = {name: list(each.files) for name, each in BAD.items()} | {name: of for name, (of, _) in GOODS.items()}
        text = json.dumps([{"files": files} for files in listed.values()])
        text = text.replace("{store}", f"http://{store.where}").replace("{stranger}", f"http://{store.elsewhere}")
        text = text.replace("{sandbox}", address.url)
        names = dict(zip(stage.add(*json.loads(text)), listed, strict=True))
        report = stage.export()
        with closing(sqlite3.connect(f"file:{stage.place.book}?mode=ro", uri=True)) as book:
            rows = book.execute(
                "SELECT entry_id, (SELECT COUNT(*) FROM attachments a WHERE a.entry = e.id) FROM entries e"
            ).fetchall()
        outcomes = {names[entry]: outcome for entry, outcome in stage.outcomes().items()}
        stage.http.close()
    return Export(
        report=report,
        outcomes=outcomes,
        files={names[entry]: count for entry, count in rows},
        kept=[path for path in folder.glob("book.sqlite.files/**/*") if path.is_file()],
        left_out={names[line["entry_id"]]: line["what"] for line in log if line["event"] == "left_out"},
    )


@pytest.fixture(scope="module")
def required(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Export:
    return exported(tmp_path_factory.mktemp("required"), store, "required")


@pytest.fixture(scope="module")
def best_effort(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Export:
    return exported(tmp_path_factory.mktemp("best-effort"), store, "best_effort")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_receipt_fails_its_entry_with_pleos_reason_and_a_sentence(required: Export, name: str) -> None:
    """The reason is the one Pleo has for it; the sentence says which attachment, what, and what to do."""
    outcome = required.outcomes[name]
    assert (outcome["status"], outcome["failureReasonType"]) == ("failed", BAD[name].reason)
    assert outcome["failureReason"].startswith("Attachment ")
    for part in BAD[name].words:
        assert part in outcome["failureReason"]
    assert "hidden" not in outcome["failureReason"]


def test_under_required_only_entries_with_all_their_files_are_in_the_book(required: Export) -> None:
    """The others are booked with theirs, and nothing is left of the files of those that failed."""
    assert required.files == {name: count for name, (_, count) in GOODS.items()}
    assert required.report.event is not None
    assert required.report.event.event is JobEvent.COMPLETED_WITH_ERRORS
    assert (required.report.successful, required.report.failed) == (len(GOODS), len(BAD))
    assert len({path.name for path in required.kept}) == len(required.kept) == 2  # one content from each server
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in required.kept)


def test_under_best_effort_every_entry_is_booked_with_what_could_be_had(best_effort: Export) -> None:
    """The good ones of several files are kept."""
    expected = dict.fromkeys(BAD, 0) | {name: count for name, (_, count) in GOODS.items()}
    assert best_effort.files == expected | {"the second of two": 1}
    assert best_effort.report.event is not None
    assert best_effort.report.event.event is JobEvent.COMPLETED


@pytest.mark.parametrize("name", BAD)
def test_under_best_effort_what_is_left_out_is_logged(best_effort: Export, name: str) -> None:
    """With the same sentence, and never with the link, which is a key to the file."""
    for part in BAD[name].words:
        assert part in best_effort.left_out[name]
    assert "hidden" not in best_effort.left_out[name]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_link_that_has_died_fails_the_entry_until_it_is_exported_again(stage: Stage, status: int) -> None:
    """One that Pleo gives anew and that is dead too ends the entry; the second export books it."""
    (entry_id,) = stage.add({"files": [{"receipt": 0}]})
    stage.call("POST", "/faults", {"operation": "files", "kind": "status", "status": status, "times": 2})
    assert stage.export().failed == 1
    outcome = stage.outcomes()[entry_id]
    assert outcome["failureReasonType"] == DOWNLOAD
    assert f"status {status}; {AGAIN}" in outcome["failureReason"]
    assert stage.booked() == []
    assert stage.export(only_failed=True).successful == 1


@pytest.mark.parametrize("kind", ["status", "reset", "half"])
def test_a_receipt_that_is_away_for_a_moment_is_fetched_again(stage: Stage, kind: str) -> None:
    """A fault over there is not the entry's."""
    stage.add({"files": [{"receipt": 0}]})
    stage.call("POST", "/faults", {"operation": "files", "kind": kind, "times": 2})
    assert stage.export().successful == 1
    assert len(stage.journal("/files/")) == 3


def test_nobody_is_asked_at_an_address_that_is_not_allowed(required: Export, store: Store, stranger: Store) -> None:
    """Neither by a link nor by a redirect."""
    assert "/redirect" in store.asked
    assert required.outcomes["another port"]["status"] == "failed"
    assert stranger.asked == []
