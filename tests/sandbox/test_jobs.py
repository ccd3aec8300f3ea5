"""Export jobs: creation, events, cancelling."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

UNKNOWN = "11111111-1111-4111-8111-111111111111"


def refused(answer: httpx.Response, status: int, error_type: str) -> str:
    body = answer.json()
    assert (answer.status_code, body["type"]) == (status, error_type), answer.text
    assert set(body) == {"type", "message"}
    message: str = body["message"]
    return message


def create(pleo: Any, *ids: str, **more: Any) -> httpx.Response:
    body = {"companyId": pleo.company_id, "accountingEntryIds": list(ids)} | more
    answer: httpx.Response = pleo.http.post("/v3/export-jobs", json=body)
    return answer


def test_create_answers_201_with_a_pending_job(pleo: Any) -> None:
    """A new job is pending, counts its items and says who asked for it."""
    ids = pleo.add({}, {})
    user = str(uuid4())
    answer = create(pleo, *ids, employeeId=user, isInteractive=False, options={"vendorBasedBookkeeping": True})
    assert answer.status_code == 201
    job = answer.json()["data"]
    assert job["status"] == "pending"
    assert job["numberOfItems"] == 2
    assert job["createdBy"] == user
    assert job["isInteractive"] is False
    assert job["vendorBasedBookkeeping"] is True
    assert job["expiresIn"] == 3600
    assert job["lastUpdatedAt"] == job["createdAt"]


def test_create_takes_null_for_what_may_be_null(pleo: Any) -> None:
    """Null options are absent options: interactive, not vendor based."""
    job = create(pleo, *pleo.add({}), employeeId=None, isInteractive=None, options=None).json()["data"]
    assert (job["isInteractive"], job["vendorBasedBookkeeping"]) == (True, False)


def test_create_locks_the_entries_in_the_queue(pleo: Any) -> None:
    """An entry of a job stands in the lane queue and cannot be edited."""
    _, (entry,) = pleo.job_of(1)
    assert pleo.lane(entry) == "queue"
    refused(pleo.http.patch(f"/_sandbox/expenses/{entry}", json={"note": "x"}), 409, "EXPENSE_LOCKED")


def test_second_unfinished_job_is_a_409(pleo: Any) -> None:
    """A company has one unfinished job at a time."""
    pleo.job_of(1)
    refused(create(pleo, *pleo.add({})), 409, "EXPORT_ALREADY_IN_PROGRESS")


def test_missing_contra_accounts_are_a_400_on_create(pleo: Any) -> None:
    """A company that has not mapped its Pleo accounts cannot export."""
    ids = pleo.add({})
    pleo.ok(pleo.http.patch("/_sandbox/world", json={"contraAccounts": False}))
    assert "DKK" in refused(create(pleo, *ids), 400, "MISSING_CONTRA_ACCOUNTS")


def test_unknown_entry_is_a_404_and_creates_nothing(pleo: Any) -> None:
    """A job with an entry nobody knows is not created, not even in part."""
    (known,) = pleo.add({})
    refused(create(pleo, known, UNKNOWN), 404, "EXPORT_ENTRY_NOT_FOUND")
    assert pleo.ok(pleo.http.get("/v3/export-jobs"))["data"] == []
    assert pleo.lane(known) == "unexported"


def test_other_company_is_a_403(pleo: Any) -> None:
    """Credentials reach their own company only."""
    refused(create(pleo, companyId=UNKNOWN), 403, "ACCESS_DENIED")
    refused(pleo.http.get("/v3/export-jobs", params={"company_id": UNKNOWN}), 403, "ACCESS_DENIED")


def test_entry_named_twice_counts_once(pleo: Any) -> None:
    """The same entry twice in a creation is one item."""
    (entry,) = pleo.add({})
    assert create(pleo, entry, entry.upper()).json()["data"]["numberOfItems"] == 1


def test_job_without_items_is_created(pleo: Any) -> None:
    """An empty list of entries is legal and makes a job without items."""
    assert create(pleo).json()["data"]["numberOfItems"] == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"companyId": 1, "accountingEntryIds": []}',
        b'{"companyId": "057fe61b-a404-58fb-8ca0-eb8f78fb6cf1"}',
        b'{"companyId": "057fe61b-a404-58fb-8ca0-eb8f78fb6cf1", "accountingEntryIds": ["x"]}',
        b'{"companyId": "057fe61b-a404-58fb-8ca0-eb8f78fb6cf1", "accountingEntryIds": [], "isInteractive": "yes"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_malformed_create_is_a_400_in_pleos_shape(pleo: Any, body: bytes) -> None:
    """Whatever is no creation is answered with {type, message}."""
    headers = {"content-type": "application/json"}
    refused(pleo.http.post("/v3/export-jobs", content=body, headers=headers), 400, "BAD_REQUEST")


def test_body_of_another_media_type_is_a_415(pleo: Any) -> None:
    """A form is no JSON."""
    refused(pleo.http.post("/v3/export-jobs", data={"a": "b"}), 415, "UNSUPPORTED_MEDIA_TYPE")


def test_started_sets_the_start(pleo: Any) -> None:
    """`started` answers 202 without a body and takes the job to in_progress."""
    job_id, _ = pleo.job_of(1)
    answer = pleo.event(job_id, "started")
    assert (answer.status_code, answer.content) == (202, b"")
    job = pleo.job(job_id)
    assert job["status"] == "in_progress"
    assert job["startedAt"] is not None


@pytest.mark.parametrize("event", ["completed", "completed_with_errors", "failed"])
def test_each_last_event_ends_the_job(pleo: Any, event: str) -> None:
    """The three last events are the three final statuses, with the moment of the end."""
    job_id, _ = pleo.started_job_of(1)
    assert pleo.event(job_id, event).status_code == 202
    job = pleo.job(job_id)
    assert job["status"] == event
    assert job["completedAt"] is not None
    assert job["expiredAt"] is None


def test_failed_keeps_its_reason(pleo: Any) -> None:
    """The words and the type of a failure are shown on the job."""
    job_id, _ = pleo.started_job_of(1)
    pleo.event(job_id, "failed", failureReason="No.", failureReasonType="accounting_system_unreachable")
    job = pleo.job(job_id)
    assert (job["failureReason"], job["failureReasonType"]) == ("No.", "accounting_system_unreachable")


def test_pending_job_can_be_failed(pleo: Any) -> None:
    """A job may be refused before it was started."""
    job_id, _ = pleo.job_of(1)
    assert pleo.event(job_id, "failed").status_code == 202


def test_reason_with_another_event_is_ignored(pleo: Any) -> None:
    """A reason belongs to `failed`; with another event it is taken and dropped."""
    job_id, _ = pleo.started_job_of(1)
    assert pleo.event(job_id, "completed", failureReason="x", failureReasonType="validation_failure").status_code == 202
    assert pleo.job(job_id)["failureReason"] is None


@pytest.mark.parametrize("reason", ["unexpected_failure", "vendor_unknown", "nonsense", None, 7])
def test_reason_that_is_no_job_reason_is_a_400(pleo: Any, reason: object) -> None:
    """An item's reason is no job's reason."""
    job_id, _ = pleo.started_job_of(1)
    refused(pleo.event(job_id, "failed", failureReasonType=reason), 400, "BAD_REQUEST")


@pytest.mark.parametrize("event", ["completed", "completed_with_errors"])
def test_pending_job_cannot_be_completed(pleo: Any, event: str) -> None:
    """What was not started cannot be completed."""
    job_id, _ = pleo.job_of(1)
    refused(pleo.event(job_id, event), 422, "INVALID_EXPORT_JOB_STATUS_CHANGE")


@pytest.mark.parametrize("event", ["started", "completed", "completed_with_errors", "failed"])
def test_final_job_takes_no_event(pleo: Any, event: str) -> None:
    """After the end there are no events, not even the same one."""
    job_id, _ = pleo.started_job_of(1)
    pleo.event(job_id, "completed")
    refused(pleo.event(job_id, event), 422, "INVALID_EXPORT_JOB_STATUS_CHANGE")


def test_second_start_is_a_422(pleo: Any) -> None:
    """A running job cannot be started."""
    job_id, _ = pleo.started_job_of(1)
    refused(pleo.event(job_id, "started"), 422, "INVALID_EXPORT_JOB_STATUS_CHANGE")


def test_event_for_an_unknown_job_is_a_404(pleo: Any) -> None:
    """An event needs its job."""
    refused(pleo.event(UNKNOWN, "started"), 404, "EXPORT_NOT_FOUND")


def test_unequal_ids_are_a_400_in_both_profiles(pleo: Any, guide: Any) -> None:
    """The ids under both names must name the same job, in whatever case."""
    for sandbox in (pleo, guide):
        job_id, _ = sandbox.job_of(1)
        refused(sandbox.event(job_id, "started", exportJobId=UNKNOWN), 400, "BAD_REQUEST")
        assert sandbox.event(job_id, "started", exportJobId=job_id.upper()).status_code == 202


def test_reference_requires_job_id(pleo: Any) -> None:
    """By the definition exportJobId alone names no job."""
    job_id, _ = pleo.job_of(1)
    answer = pleo.http.post("/v3/export-job-events", json={"exportJobId": job_id, "event": "started"})
    assert "jobId" in refused(answer, 400, "BAD_REQUEST")


def test_guide_takes_export_job_id_alone_but_not_nothing(guide: Any) -> None:
    """By the guide exportJobId alone names the job."""
    job_id, _ = guide.job_of(1)
    refused(guide.http.post("/v3/export-job-events", json={"event": "started"}), 400, "BAD_REQUEST")
    answer = guide.http.post("/v3/export-job-events", json={"exportJobId": job_id, "event": "started"})
    assert answer.status_code == 202


def test_absent_reason_is_left_out_by_the_reference_and_null_in_the_guide(pleo: Any, guide: Any) -> None:
    """The definition's failureReasonType is not nullable; the guide's samples show null."""
    job_id, (entry,) = pleo.job_of(1)
    assert "failureReasonType" not in pleo.job(job_id)
    assert "failureReasonType" not in pleo.items(job_id)[entry]
    job_id, (entry,) = guide.job_of(1)
    assert guide.job(job_id)["failureReasonType"] is None
    assert guide.items(job_id)[entry]["failureReasonType"] is None


def test_unfinished_items_are_abandoned_when_the_job_ends(pleo: Any) -> None:
    """At the end pending and in_progress become abandoned; what is final stays."""
    job_id, (one, two, three) = pleo.started_job_of(3)
    pleo.update(
        job_id,
        {"accountingEntryId": one, "status": "successful"},
        {"accountingEntryId": two, "status": "in_progress"},
    )
    pleo.event(job_id, "completed_with_errors")
    assert {entry: item["status"] for entry, item in pleo.items(job_id).items()} == {
        one: "successful",
        two: "abandoned",
        three: "abandoned",
    }


def test_lanes_follow_the_outcomes(pleo: Any) -> None:
    """Successful entries are exported; failed and abandoned ones return to unexported."""
    job_id, (one, two, three) = pleo.started_job_of(3)
    pleo.update(
        job_id, {"accountingEntryId": one, "status": "successful"}, {"accountingEntryId": two, "status": "failed"}
    )
    pleo.event(job_id, "completed_with_errors")
    assert [pleo.lane(entry) for entry in (one, two, three)] == ["exported", "unexported", "unexported"]
    assert pleo.ok(pleo.http.get("/_sandbox/world"))["counts"] == {"unexported": 2, "queue": 0, "exported": 1}


def test_exported_entry_can_be_exported_again(pleo: Any) -> None:
    """The same entry may come again in a later job, as pending; the lookup shows the latest."""
    job_id, (entry,) = pleo.started_job_of(1)
    pleo.update(job_id, {"accountingEntryId": entry, "status": "successful", "externalId": "7"})
    pleo.event(job_id, "completed")
    again = pleo.export(entry)["id"]
    found = pleo.ok(pleo.http.get("/v3/export-job-items", params={"accounting_entry_id": entry}))["data"]
    assert (found["exportJobId"], found["status"], found["externalId"]) == (again, "pending", None)
    assert pleo.items(job_id)[entry]["status"] == "successful"


def test_cancel_ends_the_job_as_canceled_by_user(pleo: Any) -> None:
    """A user's cancelling is a failed job with its own reason."""
    job_id, _ = pleo.started_job_of(1)
    pleo.ok(pleo.http.post(f"/_sandbox/jobs/{job_id}/cancel"))
    job = pleo.job(job_id)
    assert (job["status"], job["failureReasonType"]) == ("failed", "canceled_by_user")


