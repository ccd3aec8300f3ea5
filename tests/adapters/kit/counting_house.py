"""An accounting system over HTTP, small and whole: sessions, a chart, entries by reference, files, drafts, posting.

With `unique` it keeps a reference from being used twice, as some systems do; without it, it takes what it is sent.
"""

import hashlib
import json
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PASSWORD = "open-sesame-7731"
CHART = {
    "accounts": ["1920", "2440", "2640", "6071", "5410"],
    "tax_codes": {"25": "2640"},
    "dimensions": {"project": ["P/1", "P/2"]},
    "vendors": ["V1"],
    "currency": "EUR",
}
FILE_BYTES_MAX = 1_000_000
_FILE = re.compile(r"/entries/(\d+)/files")


class NotTakenError(Exception):
    """What the house says no with: a status, and a word with a value that an adapter tells its leaf by."""

    def __init__(self, status: int, word: str, value: object = "") -> None:
        super().__init__(word)
        self.status = status
        self.body = {"problem": word, "value": value}


@dataclass
class Ledger:
    """What the house holds."""

    unique: bool
    entries: list[dict[str, Any]] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=lambda: {"2025-01-31"})
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], token: str, body: bytes) -> object:
        with self.lock:
            if (method, path) == ("POST", "/sessions"):
                if json.loads(body)["password"] != PASSWORD:
                    raise NotTakenError(401, "password")
                self.sessions.add(fresh := secrets.token_hex(8))
                return {"token": fresh}
            if token not in self.sessions:
                raise NotTakenError(401, "session")
            if (method, path) == ("GET", "/chart"):
                return {**CHART, "closed": sorted(self.closed)}
            if (method, path) == ("GET", "/entries"):
                return [self._shown(entry) for entry in self.entries if entry["reference"] in query["reference"]]
            if (method, path) == ("POST", "/entries"):
                return self._add(json.loads(body))
            if (method, path) == ("POST", "/posted"):
                return self._post(json.loads(body))
            if method == "POST" and (found := _FILE.fullmatch(path)):
                return self._attach(int(found[1]), int(query["position"][0]), body)
            raise NotTakenError(404, "path", path)

    def _shown(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        files = [[position, hashlib.sha256(content).hexdigest()] for position, content in entry["files"].items()]
        kept = ("id", "reference", "hash", "state", "on")
        return {**{name: entry[name] for name in kept}, "files": files}

    def _add(self, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        references = {entry["reference"] for entry in self.entries} if self.unique else set()
        for place, entry in enumerate(wanted):
            try:
                self._check(entry, references)
            except NotTakenError as no:
                no.body["place"] = place
                raise
        for entry in wanted:
            self.entries.append({**entry, "id": len(self.entries) + 1, "state": "draft", "files": {}})
        return [self._shown(entry) for entry in self.entries[len(self.entries) - len(wanted) :]]

    def _check(self, entry: Mapping[str, Any], references: set[str]) -> None:
        if entry["reference"] in references:
            raise NotTakenError(409, "reference", entry["reference"])
        if entry["on"] in self.closed:
            raise NotTakenError(422, "period", entry["on"])
        if not entry["documents"]:
            raise NotTakenError(422, "sums", "no documents")
        for document in entry["documents"]:
            self._check_document(document)

    def _check_document(self, document: Mapping[str, Any]) -> None:
        if document["currency"] != CHART["currency"]:
            raise NotTakenError(422, "currency", document["currency"])
        if document["kind"] != "journal_entry" and document["vendor"] not in CHART["vendors"]:
            raise NotTakenError(422, "vendor", document["vendor"])
        if not document["lines"] or sum(line["amount_minor"] for line in document["lines"]):
            raise NotTakenError(422, "sums", [line["amount_minor"] for line in document["lines"]])
        for line in document["lines"]:
            if line["account"] not in CHART["accounts"]:
                raise NotTakenError(422, "account", line["account"])
            if line["tax_code"] is not None and line["tax_code"] not in CHART["tax_codes"]:
                raise NotTakenError(422, "tax_code", line["tax_code"])
            for group, code in line["dimensions"]:
                if code not in CHART["dimensions"].get(group, ()):  # type: ignore[attr-defined]
                    raise NotTakenError(422, "dimension", f"{group}/{code}")

    def _entry(self, number: int) -> dict[str, Any]:
        if not 1 <= number <= len(self.entries):
            raise NotTakenError(404, "entry", number)
        return self.entries[number - 1]

    def _attach(self, number: int, position: int, content: bytes) -> object:
        entry = self._entry(number)
        if len(content) > FILE_BYTES_MAX:
            raise NotTakenError(413, "size", len(content))
        entry["files"][position] = content
        return {}

    def _post(self, number: int) -> object:
        entry = self._entry(number)
        if entry["state"] == "draft" and entry["on"] in self.closed:
            raise NotTakenError(422, "period", entry["on"])
        entry["state"] = "posted"
        return self._shown(entry)


class CountingHouse:
    """The server, on a free port of 127.0.0.1 until `close`."""

    def __init__(self, *, unique: bool) -> None:
        self.ledger = ledger = Ledger(unique)

        class Desk(_Desk):
            def answer(self, body: bytes) -> object:
                split = urlsplit(self.path)
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                return ledger.answer(self.command, split.path, parse_qs(split.query), token, body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Desk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, body: bytes) -> object:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            status, answer = 200, self.answer(body)
        except NotTakenError as no:
            status, answer = no.status, no.body
        content = json.dumps(answer).encode()
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        del format, args
