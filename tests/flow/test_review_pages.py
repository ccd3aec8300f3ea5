"""A Pleo whose lists shift, circle or contradict themselves: a proxy before the sandbox changes single answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.flow.conftest import Stage

Change = Callable[[str, str, Any], Any]  # method, path with query, the answer as JSON -> the answer to give
END_OF_PATIENCE = 60  # calls; none of these tests needs half of it


class Proxy(ThreadingHTTPServer):
    """Forwards every call and lets `change` rewrite what comes back."""

    daemon_threads = True

    def __init__(self, target: str, change: Change) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.change = change
        self.http = httpx.Client(base_url=target, timeout=60, trust_env=False)
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Forward(BaseHTTPRequestHandler):
    server: Proxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        kept = {name: self.headers[name] for name in ("authorization", "content-type") if name in self.headers}
        self.server.calls.append(f"{self.command} {self.path}")
        answer = self.server.http.request(self.command, self.path, content=body, headers=kept)
        status, content = answer.status_code, answer.content
        if len(self.server.calls) > END_OF_PATIENCE:
            status, content = 404, b"{}"
        elif answer.is_success and content:
            content = json.dumps(self.server.change(self.command, self.path, answer.json())).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _forward  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def before(stage: Stage, change: Change) -> Iterator[Proxy]:
    """Put a proxy between Tallybook and the sandbox."""
    with Proxy(stage.url, change) as proxy:
        serving = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        stage.changes.setdefault("pleo", {})["base_url"] = proxy.url
        try:
            yield proxy
        finally:
            proxy.shutdown()
            serving.join()
            proxy.http.close()


def test_a_data_list_that_goes_round_in_circles_ends_the_run_with_a_sentence(stage: Stage) -> None:
    """Two pages that each announce the other would otherwise be fetched for ever."""
    stage.found(12)
    stage.changes = {"pleo": {"page_size": 4}}
    cursors: list[str] = []

    def circle(_method: str, path: str, answer: Any) -> Any:
        if path.startswith("/v3/export-items"):
            cursors.append(answer["pagination"]["endCursor"])
            if not answer["pagination"]["hasNextPage"]:
                answer["pagination"] |= {"hasNextPage": True, "endCursor": cursors[0]}
            answer["data"] = answer["data"][1:]  # so that something is still awaited
        return answer

    job = stage.press_export()
    with before(stage, circle) as proxy:
        (report,) = stage.run(job)
    assert report.event is None
    assert "in circles" in (report.note or "")
    assert len(proxy.calls) < END_OF_PATIENCE
    assert stage.events() == ["started"]


@pytest.mark.parametrize("missing", [1, 5])
def test_an_entry_that_a_shifting_control_list_hid_is_exported_all_the_same(stage: Stage, missing: int) -> None:
    """The job said how many there are; a list that is shorter is read again before anything is called completed."""
    stage.found(5)
    readings = 0

    def hide(method: str, path: str, answer: Any) -> Any:
        nonlocal readings
        if method == "GET" and path.partition("?")[0].endswith("/items"):
            readings += 1
            if readings == 1:
                answer["data"] = answer["data"][missing:]
        return answer

    job = stage.press_export()
    with before(stage, hide):
        (report,) = stage.run(job)
    assert (report.items, report.successful) == (5, 5)
    assert len(stage.booked()) == 5


def test_an_item_named_in_the_errors_of_a_200_is_not_acknowledged_whatever_its_data_say(stage: Stage) -> None:
    """Pleo contradicts itself: the result is sent again, and without agreement the job stays in progress."""
    ids = stage.add({}, {})

    def contradict(method: str, _path: str, answer: Any) -> Any:
        if method == "PUT":
            answer["errors"] = [
                {"accountingEntryId": ids[0], "type": "EXPORT_ENTRY_STATUS_UPDATE_FAILED", "message": "no"}
            ]
        return answer

    job = stage.press_export()
    with before(stage, contradict):
        (report,) = stage.run(job)
    assert report.event is None
    assert stage.events() == ["started"]


def test_a_job_of_another_company_is_left_alone_though_the_list_has_it(stage: Stage) -> None:
    """A list that ignores the company asked for is no reason to start, and fail, somebody else's job."""
    stage.add({})
    stage.press_export()
    other = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"

    def estrange(_method: str, path: str, answer: Any) -> Any:
        if path.startswith("/v3/export-jobs?"):
            answer["data"] = [job | {"companyId": other} for job in answer["data"]]
        return answer

    with before(stage, estrange):
        assert stage.run() == []
    assert stage.events() == []


def test_an_entry_sent_twice_with_links_signed_anew_is_booked_once(stage: Stage) -> None:
    """A receipt's link is made for each row: two links are no different content."""
    stage.add({"files": [{"receipt": 0}]})

    def double(_method: str, path: str, answer: Any) -> Any:
        if path.startswith("/v3/export-items"):
            (row,) = answer["data"]
            again = [file | {"url": f"{file['url']}&again=1"} for file in row["files"]]
            answer["data"] = [row, row | {"files": again}]
        return answer

    stage.press_export()
    with before(stage, double):
        (report,) = stage.run()
    assert (report.items, report.successful) == (1, 1)