def test_jobs_are_filtered_by_repeated_statuses(pleo: Any) -> None:
    """`statuses` may be repeated; an unknown one is a 400."""
    first, _ = pleo.started_job_of(1)
    pleo.event(first, "completed")
    second, _ = pleo.job_of(1)

    def listed(*statuses: str) -> list[str]:
        found = pleo.ok(pleo.http.get("/v3/export-jobs", params={"statuses": list(statuses)}))
        return [job["id"] for job in found["data"]]

    assert listed("pending") == [second]
    assert listed("completed", "pending") == [first, second]
    assert listed("failed") == []
    assert listed() == [first, second]
    refused(pleo.http.get("/v3/export-jobs", params={"statuses": "done"}), 400, "BAD_REQUEST")


def test_unknown_job_is_a_404_and_a_malformed_id_a_400(pleo: Any) -> None:
    """Not every string is a job id."""
    refused(pleo.http.get(f"/v3/export-jobs/{UNKNOWN}"), 404, "EXPORT_NOT_FOUND")
    refused(pleo.http.get("/v3/export-jobs/7"), 400, "BAD_REQUEST")


def test_job_id_is_read_in_any_case(pleo: Any) -> None:
    """A UUID is the same in capitals."""
    job_id, _ = pleo.job_of(1)
    assert pleo.job(job_id.upper())["id"] == job_id


def test_unknown_path_and_method_answer_in_pleos_shape(pleo: Any) -> None:
    """Also 404 and 405 carry {type, message}."""
    refused(pleo.http.get("/v3/nowhere"), 404, "NOT_FOUND")
    answer = pleo.http.delete("/v3/export-jobs")
    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, POST"
