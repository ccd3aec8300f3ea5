"""The posting journal in whole exports: corrections, deletions, what a person settles, and what the commands show."""

import asyncio
import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tallybook import app
from tallybook.accounting.entry import EntryKey
from tallybook.adapters.book.database import opened
from tallybook.adapters.book.handing_over import booked
from tallybook.clock import SystemClock
from tallybook.history.history import History
from tallybook.history.recorder import Recorder
from tallybook.history.recording import JobRecording
from tallybook.postings.errors import AnotherWriter
from tallybook.postings.posting import Booking, JournalState, Posting
from tallybook.postings.writing import EntryWriter
from tallybook.store.database import Database
from tests.flow.command import Command, assert_accepted
from tests.flow.conftest import Stage
from tests.postings.test_killed import change, cost

DELETED = "; ".join(
    f"DELETE FROM {table}" for table in ("attachments", "entries", "documents", "line_dimensions", "lines")
)


@pytest.fixture
def tallybook(stage: Stage) -> Command:
    """The command, in the company's folder."""
    return Command(stage.folder)


def exported_again(stage: Stage, entry: str) -> dict[str, str]:
    """Export one expense again; returns its outcome."""
    stage.run(stage.call("POST", "/exports", {"entryIds": [entry]})["id"])
    outcome: dict[str, str] = stage.outcomes()[entry]
    return outcome


def change_book(stage: Stage, statement: str) -> None:
    """Do in the book what an accountant did there."""
    with closing(sqlite3.connect(stage.place.book)) as book, book:
        book.executescript(statement)


def test_an_entry_that_keeps_changing_is_corrected_each_time_and_linked_in_between(stage: Stage) -> None:
    """Whatever it changes to, also back to what it was, the books hold what it is now."""
    (entry,) = stage.add({})
    stage.export()
    stage.changes = {"books": {"on_changed": "correct"}}
    numbers = [exported_again(stage, entry)["externalId"]]
    for value in (17500, 10000, 2500):
        change(stage, entry, value)
        numbers += [exported_again(stage, entry)["externalId"] for _ in range(2)]
        assert cost(stage) == value
    assert numbers == ["000001", "000003", "000003", "000005", "000005", "000007", "000007"]


def test_a_reversal_is_posted_with_the_version_that_replaces_what_it_takes_back(stage: Stage) -> None:
    """All three count, and their sum is the new version."""
    (entry,) = stage.add({})
    stage.changes = {"books": {"on_changed": "correct", "posting": "posted"}}
    stage.export()
    change(stage, entry, 17500)
    exported_again(stage, entry)
    assert states(stage) == ["posted", "posted", "posted"]


def test_the_reversal_of_a_draft_stays_a_draft(stage: Stage) -> None:
    """Posted, it would count without what it takes back; the version that replaces both is posted."""
    (entry,) = stage.add({})
    stage.changes = {"books": {"on_changed": "correct", "posting": "draft"}}
    stage.export()
    change(stage, entry, 17500)
    exported_again(stage, entry)
    stage.changes = {"books": {"on_changed": "correct", "posting": "posted"}}
    exported_again(stage, entry)
    assert states(stage) == ["draft", "draft", "posted"]


def states(stage: Stage) -> list[str]:
    with closing(sqlite3.connect(stage.place.book)) as book:
        return [state for (state,) in book.execute("SELECT state FROM entries ORDER BY number")]


def test_a_corrected_entry_is_linked_by_any_setting(stage: Stage) -> None:
    """Its newest version is what is compared, though an older one bears its key."""
    (entry,) = stage.add({})
    stage.export()
    change(stage, entry, 17500)
    stage.changes = {"books": {"on_changed": "correct"}}
    exported_again(stage, entry)
    for on_changed in ("fail", "link"):
        stage.changes = {"books": {"on_changed": on_changed}}
        assert exported_again(stage, entry)["externalId"] == "000003"
    change(stage, entry, 10000)  # as the first version, which is reversed
    stage.changes = {"books": {"on_changed": "fail"}}
    assert "000003 and has changed" in exported_again(stage, entry)["failureReason"]


