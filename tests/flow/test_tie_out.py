"""The tie-out: Pleo's side of a job against the books read back, and every way in which the two can differ."""

import asyncio
import csv
import json
import sqlite3
from contextlib import closing

import pytest

from tallybook import app, tie_out
from tallybook.tie_out import Difference, Kind, Place, TieOut
from tests.flow.command import Command
from tests.flow.conftest import Stage
from tests.flow.test_posting_journal import DELETED, change_book
from tests.postings.test_killed import change

ON = {"date": "2026-10-10T12:00:00Z"}
DELETED_ONE = (
    "DELETE FROM entries WHERE id = {row}; DELETE FROM line_dimensions WHERE document IN (SELECT id FROM documents"
    " WHERE entry = {row}); DELETE FROM documents WHERE entry = {row};"
    " DELETE FROM lines WHERE document NOT IN (SELECT id FROM documents)"
)


def tied_out(stage: Stage, job: str) -> TieOut:
    """Tie a job out."""

    async def compare() -> TieOut:
        async with app.onlooker(stage.settings(), clock=stage.clock) as company:
            return await tie_out.tie_out(company, job)

    return asyncio.run(compare())


def exported(stage: Stage, *entries: str) -> str:
    """Export everything queued, or these entries; returns the job's id."""
    job = stage.call("POST", "/exports", {"entryIds": list(entries)})["id"] if entries else stage.press_export()
    stage.run(job)
    return str(job)


def tampered(stage: Stage, statement: str) -> None:
    """Do in the book's file what its rules forbid, as somebody with another program could."""
    with closing(sqlite3.connect(stage.place.book)) as book, book:
        for (name,) in book.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            book.execute(f"DROP TRIGGER {name}")
        book.execute(statement)


def numbered(stage: Stage, entry: str) -> tuple[str, int]:
    """The number of an entry, and its row in the book, of one document each here."""
    number = dict(stage.booked())[entry]
    with closing(sqlite3.connect(stage.place.book)) as book:
        ((row,),) = book.execute("SELECT id FROM entries WHERE entry_id = ?", (entry,)).fetchall()
    return number, int(row)


def differing(found: TieOut) -> dict[Place, tuple[int, int]]:
    """The sums that differ, with both sides."""
    return {each.place: (each.pleo_minor, each.books_minor) for each in found.sums if each.difference_minor}


def place(account: str, tax_code: str = "", period: str = "2026-10") -> Place:
    return Place(period, "DKK", account, tax_code)


