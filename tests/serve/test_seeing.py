"""What can be seen of a server: its metrics, its log, its traces."""

import gzip
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tallybook.telemetry import metrics
from tests.flow.conftest import Stage
from tests.serve.conftest import TOKEN, Serve, Served

ROOT = Path(__file__).resolve().parents[2]
PAGE_ROW = re.compile(r"^\| `(tallybook_[a-z_]+)` \| (\w+) \| (.+?) \| .+ \|$", re.MULTILINE)
PERSONAL = {"name", "note", "email", "firstName", "lastName", "description", "taxIdentifier"}


def exported(stage: Stage, served: Served, items: int, *, troubles: bool = False) -> str:
    stage.found(items, troubles=troubles)
    job = stage.press_export(vendor_based=True)
    served.post("/run", token=TOKEN)
    served.worker.wait_for("job_ended", job_id=job)
    return job


def test_the_page_on_metrics_names_every_metric_with_its_labels() -> None:
    """A metric that is added, renamed or labelled anew is not forgotten on the page."""
    told = {
        name: (kind, "" if labels == "none" else labels.replace("`", ""))
        for name, kind, labels in PAGE_ROW.findall((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"))
    }
    there: dict[str, tuple[str, str]] = {}
    for made in vars(metrics).values():
        if hasattr(made, "_labelnames"):
            ending = "_total" if made._type == "counter" else ""
            there[made._name + ending] = (made._type, ", ".join(made._labelnames))
    assert told == there


def test_the_metrics_count_what_was_done(stage: Stage, served: Served) -> None:
    """A job of ten items, four of them wrong: counted by outcome, result, reason, operation and status."""
    exported(stage, served, 10, troubles=True)
    company = stage.settings().pleo.company_id.lower()
    outcomes = list(stage.outcomes().values())
    failed = [outcome for outcome in outcomes if outcome.get("failureReasonType")]
    assert served.metric('tallybook_items_total{reason="",result="successful"}') == 10 - len(failed)
    for reason in {outcome["failureReasonType"] for outcome in failed}:
        counted = served.metric(f'tallybook_items_total{{reason="{reason}",result="failed"}}')
        assert counted == sum(outcome["failureReasonType"] == reason for outcome in failed)
    outcome = "completed_with_errors" if failed else "completed"
    assert served.metric(f'tallybook_jobs_total{{outcome="{outcome}"}}') == 1
    assert served.metric('tallybook_pleo_calls_total{operation="send_event",status="202"}') == 2
    assert served.metric('tallybook_books_calls_total{call="record",result="ok"}') >= 1
    assert served.metric(f'tallybook_polls_total{{company="{company}",result="ok"}}') >= 1
    assert served.metric(f'tallybook_lane_depth{{company="{company}"}}') == 0
    assert "job_expires_in_seconds{" not in served.get("/metrics").text


def test_a_running_job_shows_its_lane_and_its_time_to_expiry(stage: Stage, served: Served) -> None:
    """One in the lane, and somewhat less than an hour; no label holds the job's id."""
    stage.found(30)
    stage.call("POST", "/latency", {"ms": 400})
    job = stage.press_export(vendor_based=True)
    served.post("/run", token=TOKEN)
    served.worker.wait_for("job_enqueued", job_id=job)
    company = stage.settings().pleo.company_id.lower()
    name = f'tallybook_job_expires_in_seconds{{company="{company}"}}'
    while name not in (text := served.get("/metrics").text):
        pass
    assert 3000 < served.metric(name) <= 3600
    assert served.metric(f'tallybook_lane_depth{{company="{company}"}}') == 1
    assert job not in text
    stage.call("POST", "/latency", {"ms": 0})
    served.worker.wait_for("job_ended", job_id=job)


def texts(value: Any, key: str = "") -> Iterator[str]:
    """All texts of an expense that speak of people and what they bought."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from texts(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each, key)
    elif isinstance(value, str) and key in PERSONAL:
        yield value


def test_nothing_personal_and_no_secret_is_logged(stage: Stage, served: Served) -> None:
    """A whole job with troubles in it: no name, note or supplier, no key, no token, in all that is said."""
    stage.found(40, troubles=True)
    job = stage.press_export(vendor_based=True)
    key = stage.place.key.read_text(encoding="utf-8").strip()
    items = stage.http.get("/v3/export-items", params={"job_id": job, "limit": 100}, auth=(key, "")).json()["data"]
    private = {text for item in items for text in texts(item) if len(text) > 4} | {key, TOKEN}
    assert len(private) > 30
    served.post("/run", token=TOKEN)
    served.worker.wait_for("job_ended", job_id=job)
    served.worker.kill()
    served.worker.end()
    said = json.dumps(served.worker.said, ensure_ascii=False)
    assert "page_done" in said
    assert [text for text in private if text in said] == []


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A collector of traces: its address, and the spans it was sent."""
    spans: list[Any] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportTraceServiceRequest.FromString(body)
            spans.extend(s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", spans
        finally:
            server.shutdown()
            thread.join()


def test_a_job_is_traced_with_its_steps_and_calls(stage: Stage, serve: Serve) -> None:
    """One span of the job, below it its steps, below them the calls to Pleo; ids and statuses, nothing else."""
    with collector() as (address, spans):
        served = serve(stage.place.config, TALLYBOOK_TELEMETRY_OTLP_ENDPOINT=address)
        job = exported(stage, served, 5)
        served.worker.stop()
    (root,) = [span for span in spans if span.name == "export job"]
    steps = {span.span_id: span.name for span in spans if span.parent_span_id == root.span_id}
    assert sorted(steps.values()) == ["1 start", "2 validate", "3-6 page", "7 complete", "7 decide"]
    calls = {span.name for span in spans if span.parent_span_id in steps}
    assert {"pleo job", "pleo send_event", "pleo update_items", "pleo list_export_items"} <= calls
    attributes = {(pair.key, pair.value.string_value) for span in spans for pair in span.attributes}
    assert ("job_id", job) in attributes
    assert {key for key, _ in attributes} == {"job_id", "company_id", "run", "step", "status"}


def test_without_the_setting_nothing_of_opentelemetrys_sdk_is_loaded() -> None:
    """Whoever wants no traces does not pay for them."""
    program = "import sys; import tallybook.cli; print([n for n in sys.modules if n.startswith('opentelemetry.sdk')])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
