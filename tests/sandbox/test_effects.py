"""The record of effects: what happened to jobs and items, whatever the caller was answered."""

import contextlib
from typing import Any

import httpx


def effects(pleo: Any) -> list[tuple[str | None, str, str | None]]:
    found = pleo.ok(pleo.http.get("/_sandbox/effects"))["data"]
    return [(effect["entryId"], effect["status"], effect["externalId"]) for effect in found]


def update(pleo: Any, job_id: str, entry_id: str) -> None:
    with contextlib.suppress(httpx.HTTPError):
        pleo.update(job_id, {"accountingEntryId": entry_id, "status": "successful", "externalId": "V-1"})


def test_moves_of_jobs_and_items_are_written_down_in_their_order(pleo: Any) -> None:
    """`started`, an item's result and the final event, each once."""
    job_id, (entry_id,) = pleo.job_of(1)
    pleo.event(job_id, "started")
    update(pleo, job_id, entry_id)
    pleo.event(job_id, "completed")
    assert effects(pleo) == [(None, "in_progress", None), (entry_id, "successful", "V-1"), (None, "completed", None)]


def test_an_update_whose_answer_is_lost_has_taken_place_and_again_when_it_is_sent_again(pleo: Any) -> None:
    """Also one that is cut before the effect: that is none."""
    job_id, (entry_id,) = pleo.job_of(1)
    pleo.event(job_id, "started")
    for phase in ("before", "after"):
        fault = {"operation": "updateExportJobItemsV3", "kind": "reset", "phase": phase}
        pleo.ok(pleo.http.post("/_sandbox/faults", json=fault))
        update(pleo, job_id, entry_id)
    update(pleo, job_id, entry_id)
    assert effects(pleo) == [(None, "in_progress", None), *[(entry_id, "successful", "V-1")] * 2]


def test_a_new_world_has_no_effects(pleo: Any) -> None:
    """They go with the company."""
    job_id, _ = pleo.job_of(1)
    pleo.event(job_id, "started")
    pleo.ok(pleo.http.post("/_sandbox/reset"))
    assert effects(pleo) == []
