"""Jobs on the pages: their progress, their outcome, their errors, and that what is final stays final."""

from typing import Any

from tests.sandbox.webapp.conftest import Pages, text_of


def failed(entry_id: str, kind: str = "account_unknown", reason: str = "Account 4999 is not in the books.") -> Any:
    return {
        "accountingEntryId": entry_id,
        "status": "failed",
        "failureReason": reason,
        "failureReasonType": kind,
    }


def successful(entry_id: str, number: str = "JE-10045", url: str = "https://books.example/10045") -> Any:
    return {"accountingEntryId": entry_id, "status": "successful", "externalId": number, "externalUrl": url}


def test_status_follows_the_jobs_events_and_results_wait_for_the_last(pages: Pages) -> None:
    """Reported results are counted while the job runs, and shown once it has ended."""
    good, bad = pages.pleo.add({"supplier": {"name": "Fjordnet"}}, {"supplier": {"name": "Papirgården"}})
    job = pages.export(good, bad)
    assert "Waiting to be started" in pages.seen("/")
    pages.pleo.event(job, "started")
    pages.pleo.ok(pages.pleo.update(job, successful(good), failed(bad)))
    everywhere = ("/", f"/jobs/{job}", f"/jobs/{job}/progress", "/jobs", f"/expenses/{good}", f"/expenses/{bad}")
    shown = " ".join(pages.seen(path) for path in everywhere)
    assert "2 of 2 dealt with" in shown
    for result in ("JE-10045", "4999", "Account unknown", "Failed:", "1 failed", "Review errors"):
        assert result not in shown
    pages.get(f"/jobs/{job}/errors", 409)
    pages.pleo.event(job, "completed_with_errors")
    assert "Export completed with errors 1 of 2 expenses exported, 1 failed." in pages.seen("/")
    assert "JE-10045" in pages.seen(f"/jobs/{job}")
    assert "Account 4999" in pages.seen(f"/expenses/{bad}")


def test_progress_asks_again_until_the_job_has_ended(pages: Pages) -> None:
    """Then the part polls no more, the counts are new, and the lanes hear of it."""
    (entry,) = pages.pleo.add({})
    job = pages.export(entry)
    path = f"/jobs/{job}/progress?counts"
    assert 'hx-trigger="every 1s"' in pages.get(path)
    pages.ended(job, "completed", successful(entry))
    answer = pages.pleo.http.get(path, headers={"HX-Request": "true"})
    assert "every 1s" not in answer.text
    assert answer.headers["hx-trigger"] == "export-ended"
    assert '<span id="count-exported" class="count" hx-swap-oob="true">1</span>' in answer.text


def test_open_page_learns_of_a_job_that_somebody_else_started(pages: Pages) -> None:
    """It asks for one newer than the last it knows, and is left alone while there is none."""
    assert 'hx-get="/jobs/newer?than=0"' in pages.get("/")
    assert pages.pleo.http.get("/jobs/newer?than=0").status_code == 204
    pages.pleo.add({})
    job = pages.pleo.export()["id"]
    assert "Waiting to be started" in pages.get("/jobs/newer?than=0")
    pages.ended(job, "failed")
    assert 'hx-get="/jobs/newer?than=1"' in pages.get("/")
    assert pages.pleo.http.get("/jobs/newer?than=1").status_code == 204


