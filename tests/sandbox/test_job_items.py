"""Export job items: reading them and reporting results."""

from typing import Any

import pytest

UNKNOWN = "11111111-1111-4111-8111-111111111111"


def test_success_is_stored_with_its_record(pleo: Any) -> None:
    """A successful item shows id, link and time of the record, the time in UTC."""
    job_id, (entry,) = pleo.started_job_of(1)
    update = {
        "accountingEntryId": entry.upper(),
        "status": "successful",
        "externalId": "JE-7",
        "externalUrl": "https://books.example/7",
        "exportedAt": "2026-03-01T10:00:00.25+02:00",
    }
    answer = pleo.ok(pleo.update(job_id, update))
    expected = update | {
        "accountingEntryId": entry,
        "exportJobId": job_id,
        "exportedAt": "2026-03-01T08:00:00Z",
        "failureReason": None,
    }
    assert answer == {"data": [expected], "errors": []}
    assert pleo.items(job_id)[entry] == expected


def test_failure_is_stored_with_its_reason(pleo: Any) -> None:
    """A failed item shows words and type of the reason."""
    job_id, (entry,) = pleo.started_job_of(1)
    update = {
        "accountingEntryId": entry,
        "status": "failed",
        "failureReason": "line one\n" * 1000,
        "failureReasonType": "tag_unknown",
    }
    pleo.ok(pleo.update(job_id, update))
    item = pleo.items(job_id)[entry]
    assert (item["failureReason"], item["failureReasonType"]) == (update["failureReason"], "tag_unknown")


def test_partial_update_takes_the_good_and_names_the_bad(pleo: Any) -> None:
    """One 200 carries the items taken, and each other one with its own error type."""
    job_id, (one, two, three) = pleo.started_job_of(3)
    pleo.ok(pleo.update(job_id, {"accountingEntryId": two, "status": "successful"}))
    answer = pleo.ok(
        pleo.update(
            job_id,
            {"accountingEntryId": one, "status": "successful"},
            {"accountingEntryId": two, "status": "failed"},
            {"accountingEntryId": three, "status": "successful", "externalId": "x" * 256},
            {"accountingEntryId": UNKNOWN, "status": "successful"},
        )
    )
    assert [item["accountingEntryId"] for item in answer["data"]] == [one]
    assert [(error["accountingEntryId"], error["type"]) for error in answer["errors"]] == [
        (two, "EXPORT_ENTRY_STATUS_UPDATE_FAILED"),
        (three, "ACCOUNTING_ENTRY_UPDATE_FAILED"),
        (UNKNOWN, "ACCOUNTING_ENTRY_DOES_NOT_EXIST"),
    ]
    assert all(error["message"] for error in answer["errors"])
    assert {entry: item["status"] for entry, item in pleo.items(job_id).items()} == {
        one: "successful",
        two: "successful",
        three: "pending",
    }


@pytest.mark.parametrize("final", ["successful", "failed", "abandoned"])
def test_same_final_status_is_accepted_again_and_no_other(pleo: Any, final: str) -> None:
    """A final status may be repeated, after a lost answer, but not changed."""
    job_id, (entry,) = pleo.started_job_of(1)
    for _ in range(2):
        assert pleo.ok(pleo.update(job_id, {"accountingEntryId": entry, "status": final}))["errors"] == []
    others = {"pending", "in_progress", "failed", "successful", "abandoned"} - {final}
    for other in sorted(others):
        answer = pleo.ok(pleo.update(job_id, {"accountingEntryId": entry, "status": other}))
        assert [error["type"] for error in answer["errors"]] == ["EXPORT_ENTRY_STATUS_UPDATE_FAILED"]
    assert pleo.items(job_id)[entry]["status"] == final


def test_repeated_status_keeps_what_was_known(pleo: Any) -> None:
    """A repeated report without an id does not wipe the id."""
    job_id, (entry,) = pleo.started_job_of(1)
    pleo.update(job_id, {"accountingEntryId": entry, "status": "successful", "externalId": "7"})
    pleo.update(job_id, {"accountingEntryId": entry, "status": "successful"})
    assert pleo.items(job_id)[entry]["externalId"] == "7"


def test_same_entry_twice_in_one_call_is_judged_in_order(pleo: Any) -> None:
    """The second element about an entry meets what the first one did."""
    job_id, (entry,) = pleo.started_job_of(1)
    answer = pleo.ok(
        pleo.update(
            job_id,
            {"accountingEntryId": entry, "status": "successful"},
            {"accountingEntryId": entry, "status": "failed"},
        )
    )
    assert (len(answer["data"]), len(answer["errors"])) == (1, 1)


