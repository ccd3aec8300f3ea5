"""What the console's buttons do, beside pausing: look now, look for one job, settle, check."""

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from tallybook.accounting.entry import EntryKey
from tallybook.clock import SystemClock
from tallybook.history.job import SILENT_AFTER
from tallybook.history.recorder import Recorder
from tallybook.history.recording import JobRecording
from tallybook.postings.journal import Journal
from tallybook.postings.posting import JournalState, Posting
from tallybook.store.database import Database
from tallybook.store.tables import job_history
from tests.console.conftest import Browser, Place
from tests.flow.test_check import account, expense

ENTRY = "3f0e8c1a-6d3b-4f60-9a53-1c6f0a7b2d11"
HOSTILE = '<img src=x onerror="alert(1)">\N{RIGHT-TO-LEFT OVERRIDE}'


@pytest.fixture
def uncertain(place: Place) -> Callable[..., Posting]:
    """Makes an entry of which nobody knows whether it is in the books, as a run that was cut off leaves it."""

    def make(**fields: object) -> Posting:
        key = EntryKey(place.company_id, ENTRY)
        given = {
            "state": JournalState.UNCERTAIN,
            "books": "book:one",
            "job_id": "0d9f3c52-3c86-4c07-a1d5-1c2d3e4f5a6b",
            "content_hash": "0" * 64,
            "attempted_at": datetime(2026, 11, 1, 12, tzinfo=UTC),
            "error": "NoAnswer",
        }
        connections = Database(f"sqlite:///{place.database}").connect()
        try:
            journal = Journal(connections)
            there = asyncio.run(journal.read([key])).get(key)
            posting = Posting(key, version=there.version if there else 0, **{**given, **fields})  # type: ignore[arg-type]
            assert asyncio.run(journal.write([posting])) == {key}
        finally:
            connections.dispose()
        return posting

    return make


def version(browser: Browser) -> str:
    found = re.search(r'name="version" value="(\d+)"', browser.get("/uncertain").text)
    assert found is not None
    return found[1]


def settle(browser: Browser, place: Place, how: str, **fields: str) -> str:
    path = f"/uncertain/{place.company_id}/{ENTRY}/{how}"
    return browser.fill_in(path, page="/uncertain", **{"version": version(browser), **fields}).text


def state(place: Place) -> tuple[object, ...]:
    (row,) = place.rows("SELECT state, external_id, settled FROM posting")
    return row


def test_an_entry_that_is_booked_gets_its_number(
    place: Place, browser: Browser, uncertain: Callable[..., Posting]
) -> None:
    """What was attempted is shown; the number is kept, the deed is in the audit log, and nothing is open any more."""
    uncertain()
    shown = browser.get("/uncertain").text
    assert all(text in shown for text in (ENTRY, "2026-11-01 12:00 UTC", "book:one", "NoAnswer"))
    assert "Noted" in settle(browser, place, "booked", number=" M-17 ")
    assert state(place) == ("recorded", "M-17", 1)
    assert "Nothing is uncertain" in browser.get("/uncertain").text
    log = place.rows("SELECT action, entry_id, detail, result FROM console_audit ORDER BY id DESC LIMIT 1")
    assert log == [("settled an entry", ENTRY, "in the books as M-17", "done")]


def test_an_entry_that_is_not_booked_is_recorded_next_time(
    place: Place, browser: Browser, uncertain: Callable[..., Posting]
) -> None:
    """Only by somebody who says to have looked: what is there after all would be booked twice."""
    uncertain()
    assert "tick the box" in settle(browser, place, "not-booked")
    assert state(place)[0] == "uncertain"
    assert "Noted" in settle(browser, place, "not-booked", looked="yes")
    assert state(place) == ("failed", None, 1)


def test_what_has_changed_since_it_was_shown_is_not_settled(
    place: Place, browser: Browser, uncertain: Callable[..., Posting]
) -> None:
    """A page left open: an export has found the entry meanwhile, and what it wrote stays."""
    uncertain()
    seen = version(browser)
    uncertain(state=JournalState.RECORDED, external_id="M-18")
    path = f"/uncertain/{place.company_id}/{ENTRY}/not-booked"
    answer = browser.fill_in(path, version=seen, looked="yes")
    assert "nothing was noted" in answer.text
    assert state(place) == ("recorded", "M-18", 0)
    assert place.rows("SELECT result FROM console_audit ORDER BY id DESC LIMIT 1") == [("refused: NoPosting",)]


@pytest.mark.parametrize("number", ["", "  ", "x" * 201, "a\nb", "a\x00b"])
def test_a_number_is_one_that_can_be_looked_up(
    place: Place, browser: Browser, uncertain: Callable[..., Posting], number: str
) -> None:
    """Anything else is not taken."""
    uncertain()
    assert "Give the number" in settle(browser, place, "booked", number=number)
    assert state(place)[0] == "uncertain"