def test_the_ledger_of_a_book_with_corrections_is_accepted(stage: Stage, tallybook: Command) -> None:
    """By Beancount and hledger, after corrections of journal entries and of bills with their payments."""
    stage.found(20)
    job = stage.press_export(vendor_based=True)
    stage.run(job)
    entries = [entry for entry, outcome in stage.outcomes().items() if outcome["status"] == "successful"]
    for entry in entries:
        stage.call("PATCH", f"/expenses/{entry}", {"note": "Corrected"})
    stage.changes = {"books": {"on_changed": "correct"}}
    wanted = {"entryIds": entries, "vendorBasedBookkeeping": True}
    (report,) = stage.run(stage.call("POST", "/exports", wanted)["id"])
    assert report.successful == len(entries)
    assert len(stage.booked()) == 3 * len(entries)
    assert tallybook("book", "export", "--book", stage.place.book, stage.folder / "ledger").code == 0
    assert_accepted(stage.folder / "ledger")
    with closing(sqlite3.connect(stage.place.book)) as book:
        pairs = "SELECT SUM(o.open_minor) FROM corrections c JOIN documents d ON d.entry IN (c.entry, c.reversal)"
        (still_open,) = book.execute(f"{pairs} JOIN open_items o ON o.document = d.id").fetchone()
    assert still_open in {0, None}


@pytest.mark.parametrize(("rule", "moved"), [("fail", False), ("next_open", True)])
def test_a_reversal_into_a_closed_period_follows_the_rule(stage: Stage, rule: str, moved: bool) -> None:
    """It fails and changes nothing, or both go to the next open day and the old one stays where it was."""
    (entry,) = stage.add({"date": "2026-09-10T12:00:00Z"})
    stage.export()
    change_book(stage, "INSERT INTO closed_periods VALUES ('2026-09-01', '2026-09-30')")
    change(stage, entry, 17500)
    stage.changes = {"books": {"on_changed": "correct", "closed_period": rule}}
    outcome = exported_again(stage, entry)
    with closing(sqlite3.connect(stage.place.book)) as book:
        days = [day for (day,) in book.execute("SELECT posting_on FROM entries ORDER BY number")]
    if moved:
        assert (days, cost(stage)) == (["2026-09-10", "2026-10-01", "2026-10-01"], 17500)
    else:
        assert (days, outcome["failureReasonType"]) == (["2026-09-10"], "accounting_system_validation_failure")


def test_a_reversal_that_the_books_refuse_changes_nothing(stage: Stage, tallybook: Command) -> None:
    """The entry stays as it is, in the books and in the journal, until a bookkeeper has mended what is in the way."""
    (entry,) = stage.add({})
    stage.export()
    rows = stage.call("GET", "/expenses?limit=100&documents=true")["data"]
    lines = rows[0]["document"]["accountingEntryLines"]
    other = {"code": "3110", "identifier": "acc_3110"}
    patch = {"accountingEntryLines": [line | {"account": line["account"] | other} for line in lines]}
    stage.call("PATCH", f"/expenses/{entry}", patch)
    change_book(stage, "UPDATE accounts SET open = 0 WHERE code = '3640'")
    stage.changes = {"books": {"on_changed": "correct"}}
    job = stage.call("POST", "/exports", {"entryIds": [entry]})["id"]
    stage.run(job)
    assert stage.outcomes()[entry]["failureReasonType"] == "account_unknown"
    assert stage.booked() == [(entry, "000001")]
    (shown,) = map(json.loads, tallybook("items", job, "--config", stage.place.config, "--json").out.splitlines())
    assert (shown["posting"]["state"], shown["posting"]["externalId"]) == ("recorded", "000001")
    change_book(stage, "UPDATE accounts SET open = 1 WHERE code = '3640'")
    assert exported_again(stage, entry)["externalId"] == "000003"


