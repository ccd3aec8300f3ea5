"""The plan of corrections: what is known of the reversals, and that the export then does the same."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tallybook import app, dry_run
from tallybook.dry_run import Fate
from tests.flow.conftest import Stage
from tests.flow.test_import_files import hands_over
from tests.flow.test_plan import planned
from tests.flow.test_posting_journal import change_book
from tests.postings.test_killed import change


def in_the_book(stage: Stage) -> list[tuple[str, str, str, int]]:
    """Number, state, day and amount of every cost line, by number."""
    with closing(sqlite3.connect(stage.place.book)) as book:
        return book.execute(
            "SELECT printf('%06d', e.number), e.state, e.posting_on, l.amount_minor FROM entries e"
            " JOIN documents d ON d.entry = e.id JOIN lines l ON l.document = d.id WHERE l.role = 'cost' ORDER BY 1"
        ).fetchall()


def booked_on(stage: Stage, account: str, *others: dict[str, Any], **expense: Any) -> tuple[str, str]:
    """Export an expense on an account of its own, then let it cost something else on another; gives it, and its job.

    `others` are exported with it, and do not change.
    """
    stage.changes.setdefault("mapping", {})["accounts"] = {"3640": account}
    stage.changes.setdefault("books", {}).update(on_changed="correct", posting="posted")
    entry, *_ = stage.add(expense, *others)
    stage.export()
    change(stage, entry, 17500)
    stage.changes["mapping"] = {"accounts": {"3640": "3610"}}
    return entry, stage.call("POST", "/exports", {"entryIds": [entry]})["id"]


def require_as_planned(stage: Stage, job: str, entry: str) -> dict[str, Any]:
    """Plan the job and export it: its end, and what Pleo is told of the entry, are as planned; gives the latter."""
    plan, items = planned(stage, job)
    (report,) = stage.run(job)
    told = stage.outcomes()[entry]
    assert plan.final == report.event
    result = items[entry].result
    assert (result.reason, result.text) == (told["failureReasonType"], told["failureReason"])
    return told


def test_a_reversal_that_the_book_would_refuse_is_refused_in_the_plan_as_in_the_export(stage: Stage) -> None:
    """An account of the old version was closed: the reversal cannot be booked there, and the old version stands."""
    entry, job = booked_on(stage, "3110")
    change_book(stage, "UPDATE accounts SET open = 0 WHERE code = '3110'")
    before = in_the_book(stage)
    assert planned(stage, job)[1][entry].fate is Fate.REFUSE
    told = require_as_planned(stage, job, entry)
    assert "'3110' is closed in the book" in told["failureReason"]
    assert in_the_book(stage) == before


def test_an_entry_that_was_taken_back_by_somebody_else_is_not_reversed_again(stage: Stage) -> None:
    """The book knows its reversal, under a key that is not ours."""
    entry, job = booked_on(stage, "3110", {})
    change_book(
        stage,
        "INSERT INTO corrections SELECT o.id, r.id, 'of somebody else' FROM entries o, entries r"
        f" WHERE o.entry_id = '{entry}' AND r.entry_id <> '{entry}'",
    )
    told = require_as_planned(stage, job, entry)
    assert "000001 is reversed already" in told["failureReason"]


@pytest.mark.parametrize(("rule", "day"), [("fail", None), ("next_open", "2026-11-01"), ("today", "today")])
def test_a_reversal_is_planned_for_the_day_that_the_rule_for_closed_periods_gives(
    stage: Stage, rule: str, day: str | None
) -> None:
    """Its own day is closed by now, and that of the new version with it."""
    entry, job = booked_on(stage, "3110", date="2026-10-14T10:00:00Z")
    change_book(stage, "INSERT INTO closed_periods VALUES ('2026-10-01', '2026-10-31')")
    stage.changes["books"]["closed_period"] = rule
    item = planned(stage, job)[1][entry]
    wanted = stage.clock.now().date().isoformat() if day == "today" else day
    assert (item.reversal_on and item.reversal_on.isoformat()) == wanted
    require_as_planned(stage, job, entry)
    booked = in_the_book(stage)
    assert [line[2] for line in booked[1:]] == ([wanted] * 2 if wanted else [])


def test_the_plan_says_where_the_entry_that_would_be_reversed_was_handed_over(stage: Stage) -> None:
    """In which import files a bookkeeper finds it; its reversal follows in the next."""
    hands_over(stage)
    entry, job = booked_on(stage, "3110")
    item = planned(stage, job)[1][entry]
    assert (item.fate, item.corrects, item.handed_over) == (Fate.CORRECT, "000001", "the csv files number 1")
    require_as_planned(stage, job, entry)


def test_a_reversal_that_the_import_files_cannot_hold_is_refused_beforehand(stage: Stage) -> None:
    """The column of the reversal's accounts has become too narrow since."""
    columns = [{"name": "Account", "value": "{account}"}, {"name": "Amount", "value": "{amount}"}]
    hands_over(stage, templates=["mine"], template={"mine": {"columns": columns}})
    with closing(sqlite3.connect(stage.place.book)) as book, book:
        book.execute("INSERT INTO accounts (code, name, kind, open) VALUES ('311000', '', 'expense', 1)")
    entry, job = booked_on(stage, "311000")
    before = in_the_book(stage)
    columns[0]["length_max"] = 4  # type: ignore[assignment]
    assert planned(stage, job)[1][entry].fate is Fate.REFUSE
    told = require_as_planned(stage, job, entry)
    assert "311000" in told["failureReason"]
    assert in_the_book(stage) == before


def test_what_books_cannot_be_asked_is_said_to_be_untried(stage: Stage) -> None:
    """New entries and reversals, each where the books cannot rehearse them, and receipts, which must be fetched."""
    _, job = booked_on(stage, "3110", files=[{"receipt": 1}])
    stage.changes["books"]["attachments"] = "none"

    async def untried(*, rehearses: bool = True, rehearses_reversals: bool = True) -> str:
        async with app.onlooker(stage.settings(), clock=stage.clock) as company:
            company.books.capabilities = replace(
                company.books.capabilities, rehearses=rehearses, rehearses_reversals=rehearses_reversals
            )
            return str((await dry_run.plan_job(company, job)).untried)

    assert not asyncio.run(untried())
    taken = asyncio.run(untried(rehearses_reversals=False))
    assert taken == ", provided that the books take the reversal: that cannot be tried beforehand"
    taken = asyncio.run(untried(rehearses=False, rehearses_reversals=False))
    assert taken == ", provided that the books take the new entry and the reversal: that cannot be tried beforehand"
    stage.changes["books"]["attachments"] = "required"
    assert asyncio.run(untried()) == (
        ", provided that the receipt can be fetched and stored: that cannot be tried beforehand"
    )
    stage.changes["books"]["attachments"] = "best_effort"
    assert not asyncio.run(untried())