@pytest.mark.parametrize("entry", ["nothing", "00000000-0000-4000-8000-000000000000"])
def test_an_entry_nobody_knows_is_not_settled(place: Place, browser: Browser, entry: str) -> None:
    """404 for what is no id; a sentence for an id that nothing was attempted for."""
    path = f"/uncertain/{place.company_id}/{entry}/booked"
    answer = browser.fill_in(path, version="1", number="M-19")
    assert answer.status_code == 404 if entry == "nothing" else "nothing was noted" in answer.text


def test_an_entry_that_is_being_written_is_not_settled(
    place: Place, browser: Browser, uncertain: Callable[..., Posting]
) -> None:
    """No buttons, and a page that was open before is refused; an export that is silent counts as cut off."""
    job_id = "0d9f3c52-3c86-4c07-a1d5-1c2d3e4f5a6c"
    uncertain(state=JournalState.INTENT, job_id=job_id, error=None)
    seen = version(browser)
    connections = Database(f"sqlite:///{place.database}").connect()
    try:
        recorder = Recorder(connections, SystemClock(), keep_days=90)
        with JobRecording(recorder, place.company_id, job_id):
            recorder.close()
        shown = browser.get("/uncertain").text
        assert "an export is writing it at this moment" in shown
        assert f"{ENTRY}/not-booked" not in shown
        path = f"/uncertain/{place.company_id}/{ENTRY}/not-booked"
        answer = browser.fill_in(path, version=seen, looked="yes").text
        assert "is writing that entry at this moment: nothing was noted" in answer
        assert state(place)[0] == "intent"
        with connections.begin() as connection:
            told_at = SystemClock().now() - 2 * SILENT_AFTER
            of_job = job_history.c.job_id == job_id
            connection.execute(sa.update(job_history).where(of_job).values(told_at=told_at))
        assert "its export ended before the answer came" in browser.get("/uncertain").text
        assert "Noted" in settle(browser, place, "not-booked", looked="yes")
    finally:
        connections.dispose()


def test_hostile_texts_are_shown_as_text(place: Place, browser: Browser, uncertain: Callable[..., Posting]) -> None:
    """In a number, in the name of the books, and in what is searched for."""
    uncertain(books=HOSTILE, replaces=HOSTILE)
    assert "<img" not in browser.get("/uncertain").text
    settle(browser, place, "booked", number=HOSTILE.rstrip("\N{RIGHT-TO-LEFT OVERRIDE}"))
    audit = browser.get("/audit").text
    assert "<img" not in audit
    assert "&lt;img src=x" in audit
    found = browser.get(f"/accounts/{place.company_id}", params={"sought": HOSTILE * 400})
    assert found.status_code == 200
    assert "<img" not in found.text


def test_the_button_looks_for_jobs_and_exports_what_waits(place: Place, browser: Browser) -> None:
    """An hour before the next poll."""
    place.stage.found(3)
    job = place.stage.press_export(vendor_based=True)
    assert "asking Pleo now" in browser.fill_in(f"/companies/{place.company_id}/look").text
    assert place.served.worker.wait_for("job_ended", job_id=job)["outcome"] == "completed"
    closed = browser.fill_in(f"/companies/{place.company_id}/job", job_id=job.upper())
    assert "Pleo has closed the job" in closed.text


def test_one_job_is_looked_for_again(place: Place, browser: Browser) -> None:
    """Pleo says how it stands; one that is not done is taken up."""
    path = f"/companies/{place.company_id}/job"
    assert "knows no such job" in browser.fill_in(path, job_id="00000000-0000-4000-8000-000000000000").text
    assert "no job&#39;s id" in browser.fill_in(path, job_id="<b>").text
    place.stage.add({})
    job = place.stage.press_export(vendor_based=True)
    assert "shows the job as not done" in browser.fill_in(path, job_id=job).text
    place.served.worker.wait_for("job_ended", job_id=job)


def test_a_job_that_pleos_list_does_not_show_is_taken_up_by_its_id(place: Place, browser: Browser) -> None:
    """The list stays away the whole time; a look for jobs would find nothing."""
    place.stage.add({})
    job = place.stage.press_export(vendor_based=True)
    place.stage.call("POST", "/faults", {"operation": "getExportJobsListV3", "kind": "status", "times": 10_000})
    try:
        assert "has taken it up" in browser.fill_in(f"/companies/{place.company_id}/job", job_id=job).text
        assert place.served.worker.wait_for("job_ended", job_id=job)["outcome"] == "completed"
        assert place.stage.call("GET", "/faults")["faults"] != []
    finally:
        place.stage.call("DELETE", "/faults")


def history_state(place: Place, job: str, *wanted: str) -> str:
    """Wait until the history has the job in one of these states."""
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        rows = place.rows(f"SELECT state FROM job_history WHERE job_id = '{job}'")
        if rows and rows[0][0] in wanted:
            return str(rows[0][0])
    raise AssertionError(rows)