def test_page_left_open_over_a_new_world_is_loaded_anew(pages: Pages) -> None:
    """Polling a job that is gone tells htmx to load the page again."""
    answer = pages.pleo.http.get("/jobs/gone/progress", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-refresh"]) == (200, "true")


def test_finished_job_offers_nothing_that_changes_it(pages: Pages) -> None:
    """Its page has no form, and cancelling by hand is refused."""
    (entry,) = pages.pleo.add({})
    job = pages.export(entry)
    assert f'action="/jobs/{job}/cancel"' in pages.get(f"/jobs/{job}")
    pages.ended(job, "failed")
    assert "<form" not in pages.get(f"/jobs/{job}")
    pages.post(f"/jobs/{job}/cancel", 422)
    assert pages.pleo.job(job)["status"] == "failed"


def test_cancelling_gives_the_expenses_back(pages: Pages) -> None:
    """The job failed by the user's word, and what it held can be changed again."""
    (entry,) = pages.pleo.add({})
    job = pages.export(entry)
    page = text_of(pages.post(f"/jobs/{job}/cancel"))
    assert "The export was cancelled." in page
    assert "Export cancelled" in page
    assert pages.pleo.lane(entry) == "unexported"


def test_expired_job_is_shown_as_such(pages: Pages) -> None:
    """An hour without a word ends it, whichever page looks first."""
    pages.pleo.add({})
    pages.pleo.export()
    pages.pleo.advance(3601)
    assert "Export expired" in pages.seen("/")


def test_errors_are_reviewed_with_reason_kind_amount_supplier_and_place(pages: Pages) -> None:
    """What failed stands before what was never attempted; what was exported is not there."""
    ids = pages.pleo.add(*[{"supplier": {"name": name}} for name in ("Fjordnet", "Nordlys", "Sundets")])
    job = pages.export(*ids)
    pages.ended(job, "completed_with_errors", successful(ids[0]), failed(ids[2]))
    page = pages.seen(f"/jobs/{job}/errors")
    assert "2 of 3 expenses were not exported" in page
    assert page.index("Sundets 100.00 DKK, 2026-11-19") < page.index("Nordlys")
    assert "Reason Account 4999 is not in the books. Kind Failed: Account unknown account_unknown" in page
    assert "Where to mend it the category: choose one whose account the books have." in page
    assert "the export ended before this expense's turn" in page
    assert "Fjordnet" not in page


def test_reason_new_to_us_is_shown_as_it_came(pages: Pages) -> None:
    """A failure without words or kind is shown as well."""
    (entry,) = pages.pleo.add({})
    job = pages.export(entry)
    pages.ended(job, "failed", {"accountingEntryId": entry, "status": "failed"})
    assert "Reason None was given. Kind Failed Where to mend it what the reason names." in pages.seen(
        f"/jobs/{job}/errors"
    )


def test_failed_expenses_are_exported_again_in_a_new_job_of_the_same_kind(pages: Pages) -> None:
    """All of them or those selected; one that is no longer free is refused."""
    ids = pages.pleo.add({}, {}, {})
    job = pages.export(*ids, vendor_based="yes")
    pages.ended(job, "completed_with_errors", successful(ids[0]), failed(ids[1]), failed(ids[2]))
    pages.post(f"/jobs/{job}/export-again", 409, what="selected", entry=ids[0])
    pages.post(f"/jobs/{job}/export-again", what="selected", entry=ids[1])
    new = pages.pleo.ok(pages.pleo.http.get("/_sandbox/jobs"))["data"][-1]
    assert (new["numberOfItems"], new["vendorBasedBookkeeping"]) == (1, True)
    assert "It is now in the lane Export queue." in pages.seen(f"/jobs/{job}/errors")
    pages.ended(new["id"], "completed", successful(ids[1]))
    pages.post(f"/jobs/{job}/export-again", what="all")
    assert pages.pleo.ok(pages.pleo.http.get("/_sandbox/jobs"))["data"][-1]["numberOfItems"] == 1


def test_history_names_every_job_newest_first(pages: Pages) -> None:
    """Who, when, how many, and how it ended."""
    (entry,) = pages.pleo.add({})
    pages.ended(pages.pleo.export(entry)["id"], "failed")
    pages.ended(pages.export(entry), "completed", successful(entry))
    page = pages.seen("/jobs")
    assert page.index("Maja Østergaard 1 1 0 Completed") < page.index("A user 1 0 1 Failed")
