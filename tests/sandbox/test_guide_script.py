"""The guide's own lines, host and token aside, end to end."""

import json
import subprocess
from typing import Any


def curl(method: str, url: str, token: str, body: object) -> int:
    """Send what the guide's curl lines send and give the status."""
    finished = subprocess.run(
        [
            *("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--request", method, url),
            *("--header", f"Authorization: Bearer {token}", "--header", "Content-Type: application/json"),
            *("--data", json.dumps(body)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(finished.stdout)


def test_lines_of_the_guide_are_accepted(guide: Any) -> None:
    """started, item results and completed, each with exportJobId as in the guide's samples: 202, 200, 202."""
    job_id, (one, two) = guide.job_of(2)
    events, items = f"{guide.url}/v3/export-job-events", f"{guide.url}/v3/export-jobs/{job_id}/items"
    assert curl("POST", events, guide.access_token, {"exportJobId": job_id, "event": "started"}) == 202
    results = [
        {
            "accountingEntryId": one,
            "status": "successful",
            "externalId": "JE-10045",
            "externalUrl": "https://erp.example.com/journal-entries/10045",
            "exportedAt": "2026-01-15T10:30:00Z",
        },
        {
            "accountingEntryId": two,
            "status": "failed",
            "failureReasonType": "accounting_system_validation_failure",
            "failureReason": "Vendor not found in the accounting system.",
        },
    ]
    assert curl("PUT", items, guide.access_token, results) == 200
    completed = {"exportJobId": job_id, "event": "completed_with_errors"}
    assert curl("POST", events, guide.access_token, completed) == 202
    assert guide.job(job_id)["status"] == "completed_with_errors"


def test_failure_line_of_the_guide_is_accepted(guide: Any) -> None:
    """The guide's sample of a failed job, with its reason."""
    job_id, _ = guide.started_job_of(1)
    body = {
        "exportJobId": job_id,
        "event": "failed",
        "failureReason": "ERP unavailable",
        "failureReasonType": "service_unreachable",
    }
    assert curl("POST", f"{guide.url}/v3/export-job-events", guide.access_token, body) == 202