def test_what_was_deleted_in_the_books_is_recorded_anew_when_it_is_exported_again(stage: Stage) -> None:
    """Who presses Export again wants it there; the journal's number is no reason to link what is gone."""
    stage.changes = {"books": {"posting": "draft"}}
    (entry,) = stage.add({})
    stage.export()
    change_book(stage, DELETED)
    assert stage.booked() == []
    assert exported_again(stage, entry)["externalId"] == "000002"
    assert stage.booked() == [(entry, "000002")]


def test_what_a_person_booked_by_hand_is_linked_under_its_number(stage: Stage, tallybook: Command) -> None:
    """The draft was deleted and written anew by hand; what is linked by a person's word gets no file and no posting."""
    stage.changes = {"books": {"posting": "draft"}}
    (entry,) = stage.add({"files": [{"receipt": 0}]})
    stage.export()
    change_book(stage, DELETED)
    done = tallybook("uncertain", "settle", entry, "--booked", "M-17", "--yes", "--config", stage.place.config)
    assert (done.code, "M-17" in done.out) == (0, True)
    stage.changes = {"books": {"posting": "posted"}}
    outcome = exported_again(stage, entry)
    assert (outcome["status"], outcome["externalId"]) == ("successful", "M-17")
    assert stage.booked() == []


def write_posting(stage: Stage, entry: str, state: JournalState = JournalState.INTENT) -> None:
    """Leave in the journal what a run that died left there."""

    async def write() -> None:
        async with app.company(stage.settings(), clock=stage.clock) as company:
            posting = Posting(
                key=EntryKey(company.company_id, entry),
                state=state,
                books=company.books_name,
                job_id="00000000-0000-4000-8000-000000000000",
                content_hash="ab" * 32,
                attempted_at=company.clock.now(),
            )
            assert await company.journal.write([posting])

    asyncio.run(write())


def test_a_worker_that_wakes_up_late_writes_nothing_beside_its_successor(stage: Stage) -> None:
    """It holds a version of the posting that its successor has moved on: the entry it had planned is not written."""
    stage.add({})
    stage.export()
    with opened(stage.place.book) as file:
        (company_id, entry) = file.execute("SELECT company_id, entry_id FROM entries").fetchone()
        (done,) = booked(file, [EntryKey(company_id, entry)], None)

    async def late() -> None:
        async with app.company(stage.settings(), clock=stage.clock) as company:
            writer = EntryWriter(company.books, company.journal, company.books_name, "job", company.clock)
            planned = replace(done.entry, key=EntryKey(company_id, "written by the late one"))
            with pytest.raises(AnotherWriter):
                await writer.write([Booking(done.entry.key, planned, posting=None)], [])

    asyncio.run(late())
    assert len(stage.booked()) == 1


def test_a_page_costs_two_commits_whatever_its_size(stage: Stage) -> None:
    """One for its intents, one for its results; a page of entries that are linked as they are, none."""
    commits: list[object] = []

    async def export(job: str) -> int:
        async with app.company(stage.settings(), clock=stage.clock) as company:

            def commit(connection: sa.Connection) -> None:
                if threading.current_thread().name != "tallybook-history":  # it writes by the second
                    commits.append(connection)

            sa.event.listen(company.journal.connections, "commit", commit)
            commits.clear()
            await app.export_pending(company, job_id=job)
            return len(commits)

    stage.found(60)
    stage.changes = {"pleo": {"page_size": 30}, "books": {"attachments": "none"}}
    assert asyncio.run(export(stage.press_export())) == 2 * 2
    again = stage.call("POST", "/exports", {"entryIds": list(stage.outcomes())})["id"]
    assert asyncio.run(export(again)) == 0


def test_items_shows_the_posting_beside_pleos_outcome(stage: Stage, tallybook: Command) -> None:
    """State and number as our journal has them, as text and as JSON."""
    entries = stage.add({}, {"accountingEntryLines": []})
    job = stage.press_export()
    stage.run(job)
    shown = tallybook("items", job, "--config", stage.place.config, "--json")
    rows = {row["accountingEntryId"]: row for row in map(json.loads, shown.out.splitlines())}
    assert rows[entries[0]]["posting"] == {
        "state": "recorded",
        "externalId": rows[entries[0]]["externalId"],
        "replaces": None,
        "settled": False,
        "error": None,
    }
    assert rows[entries[1]]["posting"] is None
    assert "recorded 000001" in tallybook("items", job, "--config", stage.place.config).told


