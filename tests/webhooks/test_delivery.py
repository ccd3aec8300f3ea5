"""The sandbox tells a receiver of new export jobs, over HTTP, soundly and otherwise."""

import json
import socket
from contextlib import closing
from typing import Any

import pytest

from tallybook.sandbox.courier import RETRIES_AFTER_S
from tests.webhooks.conftest import Stage
from tests.webhooks.signing import SECRET


def test_a_new_export_job_is_told_and_enqueued(stage: Stage) -> None:
    """Created by the button or by the API, it reaches the receiver with company and job."""
    stage.subscribe()
    first = stage.export()
    assert stage.office.jobs.get(timeout=10) == (stage.company_id, first)
    (delivery,) = stage.deliveries()
    assert (delivery["state"], delivery["jobId"], [a["status"] for a in delivery["attempts"]]) == (
        "delivered",
        first,
        [202],
    )
    stage.call("POST", f"/_sandbox/jobs/{first}/cancel")
    ids = stage.call("POST", "/_sandbox/expenses", [{}])["ids"]
    body = {"companyId": stage.company_id, "accountingEntryIds": ids}
    second = stage.call("POST", "/v3/export-jobs", body)["data"]["id"]
    assert stage.office.jobs.get(timeout=10) == (stage.company_id, second)


def test_the_notification_has_the_published_members(stage: Stage) -> None:
    """A snapshot of the job, the event and its id; the job of the snapshot can be read."""
    stage.subscribe()
    job_id = stage.export()
    stage.deliveries()
    ((headers, body),) = stage.office.requests
    sent = json.loads(body)
    job = stage.call("GET", f"/v3/export-jobs/{job_id}")["data"]
    names = {"companyId", "createdAt", "createdBy", "expiresIn", "id", "numberOfItems", "status"}
    assert sent["data"] == {name: job[name] for name in names}
    assert sent["eventType"] == "v1.export-job.created"
    assert headers["webhook-id"].startswith("msg_")
    assert headers["content-type"] == "application/json"


def test_a_subscription_that_is_inactive_deleted_or_to_something_else_is_told_nothing(stage: Stage) -> None:
    """Only active subscriptions to the event are."""
    stage.subscribe(status="INACTIVE")
    stage.subscribe(eventTypes=["v1.vendor.created"])
    stage.call("DELETE", f"/v1/subscriptions/{stage.subscribe()}")
    stage.export()
    assert stage.deliveries() == []


def test_credentials_and_headers_of_a_subscription_are_sent(stage: Stage) -> None:
    """Basic authentication and custom headers, beside the signature."""
    stage.subscribe(
        endpointAuth={"type": "BASIC", "credentials": {"username": "pleo", "password": "open:sésame"}},
        customHeaders={"X-Office": "Copenhagen"},
    )
    stage.export()
    stage.deliveries()
    ((headers, _),) = stage.office.requests
    assert headers["authorization"] == "Basic cGxlbzpvcGVuOnPDqXNhbWU="
    assert headers["x-office"] == "Copenhagen"


def test_several_subscriptions_are_each_told_under_ids_of_their_own(stage: Stage) -> None:
    """One event, two notifications, each signed with its own secret."""
    secrets = [stage.secret(stage.subscribe()), stage.secret(stage.subscribe())]
    stage.office.open(*secrets)
    job_id = stage.export()
    assert stage.statuses() == [[202], [202]]
    assert len({headers["webhook-id"] for headers, _ in stage.office.requests}) == 2
    assert len({json.loads(body)["eventId"] for _, body in stage.office.requests}) == 1
    assert stage.office.all_jobs() == [job_id, job_id]


@pytest.mark.parametrize(
    ("kind", "order", "status", "sentence"),
    [
        ("tampered", {}, 401, "No signature fits"),
        ("wrong_secret", {}, 401, "No signature fits"),
        ("stale", {"ageSeconds": 330}, 401, "more than 300 seconds ago"),
        ("stale", {"ageSeconds": -330}, 401, "seconds in the future"),
        ("huge", {"sizeBytes": 10 * 1024 * 1024}, 413, "larger than 262144 bytes"),
    ],
)
def test_a_notification_that_cannot_be_believed_is_refused(
    stage: Stage, kind: str, order: dict[str, Any], status: int, sentence: str
) -> None:
    """With a sentence that repeats nothing of it, and without any effect."""
    secret = stage.secret(stage.subscribe())
    stage.fault(kind, **order)
    job_id = stage.export()
    assert stage.statuses() == [[status]]
    _, answer = stage.office.answers[0]
    assert sentence in json.loads(answer)["message"]
    for hidden in (secret, secret.removeprefix("whsec_"), job_id, stage.company_id, "msg_"):
        assert hidden not in answer.decode()
    assert stage.office.all_jobs() == []


