"""What a run keeps of a job: of its items ids, numbers, links and the codes they were booked with; nobody's name."""

from collections.abc import Callable
from typing import Any

from tallybook.pleo.models import BookkeepingMethod, ItemFailureReason
from tests.engine.conftest import everything
from tests.engine.worker import Worker
from tests.flow.conftest import Stage


def texts(value: Any) -> set[str]:
    """All texts in a piece of JSON, long enough to be told from a word of our own."""
    if isinstance(value, dict):
        return set().union(*(texts(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(texts(part) for part in value))
    return {value} if isinstance(value, str) and len(value) > 5 else set()


def test_neither_database_nor_log_hold_anything_of_an_item(
    stage: Stage, serve: Callable[..., Worker], url: str
) -> None:
    """A job of which some items fail, and one that fails as a whole for its items: no text of theirs is kept."""
    stage.found(60, troubles=True)
    mixed = stage.press_export(vendor_based=True)
    worker = serve(stage)
    worker.wait_for("job_ended", job_id=mixed)
    failing = stage.press_export(vendor_based=True, only_failed=True)
    assert worker.wait_for("job_ended", job_id=failing)["outcome"] == "failed"
    final = [call for call in stage.journal("export-job-events") if '"failed"' in call["requestBody"]]
    assert "the first reason" in final[0]["requestBody"]  # Pleo is told
    expenses = stage.call("GET", "/expenses?limit=1000&documents=true")["data"]
    ours = {row["document"]["companyId"] for row in expenses}
    theirs = set().union(*(texts(row["document"]) | texts(row["outcome"] or {}) for row in expenses)) - ours
    words = {"completed", "failed", "successful", *ItemFailureReason, *BookkeepingMethod}
    # The posting journal's, so that no entry is booked twice.
    numbered = {row["id"] for row in expenses} | {(row["outcome"] or {}).get("externalId") for row in expenses}
    kept = str(everything(url))
    said = str([line for line in worker.said if line["event"] != "text"])
    jobs = {mixed, failing}
    assert {text for text in theirs - words - jobs - numbered if text in kept} == set()
    assert {text for text in theirs - words - jobs if text in said} == set()
