"""Undoing: reversals of what still is as we wrote it, each written once, and nothing else touched."""

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from tallybook import app
from tallybook.undo import NotUndone
from tallybook.workplace import AlreadyRunning
from tests.flow.command import Command, Ended, assert_accepted
from tests.flow.conftest import Stage
from tests.flow.test_posting_journal import DELETED, change_book
from tests.flow.test_tie_out import exported, tampered, tied_out
from tests.flow.undoing import killed, looked, rows, undone
from tests.postings.test_killed import change, cost

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


def test_a_job_is_undone_to_nothing_and_both_entries_name_each_other(stage: Stage) -> None:
    """Bills, payments and journal entries; Beancount and hledger accept the book, and every account is back at zero."""
    tallybook = Command(stage.folder)
    stage.found(12)
    job = stage.press_export(vendor_based=True)
    (report,) = stage.run(job)
    done = undone(stage, job)
    assert len(done) == report.successful
    assert all(each.reversed_by and not each.problem for each in done.values())
    with closing(sqlite3.connect(stage.place.book)) as book:
        sums = book.execute("SELECT sum(amount_minor) FROM lines GROUP BY account").fetchall()
        tied = book.execute("SELECT count(*) FROM corrections").fetchone()
    assert set(sums) == {(0,)}
    assert tied == (len(done),)
    assert {state for state, _ in rows(stage)} == {"posted"}
    assert tallybook("book", "export", "--book", stage.place.book, stage.folder / "ledger").code == 0
    assert_accepted(stage.folder / "ledger")
    assert {one.kind.value for one in tied_out(stage, job).differences} == {"reversed"}


def test_an_item_that_was_undone_is_booked_anew_when_it_is_exported_again(stage: Stage) -> None:
    """Under a new number, in place of the first, and both jobs can be tied out."""
    (entry,) = stage.add({})
    first = exported(stage)
    assert undone(stage, entry)[entry].reversed_by == "000002"
    assert cost(stage) == 0
    second = exported(stage, entry)
    assert stage.outcomes()[entry]["externalId"] == "000003"
    assert cost(stage) == 10000
    assert (tied_out(stage, first).ties_out, tied_out(stage, second).ties_out) == (True, True)
    assert "corrected since" in (looked(stage, first)[entry].refusal or "")
    assert undone(stage, second)[entry].reversed_by == "000004"


@pytest.mark.parametrize("how", ["undone", "corrected"])
def test_the_reversal_of_a_draft_stays_a_draft_when_its_replacement_is_posted(stage: Stage, how: str) -> None:
    """Posted alone it would count without what it takes back; and linking the replacement leaves it so."""
    stage.changes = {"books": {"posting": "draft", "on_changed": "correct"}}
    (entry,) = stage.add({})
    exported(stage)
    if how == "undone":
        undone(stage, entry)
    else:
        change(stage, entry, 17500)
    stage.changes = {"books": {"posting": "posted", "on_changed": "correct"}}
    for _ in range(2):
        job = exported(stage, entry)
        assert [state for state, _ in rows(stage)] == ["draft", "draft", "posted"]
        assert tied_out(stage, job).ties_out


def test_what_is_undone_is_not_undone_again(stage: Stage) -> None:
    """Asked for once more, the same reversal is named."""
    (entry,) = stage.add({})
    job = exported(stage)
    first = undone(stage, job)
    assert undone(stage, job) == first
    assert looked(stage, job)[entry].undone_by == "000002"
    assert len(rows(stage)) == 2


@pytest.mark.parametrize(
    "point", ["before claim", "after claim", "after reverse", "after note", "before post", "after post"]
)
def test_an_undo_that_is_killed_anywhere_is_finished_once(stage: Stage, point: str) -> None:
    """One reversal for each entry, posted like what it takes back."""
    entries = stage.add({}, {})
    job = exported(stage)
    killed(stage, point, job)
    done = undone(stage, job)
    assert {each.reversed_by for each in done.values()} == {"000003", "000004"}
    assert [state for state, _ in rows(stage)] == ["posted"] * 4
    assert undone(stage, job) == done
    stage.run(stage.call("POST", "/exports", {"entryIds": entries})["id"])
    assert cost(stage) == 20000


def test_what_is_not_as_it_was_written_is_left_alone_with_the_reason(stage: Stage) -> None:
    """Altered, deleted, never exported, settled by a person, or corrected by a later job."""
    stage.changes = {"books": {"posting": "draft", "on_changed": "correct"}}
    corrected, kept = stage.add({}, {"date": "2026-10-03T12:00:00Z"})
    job = exported(stage)
    change(stage, corrected, 17500)
    exported(stage, corrected)
    found = looked(stage, job)
    assert "was corrected since: it is 000004 now" in (found[corrected].refusal or "")
    assert found[kept].reversal is not None
    tampered(stage, "UPDATE entries SET content_hash = 'changed'")
    assert "changed in the books" in (looked(stage, job)[kept].refusal or "")
    change_book(stage, DELETED)
    assert looked(stage, job)[kept].refusal == "it is not in the books"
    (nothing,) = looked(stage, "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e").values()
    assert "nothing is known of it" in (nothing.refusal or "")
    assert all(each.problem for each in undone(stage, job).values())