def test_a_notification_signed_with_a_secret_we_do_not_have_is_refused(stage: Stage) -> None:
    """The secret of another subscription does not do."""
    stage.subscribe()
    stage.office.open(SECRET)
    stage.export()
    assert stage.statuses() == [[401]]
    assert stage.office.all_jobs() == []


def test_one_right_signature_among_several_is_enough(stage: Stage) -> None:
    """As while Pleo replaces a secret."""
    stage.subscribe()
    stage.fault("rotated")
    job_id = stage.export()
    assert stage.statuses() == [[202]]
    ((headers, _),) = stage.office.requests
    assert len(headers["webhook-signature"].split()) == 3
    assert stage.office.all_jobs() == [job_id]


def test_the_wrapper_form_is_understood(stage: Stage) -> None:
    """Id, timestamp and signature in the body, as on Pleo's events page."""
    stage.subscribe()
    stage.fault("wrapped")
    job_id = stage.export()
    assert stage.statuses() == [[202]]
    ((headers, body),) = stage.office.requests
    assert not [name for name in headers if name.startswith("webhook-")]
    assert set(json.loads(body)) == {"webhook-id", "webhook-timestamp", "webhook-signature", "payload"}
    assert stage.office.all_jobs() == [job_id]


@pytest.mark.parametrize(
    "event_type",
    [
        "v1.export-job.created",
        "v1.export.job-created",
        "export-job.created",
        "export.job-created",
        "v2.export-job.created",
    ],
)
def test_every_published_spelling_of_the_event_is_understood(stage: Stage, event_type: str) -> None:
    """Pleo's pages have several."""
    stage.subscribe()
    stage.fault("renamed", eventType=event_type)
    job_id = stage.export()
    assert stage.statuses() == [[202]]
    assert stage.office.all_jobs() == [job_id]


def test_another_event_is_answered_and_nothing_is_enqueued(stage: Stage) -> None:
    """A subscription may be to vendors, too."""
    stage.subscribe()
    stage.fault("renamed", eventType="v1.vendor.created")
    stage.export()
    assert stage.statuses() == [[202]]
    assert stage.office.all_jobs() == []


def test_a_replayed_notification_is_answered_and_not_enqueued_again(stage: Stage) -> None:
    """The same id three times, one job."""
    stage.subscribe()
    stage.fault("duplicate", copies=2)
    job_id = stage.export()
    assert stage.statuses() == [[202, 202, 202]]
    assert len({headers["webhook-id"] for headers, _ in stage.office.requests}) == 1
    assert stage.office.all_jobs() == [job_id]


def test_a_job_that_cannot_be_enqueued_is_told_again(stage: Stage) -> None:
    """503 for as long as it cannot; its id is not taken for a replay afterwards."""
    stage.subscribe()
    stage.office.refuse = 2
    job_id = stage.export()
    assert stage.statuses() == [[503]]
    stage.advance(int(RETRIES_AFTER_S[0]))
    assert stage.statuses() == [[503, 503]]
    stage.advance(int(RETRIES_AFTER_S[1]))
    assert stage.statuses() == [[503, 503, 202]]
    assert stage.office.all_jobs() == [job_id]


def test_a_subscription_that_ends_between_two_attempts_is_told_no_more(stage: Stage) -> None:
    """Deleted or switched off."""
    first, second = stage.subscribe(), stage.subscribe()
    stage.office.open(SECRET)
    stage.export()
    assert stage.statuses() == [[401], [401]]
    stage.call("DELETE", f"/v1/subscriptions/{first}")
    there = {"endpointUrl": f"{stage.office.url}/webhooks/pleo", "eventTypes": ["v1.export-job.created"]}
    stage.call("PUT", f"/v1/subscriptions/{second}", there | {"status": "INACTIVE"})
    stage.advance(int(RETRIES_AFTER_S[0]))
    assert [(each["state"], len(each["attempts"])) for each in stage.deliveries()] == [("dropped", 1)] * 2