def test_hundred_items_are_taken_and_one_more_is_a_413(pleo: Any) -> None:
    """100 is the limit, and above it nothing is taken."""
    job_id, ids = pleo.started_job_of(101)
    updates = [{"accountingEntryId": entry, "status": "successful"} for entry in ids]
    answer = pleo.update(job_id, *updates)
    assert (answer.status_code, answer.json()["type"]) == (413, "EXPORT_JOB_ITEMS_UPDATE_LIMIT")
    assert {item["status"] for item in pleo.items(job_id).values()} == {"pending"}
    assert len(pleo.ok(pleo.update(job_id, *updates[:100]))["data"]) == 100


def test_empty_update_is_accepted(pleo: Any) -> None:
    """An empty array is an array."""
    job_id, _ = pleo.started_job_of(1)
    assert pleo.ok(pleo.update(job_id)) == {"data": [], "errors": []}


def test_update_before_the_start_and_after_the_end_is_a_422(pleo: Any) -> None:
    """Items can be updated only while the job is in progress."""
    job_id, (entry,) = pleo.job_of(1)
    update = {"accountingEntryId": entry, "status": "successful"}
    early = pleo.update(job_id, update)
    pleo.event(job_id, "started")
    pleo.event(job_id, "completed")
    late = pleo.update(job_id, update)
    for answer in (early, late):
        assert (answer.status_code, answer.json()["type"]) == (422, "EXPORT_JOB_STATUS_UNPROCESSABLE")
    assert pleo.items(job_id)[entry]["status"] == "abandoned"


def test_update_of_an_unknown_job_is_a_404(pleo: Any) -> None:
    """An update needs its job."""
    answer = pleo.update(UNKNOWN)
    assert (answer.status_code, answer.json()["type"]) == (404, "EXPORT_NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        '{"items": []}',
        "[1]",
        '[{"status": "successful"}]',
        '[{"accountingEntryId": "%s"}]',
        '[{"accountingEntryId": "%s", "status": "done"}]',
        '[{"accountingEntryId": "%s", "status": "successful", "externalId": null}]',
        '[{"accountingEntryId": "%s", "status": "successful", "externalId": 7}]',
        '[{"accountingEntryId": "%s", "status": "successful", "exportedAt": "yesterday"}]',
        '[{"accountingEntryId": "%s", "status": "successful", "exportedAt": "2026-02-30T00:00:00Z"}]',
        '[{"accountingEntryId": "%s", "status": "failed", "failureReasonType": "job_expired"}]',
        '[{"accountingEntryId": "%s", "status": "failed", "failureReason": "\\ud800"}]',
    ],
)
def test_malformed_update_is_a_400_and_changes_nothing(pleo: Any, body: str) -> None:
    """One malformed element spoils the call, unlike one that cannot be applied."""
    job_id, (entry,) = pleo.started_job_of(1)
    content = body.replace("%s", entry)
    headers = {"content-type": "application/json;charset=UTF-8"}
    answer = pleo.http.put(f"/v3/export-jobs/{job_id}/items", content=content, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "BAD_REQUEST"), answer.text
    assert pleo.items(job_id)[entry]["status"] == "pending"


def test_items_are_filtered_by_one_status(pleo: Any) -> None:
    """`status` picks the items in that state, and the total counts them."""
    job_id, ids = pleo.started_job_of(3)
    pleo.update(job_id, {"accountingEntryId": ids[1], "status": "failed"})
    found = pleo.ok(pleo.http.get(f"/v3/export-jobs/{job_id}/items", params={"status": "failed"}))
    assert [item["accountingEntryId"] for item in found["data"]] == [ids[1]]
    assert found["pagination"]["total"] == 1


def test_items_come_in_the_order_of_the_job(pleo: Any) -> None:
    """The control layer keeps the order in which the entries were chosen."""
    ids = pleo.add({}, {}, {})
    job_id = pleo.export(ids[2], ids[0], ids[1])["id"]
    assert list(pleo.items(job_id)) == [ids[2], ids[0], ids[1]]


def test_items_of_an_ended_job_can_be_read(pleo: Any) -> None:
    """The states of the items remain readable."""
    job_id, (entry,) = pleo.started_job_of(1)
    pleo.event(job_id, "failed")
    assert pleo.items(job_id)[entry]["status"] == "abandoned"


def test_lookup_of_an_entry_in_no_job_is_a_404(pleo: Any) -> None:
    """The hidden lookup knows only entries that were in a job."""
    (entry,) = pleo.add({})
    for params in ({"accounting_entry_id": entry, "company_id": pleo.company_id}, {}):
        answer = pleo.http.get("/v3/export-job-items", params=params)
        assert (answer.status_code, answer.json()["type"]) == (404, "EXPORT_ENTRY_NOT_FOUND")
