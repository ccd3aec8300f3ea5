"""An accounting system in a process of its own, as naive as many real ones, that writes down every effect it has.

`python -m tests.faults.books_server FOLDER` prints its address and ends when its stdin is closed. Each ledger has a
file FOLDER/LEDGER.jsonl, to which every effect is appended before anything is answered. How much a ledger helps
against a second write is its `safety`: `key` drops a repeated idempotency key, `search` finds entries by their
reference and books whatever it is sent, `none` cannot even search.
"""

import base64
import hashlib
import json
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class Refusal(Exception):
    """What is answered instead: a status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class HungUp(Exception):
    """The server breaks down in the middle of a call, with half of it done."""


@dataclass
class Ledger:
    """The books of one customer: entries by number, in the order in which they were recorded."""

    path: Path
    safety: str
    reference: Json
    refuses: frozenset[str]  # entries it finds wrong for reasons of its own
    breaks_after: int | None = None  # of a coming write only so many parts are done, then the connection is cut
    entries: dict[str, Json] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)

    def find(self, wanted: Json) -> Json:
        if self.safety == "none":
            raise Refusal(404, "this system has no search")
        by_reference: dict[tuple[str, ...], Json] = {}
        for entry in self.entries.values():
            by_reference.setdefault(tuple(entry["reference"]), entry)
        found = [by_reference[each] for each in map(tuple, wanted["references"]) if each in by_reference]
        return {"entries": [self._shown(entry) for entry in found]}

    def record(self, wanted: Json) -> Json:
        return {"entries": [self._record(new) for new in self._parts(wanted["entries"])]}

    def _record(self, new: Json) -> Json:
        if self.safety == "key" and new["key"] in self._keys:
            return self._shown(self.entries[self._keys[new["key"]]])
        if new["reference"][1] in self.refuses:
            return {"refused": "The posting rules of this ledger do not allow this entry"}
        number = f"L-{len(self.entries) + 1:05d}"
        entry = {"id": number, "state": "draft", "files": [], "recordedAt": new["at"], **new}
        self._write("recorded", id=number, reference=new["reference"], content=new["content"])
        self.entries[number] = entry
        self._keys[new["key"]] = number
        return self._shown(entry)

    def files(self, wanted: Json) -> Json:
        return {"files": {number: self._entry(number)["files"] for number in wanted["ids"]}}

    def attach(self, wanted: Json) -> Json:
        for new in self._parts(wanted["files"]):
            entry, content = self._entry(new["id"]), base64.b64decode(new["base64"])
            if hashlib.sha256(content).hexdigest() != new["sha256"]:
                raise Refusal(400, "the file is not what its checksum says")
            self._write("attached", id=new["id"], reference=entry["reference"], file=[new["position"], new["sha256"]])
            entry["files"].append([new["position"], new["sha256"]])
        return {}

    def post(self, wanted: Json) -> Json:
        for number in self._parts(wanted["ids"]):
            entry = self._entry(number)
            if entry["state"] != "posted":
                self._write("posted", id=number, reference=entry["reference"])
                entry["state"] = "posted"
        return {"entries": [self._shown(self._entry(number)) for number in wanted["ids"]]}

    def _parts(self, parts: list[Any]) -> list[Any]:
        """Give the parts of a write one after the other, and break down on the way if it was ordered."""
        if self.breaks_after is None:
            return parts
        done, self.breaks_after = self.breaks_after, None

        def broken() -> Any:
            yield from parts[:done]
            raise HungUp

        made: Any = broken()
        return made  # type: ignore[no-any-return]

    def _entry(self, number: str) -> Json:
        if number not in self.entries:
            raise Refusal(404, f"there is no entry {number}")
        return self.entries[number]

    @staticmethod
    def _shown(entry: Json) -> Json:
        return {name: entry[name] for name in ("id", "reference", "state", "recordedAt", "contentHash", "files")}

    def _write(self, effect: str, **what: Any) -> None:
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"effect": effect, **what}) + "\n")


class Books(ThreadingHTTPServer):
    """All ledgers of one process; one call at a time touches them."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.folder, self.ledgers, self.lock = folder, dict[str, Ledger](), threading.Lock()

    def answer(self, method: str, path: str, body: Json) -> Json:
        _, name, *rest = path.split("/")
        if method == "PUT":
            return self._open(name, body)
        if name not in self.ledgers:
            raise Refusal(404, f"there is no ledger {name}")
        ledger = self.ledgers[name]
        if rest == ["break"]:
            ledger.breaks_after = body["after"]
            return {}
        if (method, rest) == ("GET", ["reference"]):
            return ledger.reference
        calls = {
            "entries/find": ledger.find,
            "entries": ledger.record,
            "files/find": ledger.files,
            "files": ledger.attach,
            "entries/post": ledger.post,
        }
        if method != "POST" or "/".join(rest) not in calls:
            raise Refusal(404, f"{method} {path} is unknown")
        return calls["/".join(rest)](body)

    def _open(self, name: str, body: Json) -> Json:
        """Begin a ledger; one that is there begins anew, with an empty log."""
        path = self.folder / f"{name}.jsonl"
        path.write_text("", encoding="utf-8")
        self.ledgers[name] = Ledger(path, body["safety"], body["reference"], frozenset(body["refuses"]))
        return {}


class _Call(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Books

    def _answer(self) -> None:
        text = self.rfile.read(int(self.headers.get("content-length", 0)))
        status = 200
        try:
            with self.server.lock:
                answer = self.server.answer(self.command, self.path, json.loads(text or "{}"))
        except Refusal as refusal:
            status, answer = refusal.status, {"message": str(refusal)}
        except HungUp:
            self.close_connection = True
            return
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the library looks for these names

    def log_message(self, *_: object) -> None:
        """Say nothing: the log is for effects."""


def main() -> None:
    """Serve until stdin is closed."""
    with Books(Path(sys.argv[1])) as books:
        thread = threading.Thread(target=books.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        sys.stdout.write(f"http://127.0.0.1:{books.server_port}\n")
        sys.stdout.flush()
        sys.stdin.read()
        books.shutdown()


if __name__ == "__main__":
    main()