def test_a_job_ties_out_by_period_currency_account_and_tax_code(stage: Stage) -> None:
    """The sums are those of the book's lines, counted with sqlite3, and failed items are no difference."""
    stage.found(25, troubles=True)
    job = stage.press_export(vendor_based=True)
    (report,) = stage.run(job)
    found = tied_out(stage, job)
    with closing(sqlite3.connect(stage.place.book)) as book:
        counted = book.execute(
            "SELECT substr(e.posting_on, 1, 7), d.currency, l.account, ifnull(l.tax_code, ''), sum(l.amount_minor)"
            " FROM entries e JOIN documents d ON d.entry = e.id JOIN lines l ON l.document = d.id"
            " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        ).fetchall()
    sums = [
        (one.place.period, one.place.currency, one.place.account, one.place.tax_code, one.books_minor)
        for one in found.sums
    ]
    assert sums == counted
    assert all(one.pleo_minor == one.books_minor for one in found.sums)
    assert (found.ties_out, found.compared, found.uncompared) == (True, report.successful, 0)
    assert report.failed


def test_an_entry_that_was_deleted_in_the_books_is_missing(stage: Stage) -> None:
    """It alone is named; its amounts stand on Pleo's side, and those of the other one on both."""
    stage.changes = {"books": {"posting": "draft"}}
    gone, _ = stage.add(ON, ON)
    job = exported(stage)
    number, row = numbered(stage, gone)
    change_book(stage, DELETED_ONE.format(row=row))
    found = tied_out(stage, job)
    told = f"Pleo has it as {number}, which is not in the books"
    assert found.differences == [Difference(gone, Kind.MISSING, number, told)]
    assert (found.compared, found.uncompared, found.ties_out) == (2, 0, False)
    assert differing(found) == {place("3640"): (20000, 10000), place("5820"): (-20000, -10000)}


@pytest.mark.parametrize(
    ("statement", "told", "sums"),
    [
        (
            "UPDATE lines SET amount_minor = amount_minor * 2 WHERE document = {row}",
            [
                "account 3640: exported 100.00 DKK, in the books 200.00 DKK",
                "account 5820: exported -100.00 DKK, in the books -200.00 DKK",
            ],
            {place("3640"): (20000, 30000), place("5820"): (-20000, -30000)},
        ),
        (
            "UPDATE lines SET account = '3110' WHERE account = '3640' AND document = {row}",
            [
                "account 3110: exported 0.00 DKK, in the books 100.00 DKK",
                "account 3640: exported 100.00 DKK, in the books 0.00 DKK",
            ],
            {place("3110"): (0, 10000), place("3640"): (20000, 10000)},
        ),
        (
            "UPDATE lines SET tax_code = 'I25' WHERE account = '3640' AND document = {row}",
            [
                "account 3640: exported 100.00 DKK, in the books 0.00 DKK",
                "account 3640, tax code I25: exported 0.00 DKK, in the books 100.00 DKK",
            ],
            {place("3640"): (20000, 10000), place("3640", "I25"): (0, 10000)},
        ),
        (
            "UPDATE entries SET posting_on = '2026-08-01' WHERE id = {row}",
            ["it was exported for 2026-10-10, and the books have it on 2026-08-01"],
            {
                place("3640"): (20000, 10000),
                place("5820"): (-20000, -10000),
                place("3640", period="2026-08"): (0, 10000),
                place("5820", period="2026-08"): (0, -10000),
            },
        ),
        (
            "UPDATE documents SET currency = 'EUR' WHERE id = {row}",
            [
                "account 3640: exported 100.00 DKK, in the books 0.00 DKK",
                "account 3640: exported 0.00 EUR, in the books 100.00 EUR",
                "account 5820: exported -100.00 DKK, in the books 0.00 DKK",
                "account 5820: exported 0.00 EUR, in the books -100.00 EUR",
            ],
            {
                place("3640"): (20000, 10000),
                place("5820"): (-20000, -10000),
                Place("2026-10", "EUR", "3640", ""): (0, 10000),
                Place("2026-10", "EUR", "5820", ""): (0, -10000),
            },
        ),
        (
            "UPDATE entries SET content_hash = 'changed' WHERE id = {row}",
            ["{number} is in the books with other content than was exported"],
            {},
        ),
    ],
    ids=["amount", "account", "tax code", "day", "currency", "hash"],
)
def test_an_entry_that_was_altered_in_the_books_is_named_with_what_differs(
    stage: Stage, statement: str, told: list[str], sums: dict[Place, tuple[int, int]]
) -> None:
    """It alone of two, with all that differs and nothing else, and the sums differ by that."""
    _, entry = stage.add(ON, ON)
    job = exported(stage)
    number, row = numbered(stage, entry)
    tampered(stage, statement.format(row=row))
    found = tied_out(stage, job)
    assert found.differences == [Difference(entry, Kind.ALTERED, number, "; ".join(told).format(number=number))]
    assert differing(found) == sums
    assert not found.ties_out


def test_what_this_job_booked_and_pleo_has_as_failed_is_extra(stage: Stage) -> None:
    """Its period was closed before it could be posted, so it is in the books as a draft, and its item failed."""
    entry, _ = stage.add({"date": "2026-09-10T12:00:00Z"}, ON)
    change_book(
        stage,
        "CREATE TRIGGER closing AFTER INSERT ON entries WHEN NEW.posting_on = '2026-09-10'"
        " BEGIN INSERT INTO closed_periods VALUES (NEW.posting_on, NEW.posting_on); END",
    )
    job = exported(stage)
    assert sorted(one["status"] for one in stage.outcomes().values()) == ["failed", "successful"]
    found = tied_out(stage, job)
    number, _ = numbered(stage, entry)
    told = f"{number} is in the books, and Pleo has the item as failed"
    assert found.differences == [Difference(entry, Kind.EXTRA, number, told)]
    assert differing(found) == {
        place("3640", period="2026-09"): (0, 10000),
        place("5820", period="2026-09"): (0, -10000),
    }
    assert (found.compared, found.ties_out) == (1, False)


def test_an_entry_that_failed_and_was_booked_by_a_later_job_is_not_extra(stage: Stage) -> None:
    """Pleo's word about the first job stays true."""
    (entry,) = stage.add({})
    change_book(stage, "UPDATE accounts SET open = 0 WHERE code = '3640'")
    first = exported(stage)
    assert stage.outcomes()[entry]["status"] == "failed"
    change_book(stage, "UPDATE accounts SET open = 1 WHERE code = '3640'")
    second = exported(stage, entry)
    assert tied_out(stage, first).ties_out
    assert tied_out(stage, second).compared == 1


def test_an_entry_that_a_later_job_corrected_is_compared_as_each_job_left_it(stage: Stage) -> None:
    """Both jobs tie out, each with its own amounts, and the first names what came later."""
    (entry,) = stage.add({})
    first = exported(stage)
    change(stage, entry, 17500)
    stage.changes = {"books": {"on_changed": "correct"}}
    second = exported(stage, entry)
    before, after = tied_out(stage, first), tied_out(stage, second)
    assert (before.ties_out, after.ties_out) == (True, True)
    assert max(one.books_minor for one in before.sums) == 10000
    assert max(one.books_minor for one in after.sums) == 17500
    assert "000001 was replaced later by 000003" in before.remarks[0].text


def test_an_entry_that_a_later_job_linked_is_compared_with_what_the_first_one_kept(stage: Stage) -> None:
    """The second job planned nothing of its own."""
    (entry,) = stage.add({})
    exported(stage)
    found = tied_out(stage, exported(stage, entry))
    assert (found.ties_out, found.compared, found.uncompared) == (True, 1, 0)


def test_an_entry_that_was_linked_though_it_changed_is_not_compared_with_what_another_job_kept(stage: Stage) -> None:
    """Pleo's side of this job was another amount, which nobody kept."""
    (entry,) = stage.add({})
    exported(stage)
    change(stage, entry, 17500)
    stage.changes = {"books": {"on_changed": "link"}}
    found = tied_out(stage, exported(stage, entry))
    assert (found.ties_out, found.compared, found.uncompared, found.sums) == (True, 0, 1, [])
    assert "could not be compared" in " ".join(tie_out.sentences(found))


def test_an_entry_that_was_linked_and_corrected_later_is_not_altered(stage: Stage) -> None:
    """What the journal knows of it now is the correction's."""
    (entry,) = stage.add({})
    exported(stage)
    linked = exported(stage, entry)
    change(stage, entry, 17500)
    stage.changes = {"books": {"on_changed": "correct"}}
    exported(stage, entry)
    found = tied_out(stage, linked)
    assert (found.ties_out, found.compared, found.uncompared) == (True, 0, 1)
    assert "was replaced later" in found.remarks[0].text


def test_what_a_person_said_is_booked_is_not_missing(stage: Stage) -> None:
    """It has a number that cannot be read back."""
    stage.changes = {"books": {"posting": "draft"}}
    (entry,) = stage.add({})
    exported(stage)
    change_book(stage, DELETED)
    settled = Command(stage.folder)("uncertain", "settle", entry, "--booked", "M-17", "--yes")
    assert settled.code == 0, settled.told
    second = exported(stage, entry)
    found = tied_out(stage, second)
    assert (found.ties_out, found.compared, found.uncompared) == (True, 0, 1)
    assert [each.text for each in found.remarks] == [
        "a person said that it is booked as M-17; that cannot be read back"
    ]


def test_an_entry_that_failed_here_and_was_linked_by_a_later_job_is_not_extra(stage: Stage) -> None:
    """It is said by which job Pleo got to know of it."""
    (entry,) = stage.add({})
    change_book(stage, "CREATE TRIGGER no_posting BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'NOT_TODAY'); END")
    first = exported(stage)
    change_book(stage, "DROP TRIGGER no_posting")
    second = exported(stage, entry)
    found = tied_out(stage, first)
    assert (found.ties_out, found.sums) == (True, [])
    assert [each.text for each in found.remarks] == [f"000001 was exported later by job {second}"]
    assert tied_out(stage, second).ties_out


def test_without_what_was_exported_the_amounts_are_said_not_to_be_compared(stage: Stage) -> None:
    """Existence, number and hash still are."""
    stage.add({})
    job = exported(stage)
    with closing(sqlite3.connect(stage.folder / "tallybook.sqlite")) as database, database:
        database.execute("DELETE FROM job_history_item")
    found = tied_out(stage, job)
    assert (found.ties_out, found.compared, found.uncompared) == (True, 0, 1)
    assert "could not be compared" in " ".join(tie_out.sentences(found))
    tampered(stage, "UPDATE entries SET content_hash = 'changed'")
    assert [one.kind for one in tied_out(stage, job).differences] == [Kind.ALTERED]


def test_the_command_ends_with_1_when_they_differ_and_its_csv_holds_no_formula(stage: Stage) -> None:
    """Written as a whole in place of an older file; a hostile account code is shown and not executed."""
    tallybook = Command(stage.folder)
    stage.add({})
    job = stage.press_export()
    assert tallybook("run", "--job", job).code == 0
    assert tallybook("tie-out", job).code == 0
    tampered(stage, "UPDATE lines SET account = '=cmd|x' WHERE account = '3640'")
    table = stage.folder / "tie-out.csv"
    table.write_text("older", encoding="utf-8")
    ended = tallybook("tie-out", job, "--csv", table, "--json")
    assert (ended.code, json.loads(ended.out)["tiesOut"]) == (1, False)
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["account"] for row in rows if row["record"] == "sum"} == {"3640", "5820", "'=cmd|x"}
    assert [row["record"] for row in rows if row["entry"]] == ["altered"]
    cells = [cell for row in rows for name, cell in row.items() if name not in {"pleo", "books", "difference"}]
    assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in cells)
    assert not list(stage.folder.glob(".tie-out.csv*"))
    unwritable = tallybook("tie-out", job, "--csv", stage.folder / "none" / "x.csv")
    assert (unwritable.code, "cannot be written" in unwritable.told) == (1, True)