def test_uncertain_lists_what_is_open_and_settle_says_what_is_wrong(stage: Stage, tallybook: Command) -> None:
    """Nothing open, something open, something settled, and arguments that contradict each other."""
    config = ["--config", stage.place.config]
    assert "Nothing is uncertain" in tallybook("uncertain", *config).told
    (entry,) = stage.add({})
    stage.export()
    assert "Nothing is uncertain" in tallybook("uncertain", *config).told
    (other,) = stage.add({})
    write_posting(stage, other, JournalState.UNCERTAIN)
    told = tallybook("uncertain", *config).told
    assert other in told
    assert entry not in told
    for arguments in (["--booked", "1", "--not-booked"], ["--booked", "\x1b[2J"]):
        done = tallybook("uncertain", "settle", other, *arguments, "--yes", *config)
        assert (done.code, "either --booked NUMBER" in done.told) == (2, True)
    unknown = tallybook("uncertain", "settle", "00000000-0000-4000-8000-000000000009", "--not-booked", "--yes", *config)
    assert (unknown.code, "nothing was ever written" in unknown.told) == (1, True)
    assert tallybook("uncertain", "settle", other, "--not-booked", *config).code == 1  # nobody answered the question
    assert tallybook("uncertain", "settle", other, "--not-booked", "--yes", *config).code == 0
    assert "Nothing is uncertain" in tallybook("uncertain", *config).told


def test_uncertain_shows_what_the_books_hold_when_asked_to_search(stage: Stage, tallybook: Command) -> None:
    """Number, state, day and amounts of what is there; of the other that nothing was found; as table and as JSON."""
    stage.changes = {"books": {"posting": "posted"}}
    (entry,) = stage.add({})
    stage.export()
    (other,) = stage.add({})
    with closing(sqlite3.connect(stage.settings().database.url.removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE posting SET state = 'intent', external_id = NULL")
    write_posting(stage, other)
    config = ["--config", stage.place.config]
    told = tallybook("uncertain", "--search", *config).told
    assert all(text in told for text in ("000001, posted,", "-100.00 DKK", "nothing found under"))
    found = {
        row["accountingEntryId"]: row["found"]
        for row in map(json.loads, tallybook("uncertain", "--search", "--json", *config).out.splitlines())
    }
    (version,) = found[entry]
    assert (version["externalId"], version["state"], version["takenBackBy"]) == ("000001", "posted", None)
    assert sorted(line["amountMinor"] for line in version["lines"]) == [-10000, 10000]
    assert found[other] == []
    assert "found" not in tallybook("uncertain", "--json", *config).out


def test_an_entry_that_an_export_is_writing_is_not_settled(stage: Stage, tallybook: Command) -> None:
    """The command says so and changes nothing; once the export has ended, it takes the person's word."""
    settings = ["--config", stage.place.config]
    (entry,) = stage.add({})
    write_posting(stage, entry)
    connections = Database(stage.settings().database.url).connect()
    try:
        recorder = Recorder(connections, SystemClock(), keep_days=90, written_every_s=0.01)
        job_id = "00000000-0000-4000-8000-000000000000"
        with JobRecording(recorder, stage.settings().pleo.company_id.lower(), job_id) as job:
            while not asyncio.run(History(connections).at_work([job_id], SystemClock().now())):
                pass
            done = tallybook("uncertain", "settle", entry, "--not-booked", "--yes", *settings)
            assert (done.code, "is writing entry" in done.told) == (1, True)
            job.ended(None, note="somebody cancelled it", goes_on=False)
        recorder.close()
    finally:
        connections.dispose()
    assert tallybook("uncertain", "settle", entry, "--not-booked", "--yes", *settings).code == 0
