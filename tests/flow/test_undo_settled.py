"""Undoing entries of which a person said how they stand: the same true answer, by job and by entry, time and again."""

import asyncio
import getpass
import json

import pytest

from tallybook.store.audit import Audit
from tallybook.store.database import Database
from tests.flow.command import Command
from tests.flow.conftest import Stage
from tests.flow.test_posting_journal import DELETED, change_book
from tests.flow.test_tie_out import exported
from tests.flow.undoing import killed, undone

pytestmark = pytest.mark.long


@pytest.fixture
def tallybook(stage: Stage) -> Command:
    return Command(stage.folder)


def settled(tallybook: Command, entry: str, *how: str) -> None:
    assert tallybook("uncertain", "settle", entry, *how, "--yes").code == 0


def told(tallybook: Command, target: str) -> tuple[int, str, str | None]:
    """What `undo` answers about the one entry: exit code, number, problem."""
    ended = tallybook("undo", target, "--yes", "--json")
    row = json.loads(ended.out)
    return ended.code, row["externalId"], row["problem"]


@pytest.mark.parametrize("before", ["deleted", "undone"])
def test_what_a_person_booked_by_hand_is_left_to_that_person(stage: Stage, tallybook: Command, before: str) -> None:
    """Under the number that was given, also for the job that had booked it before; and it is not booked beside it."""
    stage.changes = {"books": {"posting": "draft"}}
    (entry,) = stage.add({})
    job = exported(stage)
    if before == "deleted":
        change_book(stage, DELETED)
    else:
        undone(stage, job)
    settled(tallybook, entry, "--booked", "M-17")
    by_hand = (1, "M-17", "a person said that it was booked by hand, as M-17; reverse it by hand as well")
    for target in (job, job, entry, entry):
        assert told(tallybook, target) == by_hand
    linked = exported(stage, entry)
    assert stage.outcomes()[entry]["externalId"] == "M-17"
    for target in (job, linked, entry):
        assert told(tallybook, target) == by_hand


def test_what_a_person_did_not_find_and_the_books_have_is_left_alone(stage: Stage, tallybook: Command) -> None:
    """The answer says what each of them says, and not that it was booked by hand; a further export mends it."""
    (entry,) = stage.add({})
    job = exported(stage)
    settled(tallybook, entry, "--not-booked")
    for target in (job, job, entry, entry):
        code, number, problem = told(tallybook, target)
        assert (code, number) == (1, "000001")
        assert problem == "the posting journal has it as failed, and the books have it as 000001"
    exported(stage, entry)
    assert undone(stage, job)[entry].reversed_by == "000002"


def test_what_a_person_found_under_our_own_number_is_undone(stage: Stage, tallybook: Command) -> None:
    """It is the entry that was written here."""
    (entry,) = stage.add({})
    job = exported(stage)
    settled(tallybook, entry, "--booked", "000001")
    assert undone(stage, entry)[entry].reversed_by == "000002"
    assert told(tallybook, job) == told(tallybook, entry) == (0, "000001", None)


def test_what_was_settled_and_undone_stands_in_the_audit_log(stage: Stage, tallybook: Command) -> None:
    """Who did it and what came of it, as for what is done in the console."""
    (entry,) = stage.add({})
    job = exported(stage)
    settled(tallybook, entry, "--booked", "000001")
    assert tallybook("undo", job, "--yes").code == 0
    connections = Database(stage.settings().database.url).connect()
    undoing, settling = asyncio.run(Audit(connections).newest(9))
    connections.dispose()
    assert (settling.action, settling.entry_id, settling.detail) == (
        "settled an entry",
        entry,
        "in the books as 000001",
    )
    assert (undoing.action, undoing.detail, undoing.result) == ("undid", job, "1 of 1 entries are reversed")
    assert undoing.who == settling.who == f"{getpass.getuser()} on the command line"


def test_an_undo_that_was_killed_is_finished_whatever_a_person_said_of_the_entry(
    stage: Stage, tallybook: Command
) -> None:
    """The list of uncertain entries names it, and the person finds it in the books, with its reversal."""
    (entry,) = stage.add({})
    job = exported(stage)
    killed(stage, "after reverse", job)
    assert entry in tallybook("uncertain").told
    settled(tallybook, entry, "--booked", "000001")
    assert undone(stage, entry)[entry].reversed_by == "000002"
    assert told(tallybook, job) == told(tallybook, entry) == (0, "000001", None)
    exported(stage, entry)
    assert stage.outcomes()[entry]["externalId"] == "000003"