def test_a_job_that_ends_at_pleo_before_it_was_begun_waits_no_longer(place: Place, browser: Browser) -> None:
    """Of a paused company one waits, also when looked for by its id; cancelled, it has ended without us at a look."""
    path = f"/companies/{place.company_id}"
    browser.fill_in(f"{path}/pause")
    try:
        place.stage.add({})
        job = place.stage.press_export(vendor_based=True)
        assert "waits until you resume" in browser.fill_in(f"{path}/job", job_id=job).text
        history_state(place, job, "waiting")
        place.stage.call("POST", f"/jobs/{job}/cancel")
        browser.fill_in(f"{path}/look")
        history_state(place, job, "ended_elsewhere")
        shown = browser.get(f"/jobs/{job}").text
        assert "it ended at Pleo before it was begun" in shown
        assert "<dt>Started</dt><dd>not yet</dd>" in shown
    finally:
        browser.fill_in(f"{path}/resume")


def test_an_action_on_a_company_that_is_not_ours_is_a_404(place: Place, browser: Browser) -> None:
    """And leaves no row in the audit log."""
    before = place.rows("SELECT count(*) FROM console_audit")
    for action in ("look", "pause", "resume", "job"):
        path = f"/companies/00000000-0000-4000-8000-000000000000/{action}"
        assert browser.fill_in(path).status_code == 404
    assert place.rows("SELECT count(*) FROM console_audit") == before


def test_the_check_says_what_tallybook_check_says(place: Place, browser: Browser) -> None:
    """Every part is ready; then a pending export names an account the books lack, here and under Accounts."""
    assert browser.fill_in("/settings/check", page="/settings").text.count(">ready<") >= 4
    place.stage.add(expense(account=account("9998", "<u>Nothing</u> like it")))
    place.stage.press_export()
    checked = browser.fill_in("/settings/check", page="/settings").text
    lacking = browser.get(f"/accounts/{place.company_id}/lacking").text
    for told in (checked, lacking):
        assert "Account number &#34;9998&#34; of the Category &#34;&lt;u&gt;Nothing" in told
        assert "<u>" not in told


def test_two_who_press_the_button_see_the_same_check(place: Place, browser: Browser) -> None:
    """The second joins the one that runs: Pleo and the books are asked once, and the audit log has one row."""
    count = "SELECT count(*) FROM console_audit WHERE action LIKE 'checked%'"
    before = int(str(place.rows(count)[0][0]))
    form = {"form_token": browser.token("/settings")}
    place.stage.call("POST", "/latency", {"ms": 300})
    try:
        for _ in range(2):
            begun = browser.post("/settings/check", data=form, headers={"HX-Request": "true"}).text
            assert "Checking…" in begun
    finally:
        place.stage.call("POST", "/latency", {"ms": 0})
    while "Checking…" in browser.get("/settings/check").text:
        pass
    assert place.rows(count) == [(before + 1,)]


def test_a_check_that_has_nothing_new_to_tell_says_nothing(browser: Browser) -> None:
    """A page that asks for news gets them once; who listens to it is not read the same again."""
    browser.fill_in("/settings/check", page="/settings")
    htmx = {"HX-Request": "true"}
    told = [browser.get(f"/settings/check?seen={seen}", headers=htmx).status_code for seen in range(10)]
    assert sorted(told) == [200] * 9 + [204]


def test_the_accounts_are_those_of_the_books(place: Place, browser: Browser) -> None:
    """Each with its part in the settings; a search by code or name finds some of them."""
    wallet = place.stage.settings().accounts.wallet
    assert wallet is not None
    everything = browser.get(f"/accounts/{place.company_id}").text
    assert "<code>accounts.wallet</code>" in everything
    found = browser.get(f"/accounts/{place.company_id}", params={"sought": wallet}).text
    assert wallet in found
    assert found.count('<th scope="row"') < everything.count('<th scope="row"')
    assert (
        "No account has that code or name"
        in browser.get(f"/accounts/{place.company_id}", params={"sought": "no such thing"}).text
    )


def test_settings_are_shown_without_a_secret(place: Place, browser: Browser) -> None:
    """Each with where it came from: default, file, or the variable that sets it."""
    shown = re.sub(r"\s+", " ", browser.get("/settings").text)
    assert "a-token-of-the-tests" not in shown
    assert place.stage.place.key.read_text(encoding="utf-8").strip() not in shown
    for name, value, origin in (
        ("serve.token", "set, not shown", "variable <code>TALLYBOOK_SERVE_TOKEN</code>"),
        ("serve.poll_every_s", "3600", "variable <code>TALLYBOOK_SERVE_POLL_EVERY_S</code>"),
        ("pleo.company_id", place.stage.settings().pleo.company_id, "settings file"),
        ("pleo.page_size", "100", "default"),
        ("books.book.path", str(place.stage.place.book), "settings file"),
    ):
        row = re.search(rf"<code>{re.escape(name)}</code></th> <td[^>]*>(.*?)</td> <td[^>]*>(.*?)</td>", shown)
        assert row is not None, name
        assert (row[1], row[2].strip()) == (value, origin)