def test_what_was_altered_in_the_books_is_left_alone_with_what_differs(stage: Stage) -> None:
    """A line moved to another account with another program, which leaves the content hash as it was."""
    (entry,) = stage.add({})
    job = exported(stage)
    tampered(stage, "UPDATE lines SET account = '3110' WHERE account = '3640'")
    assert "altered in the books since it was written: account 3110" in (looked(stage, job)[entry].refusal or "")
    assert undone(stage, job)[entry].problem
    assert len(rows(stage)) == 1


def test_where_everything_is_refused_nothing_is_opened_for_writing(stage: Stage) -> None:
    """Exit code 1 with the reasons, also beside a run that has the database; in JSON too."""
    (entry,) = stage.add({})
    job = exported(stage)
    tampered(stage, "UPDATE entries SET content_hash = 'changed'")
    tallybook = Command(stage.folder)

    async def beside() -> tuple[Ended, Ended]:
        async with app.company(stage.settings()):
            return await asyncio.to_thread(tallybook, "undo", job), await asyncio.to_thread(
                tallybook, "undo", job, "--yes", "--json"
            )

    shown, told = asyncio.run(beside())
    assert (shown.code, "changed in the books" in shown.told) == (1, True)
    assert (told.code, json.loads(told.out)["accountingEntryId"]) == (1, entry)


def test_what_was_begun_is_asked_about_before_it_is_finished(stage: Stage) -> None:
    """Finishing may post a reversal: without a terminal it wants --yes."""
    stage.add({})
    job = exported(stage)
    undone(stage, job)
    tallybook = Command(stage.folder)
    asked = tallybook("undo", job)
    assert (asked.code, "say --yes" in asked.told) == (2, True)
    assert tallybook("undo", job, "--yes").code == 0


def test_the_day_of_a_reversal_is_an_open_one_and_not_before_the_entry(stage: Stage) -> None:
    """The entry's own day, or the one that was named."""
    (entry,) = stage.add({"date": "2026-09-10T12:00:00Z"})
    job = exported(stage)
    change_book(stage, "INSERT INTO closed_periods VALUES ('2026-09-01', '2026-09-30')")
    assert "name an open day with --on" in (looked(stage, job)[entry].refusal or "")
    assert "before that" in (looked(stage, job, date(2026, 9, 9))[entry].refusal or "")
    assert "closed period" in (looked(stage, job, date(2026, 9, 30))[entry].refusal or "")
    assert undone(stage, job, date(2026, 10, 5))[entry].problem is None
    assert rows(stage)[-1] == ("posted", "2026-10-05")


def test_a_job_that_has_not_ended_is_not_undone(stage: Stage) -> None:
    """Its export may be writing."""
    stage.add({})
    with pytest.raises(NotUndone, match="has not ended yet"):
        looked(stage, stage.press_export())


def test_undo_asks_before_it_writes_and_without_a_terminal_it_wants_yes(stage: Stage) -> None:
    """Exit code 2 and nothing written; with --yes it is done, and then there is nothing left to do."""
    tallybook = Command(stage.folder)
    (entry,) = stage.add({})
    job = exported(stage)
    asked = tallybook("undo", job)
    assert (asked.code, "say --yes" in asked.told, len(rows(stage))) == (2, True, 1)
    assert "reversed on" in asked.told
    done = tallybook("undo", job, "--yes", "--json")
    assert (done.code, json.loads(done.out)["reversedBy"]) == (0, "000002")
    again = tallybook("undo", entry, "--yes")
    assert (again.code, "undone already, by 000002" in again.told) == (0, True)
    shown = tallybook("items", job)
    assert "undone: 000002 takes back" in shown.told


def test_books_that_cannot_reverse_are_named_and_nothing_is_asked(stage: Stage) -> None:
    """One sentence and exit code 1, whatever is asked for; a stranger's adapter, whose books need not even answer."""
    stage.changes = {
        "books": {"adapter": "remote", "remote": {"url": stage.url, "safety": "key", "timeout_s": 1, "batch_size": 10}}
    }
    stage.settings()
    package = stage.folder / "site" / "remote_books-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: remote-books\nVersion: 1.0\n", encoding="utf-8")
    named = "[tallybook.adapters]\nremote = tests.faults.books_adapter:ADAPTER\n"
    (package / "entry_points.txt").write_text(named, encoding="utf-8")
    calls = len(stage.journal())
    for options in ([], ["--yes", "--json"]):
        ended = Command(stage.folder)(
            *("undo", "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e", "--config", stage.folder / "changed.toml", *options),
            PYTHONPATH=os.pathsep.join([str(package.parent), str(ROOT)]),
        )
        assert (ended.code, ended.out) == (1, "")
        assert ended.told == (
            "These books (remote:) cannot reverse entries for us, so nothing was undone; reverse the entries there by "
            "hand"
        )
    assert len(stage.journal()) == calls


def test_undo_is_refused_beside_an_export_of_the_company(stage: Stage) -> None:
    """It says who is at work, and writes nothing."""
    stage.add({})
    job = exported(stage)

    async def beside() -> None:
        async with app.company(stage.settings()):
            await asyncio.to_thread(undone, stage, job)

    with pytest.raises(AlreadyRunning, match="another run is exporting"):
        asyncio.run(beside())
    assert len(rows(stage)) == 1
