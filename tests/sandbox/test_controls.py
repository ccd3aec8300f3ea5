"""The controls of the world: worlds, expenses, lanes, mends."""

from typing import Any

import pytest


def all_pages(pleo: Any, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = 0
    while after is not None:
        page = pleo.ok(pleo.http.get(path, params=params | {"after": after, "limit": 7}))
        found += page["data"]
        after = page["next"]
    return found


def test_world_tells_company_credentials_and_books(pleo: Any) -> None:
    """Everything a test needs to settle an integration."""
    found = pleo.ok(pleo.http.get("/_sandbox/world"))
    assert found["company"]["id"] == pleo.company_id
    assert (found["apiKey"], found["accessToken"]) == (pleo.api_key, pleo.access_token)
    assert found["counts"] == {"unexported": 0, "queue": 0, "exported": 0}
    assert found["books"]["accounts"]


def test_same_seed_makes_the_same_world(pleo: Any) -> None:
    """Ids, credentials, documents and the next job's id are the seed's."""

    def look() -> tuple[Any, ...]:
        found = pleo.found("demo", items=30)
        job = pleo.export()
        documents = pleo.ok(pleo.http.get("/v3/export-items", params={"limit": 100}))["data"]
        for document in documents:
            for file in document["files"] or []:
                file["url"] = file["url"].partition("?")[0]
        return found["company"], found["apiKey"], job["id"], documents

    assert look() == look()


def test_another_seed_has_other_ids_and_credentials(pleo: Any) -> None:
    """Two worlds cannot be mistaken for each other."""
    first = pleo.ok(pleo.http.get("/_sandbox/world"))
    second = pleo.ok(pleo.http.post("/_sandbox/worlds", json={"world": "empty", "seed": 2}))
    assert first["company"]["id"] != second["company"]["id"]
    assert first["apiKey"] != second["apiKey"]
    assert pleo.http.get("/v3/export-jobs").status_code == 401


def test_reset_brings_the_world_back_as_new(pleo: Any) -> None:
    """Jobs, patches, clock, faults and journal are gone; the expenses are there again."""
    pleo.found("demo", items=5)
    pleo.export()
    pleo.advance(10**6)
    pleo.fault("reset")
    found = pleo.ok(pleo.http.post("/_sandbox/reset"))
    assert found["counts"] == {"unexported": 5, "queue": 0, "exported": 0}
    assert pleo.ok(pleo.http.get("/v3/export-jobs"))["data"] == []
    assert pleo.ok(pleo.http.get("/_sandbox/journal/counts")) == {"GET /v3/export-jobs": 1}


def test_export_takes_the_queue_and_without_one_everything(pleo: Any) -> None:
    """What was queued goes first; an empty queue means all that is unexported."""
    one, two, three = pleo.add({}, {}, {})
    pleo.ok(pleo.http.post("/_sandbox/queue", json={"entryIds": [two]}))
    job_id = pleo.export()["id"]
    assert list(pleo.items(job_id)) == [two]
    pleo.event(job_id, "started")
    pleo.update(job_id, {"accountingEntryId": two, "status": "successful"})
    pleo.event(job_id, "completed")
    assert list(pleo.items(pleo.export()["id"])) == [one, three]


def test_entries_move_between_unexported_and_queue_unless_locked(pleo: Any) -> None:
    """Queued entries can be taken back; those of a running job and exported ones cannot be moved."""
    (entry,) = pleo.add({})
    assert pleo.ok(pleo.http.post("/_sandbox/queue")) == {"moved": 1}
    assert pleo.lane(entry) == "queue"
    pleo.ok(pleo.http.post("/_sandbox/queue", json={"entryIds": [entry], "lane": "unexported"}))
    assert pleo.lane(entry) == "unexported"
    pleo.export()
    locked = pleo.http.post("/_sandbox/queue", json={"entryIds": [entry], "lane": "unexported"})
    assert (locked.status_code, locked.json()["type"]) == (409, "EXPENSE_LOCKED")
    assert pleo.http.post("/_sandbox/queue", json={"lane": "exported"}).status_code == 400


def test_only_failed_takes_failed_and_abandoned(pleo: Any) -> None:
    """The second try carries what the first left behind, and nothing that was never tried."""
    job_id, (one, two, three) = pleo.started_job_of(3)
    pleo.update(
        job_id, {"accountingEntryId": one, "status": "successful"}, {"accountingEntryId": two, "status": "failed"}
    )
    pleo.event(job_id, "completed_with_errors")
    pleo.add({})
    assert list(pleo.items(pleo.export(onlyFailed=True)["id"])) == [two, three]


def test_mend_repairs_every_planned_trouble_once(pleo: Any) -> None:
    """The bookkeeper's work is told item by item, and done when it was done."""
    pleo.found("demo", items=60)
    troubled = [state for state in all_pages(pleo, "/_sandbox/expenses") if state["trouble"]]
    assert troubled
    mended = pleo.ok(pleo.http.post("/_sandbox/mend"))["mended"]
    assert {change["id"] for change in mended} == {state["id"] for state in troubled}
    assert all(change["what"] for change in mended)
    assert pleo.ok(pleo.http.post("/_sandbox/mend")) == {"mended": []}


def test_expenses_show_lane_and_latest_outcome_by_pages(pleo: Any) -> None:
    """A test can read what became of every entry."""
    job_id, ids = pleo.started_job_of(9)
    pleo.update(job_id, {"accountingEntryId": ids[0], "status": "successful", "externalId": "E"})
    pleo.event(job_id, "completed_with_errors")
    states = all_pages(pleo, "/_sandbox/expenses")
    assert [state["id"] for state in states] == ids
    assert (states[0]["lane"], states[0]["outcome"]["externalId"]) == ("exported", "E")
    assert {state["outcome"]["status"] for state in states[1:]} == {"abandoned"}
    assert [state["id"] for state in all_pages(pleo, "/_sandbox/expenses", lane="exported")] == ids[:1]


def test_jobs_are_listed_by_pages(pleo: Any) -> None:
    """All jobs, oldest first."""
    (entry,) = pleo.add({})
    made = []
    for _ in range(8):
        job = pleo.export(entry)
        pleo.event(job["id"], "failed")
        made.append(job["id"])
    assert [job["id"] for job in all_pages(pleo, "/_sandbox/jobs")] == made


def test_merge_patch_removes_with_null_and_replaces_lists(pleo: Any) -> None:
    """RFC 7396, on an expense."""
    (entry,) = pleo.add({"note": "old", "team": {"id": "x", "name": "y"}})
    patch: dict[str, Any] = {"note": None, "team": {"name": "z"}, "files": []}
    document = pleo.ok(pleo.http.patch(f"/_sandbox/expenses/{entry}", json=patch))["document"]
    assert "note" not in document
    assert document["team"] == {"id": "x", "name": "z"}


@pytest.mark.parametrize(
    "body", ["{}", "[1]", "[", '[{"accountingEntryId": "x"}]', '[{"raw": true}]', "[" * 10**5, '[{"a": NaN']
)
def test_malformed_expenses_are_a_400(pleo: Any, body: str) -> None:
    """A test's own mistake is said, not stored."""
    headers = {"content-type": "application/json"}
    answer = pleo.http.post("/_sandbox/expenses", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert pleo.ok(pleo.http.get("/_sandbox/world"))["counts"]["unexported"] == 0


def test_expense_that_exists_is_a_409_and_nothing_is_added(pleo: Any) -> None:
    """All expenses of a call are added, or none."""
    (entry,) = pleo.add({})
    answer = pleo.http.post("/_sandbox/expenses", json=[{}, {"accountingEntryId": entry}])
    assert (answer.status_code, answer.json()["type"]) == (409, "EXPENSE_EXISTS")
    assert pleo.ok(pleo.http.get("/_sandbox/world"))["counts"]["unexported"] == 1


def test_unknown_member_of_a_control_is_a_400(pleo: Any) -> None:
    """A misspelt option does not pass in silence."""
    assert pleo.http.post("/_sandbox/worlds", json={"item": 5}).status_code == 400