def test_a_receiver_that_is_not_there_is_tried_so_often_and_no_more(stage: Stage) -> None:
    """The clock of the sandbox decides when."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}/webhooks/pleo"
    stage.subscribe(nobody)
    stage.export()
    for after_s in RETRIES_AFTER_S:
        assert stage.deliveries()[0]["state"] == "waiting"
        stage.advance(int(after_s))
    (delivery,) = stage.deliveries()
    assert delivery["state"] == "failed"
    assert [attempt["problem"] for attempt in delivery["attempts"]] == ["ConnectError"] * (1 + len(RETRIES_AFTER_S))


def test_a_dropped_notification_never_arrives(stage: Stage) -> None:
    """The next one does."""
    stage.subscribe()
    stage.fault("drop")
    stage.export()
    (dropped,) = stage.deliveries()
    assert (dropped["state"], dropped["attempts"]) == ("dropped", [])
    assert stage.export() == stage.office.jobs.get(timeout=10)[1]


def test_a_delayed_notification_arrives_by_the_clock(stage: Stage) -> None:
    """Not a second earlier."""
    stage.subscribe()
    stage.fault("delay", delaySeconds=600)
    job_id = stage.export()
    stage.advance(595)
    assert stage.statuses() == [[]]
    stage.advance(6)
    assert stage.statuses() == [[202]]
    assert stage.office.all_jobs() == [job_id]


def test_an_overtaken_notification_arrives_after_the_next(stage: Stage) -> None:
    """Out of order."""
    stage.subscribe()
    stage.fault("overtaken")
    first, second = stage.export(), stage.export()
    assert stage.statuses() == [[202], [202]]
    assert stage.office.all_jobs() == [second, first]


def test_faults_wait_for_their_turn_and_can_be_dropped(stage: Stage) -> None:
    """`skip` lets notifications pass, `times` counts them down."""
    stage.subscribe()
    stage.fault("drop", skip=1)
    stage.fault("drop", skip=5, times=2)
    first = stage.export()
    stage.export()
    assert [delivery["state"] for delivery in stage.deliveries()] == ["delivered", "dropped"]
    assert stage.call("GET", "/_sandbox/webhooks/faults") == {"faults": [{"kind": "drop", "times": 2, "skip": 4}]}
    stage.call("DELETE", "/_sandbox/webhooks/faults")
    assert stage.office.all_jobs() == [first]
    assert stage.call("GET", "/_sandbox/webhooks/faults") == {"faults": []}


def test_a_receiver_that_never_answers_keeps_nobody_waiting(stage: Stage) -> None:
    """The API answers as ever while the attempt is in the air, and a new world ends it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stage.subscribe(f"http://127.0.0.1:{silent.getsockname()[1]}/webhooks/pleo")
        job_id = stage.export()
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)  # it is being told, and says nothing
            assert stage.call("GET", f"/v3/export-jobs/{job_id}")["data"]["status"] == "pending"
            assert stage.call("GET", "/_sandbox/webhooks/deliveries")["data"][0]["attempts"] == []
            stage.call("POST", "/_sandbox/worlds", {"world": "empty"})
            while connection.recv(65536):
                pass  # until the sandbox hangs up
    assert stage.deliveries() == []


def test_the_same_world_founded_again_is_told_anew(stage: Stage) -> None:
    """Its jobs have the ids they had, and yet no receiver takes the news for a replay."""
    jobs: list[str] = []
    for _ in range(2):
        stage.call("POST", "/_sandbox/reset")
        subscription = stage.call(
            "POST",
            "/v1/subscriptions",
            {"endpointUrl": f"{stage.office.url}/webhooks/pleo", "eventTypes": ["v1.export-job.created"]},
        )["data"]["id"]
        if not jobs:
            stage.office.open(stage.secret(subscription))
        jobs.append(stage.export())
        assert stage.statuses() == [[202]]
    assert jobs[0] == jobs[1]
    assert stage.office.all_jobs() == jobs
