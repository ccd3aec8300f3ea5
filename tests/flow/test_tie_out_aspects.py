"""What a tie-out sees beside amounts: tags, vendors and receipts; and what it says when there is nothing to see."""

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tallybook import tie_out
from tallybook.comparison import Aspect
from tallybook.tie_out import Difference, Kind
from tests.flow.command import Command
from tests.flow.conftest import Stage
from tests.flow.test_posting_journal import change_book
from tests.flow.test_tie_out import exported, tampered, tied_out

WITHOUT_VENDOR = "UPDATE job_history_item SET planned = json_remove(planned, '$[0].vendor', '$[1].vendor')"


@pytest.fixture
def exported_job(stage: Stage) -> str:
    """Twenty-five expenses as companies have them, with tags, vendors and receipts, in the books."""
    stage.found(25)
    job = stage.press_export(vendor_based=True)
    stage.run(job)
    assert tied_out(stage, job).ties_out
    return job


def asked(stage: Stage, question: str) -> tuple[str, ...]:
    """The first answer of the book, which there must be, as texts."""
    with closing(sqlite3.connect(stage.place.book)) as book:
        answer: tuple[object, ...] = book.execute(question).fetchone()
    return tuple(map(str, answer))


TAGGED = """
SELECT e.entry_id, printf('%06d', e.number), d.id, l.account, l.tax_code, l.amount_minor / 100.0, l.position
FROM entries e JOIN documents d ON d.entry = e.id JOIN lines l ON l.document = d.id
JOIN line_dimensions t ON t.document = d.id AND t.line = l.position AND t.dimension = 'cc'
WHERE l.tax_code IS NOT NULL AND t.value <> '110'
AND 2 = (SELECT count(*) FROM line_dimensions one WHERE one.document = d.id)
"""


def test_a_tag_that_was_altered_in_the_books_is_named_with_both(stage: Stage, exported_job: str) -> None:
    """The entry alone is named, with account, tax code, amount and tags; the sums agree, and the whole does not."""
    entry, number, document, account, tax_code, amount, _ = asked(stage, TAGGED)
    of = f"WHERE document = {document} AND dimension = "
    cost_centre, project = (
        asked(stage, f"SELECT upper(value) FROM line_dimensions {of}'{group}'")[0] for group in ("cc", "proj")
    )
    tampered(stage, f"UPDATE line_dimensions SET value = '110' {of}'cc'")
    found = tied_out(stage, exported_job)
    money = f"{float(amount):.2f} DKK with CC"
    told = (
        f"account {account}, tax code {tax_code}: exported {money} {cost_centre}, PROJ {project}, "
        f"in the books {money} 110, PROJ {project}"
    )
    assert found.differences == [Difference(entry, Kind.ALTERED, number, told)]
    assert not any(each.difference_minor for each in found.sums)
    assert not found.ties_out


def test_tags_that_are_gone_are_said_to_be_gone(stage: Stage, exported_job: str) -> None:
    """Without tags is not nothing: the amount is there."""
    entry, _, document, _, _, amount, _ = asked(stage, TAGGED)
    tampered(stage, f"DELETE FROM line_dimensions WHERE document = {document}")
    (difference,) = tied_out(stage, exported_job).differences
    assert difference.entry_id == entry
    assert difference.text.endswith(f"in the books {float(amount):.2f} DKK without tags")


def test_undo_leaves_alone_what_has_other_tags_now(stage: Stage, exported_job: str) -> None:
    """It says what differs, and takes nothing back."""
    entry, _, document, *_ = asked(stage, TAGGED)
    tampered(stage, f"UPDATE line_dimensions SET value = '110' WHERE document = {document} AND dimension = 'cc'")
    entries = len(stage.booked())
    ended = Command(stage.folder)("undo", entry, "--yes", "--json")
    assert (ended.code, len(stage.booked())) == (1, entries)
    (difference,) = tied_out(stage, exported_job).differences
    assert json.loads(ended.out)["problem"] == f"it was altered in the books since it was written: {difference.text}"


def test_another_vendor_in_the_books_is_named_with_both(stage: Stage, exported_job: str) -> None:
    """By their codes."""
    entry, number, vendor, document = asked(
        stage,
        "SELECT e.entry_id, printf('%06d', e.number), d.vendor, d.id FROM entries e JOIN documents d ON d.entry = e.id"
        " WHERE d.vendor IS NOT NULL AND 1 = (SELECT count(*) FROM documents one WHERE one.entry = e.id)",
    )
    (other,) = asked(stage, f"SELECT code FROM vendors WHERE code <> '{vendor}'")
    tampered(stage, f"UPDATE documents SET vendor = '{other}' WHERE id = {document}")
    told = f"vendor: exported {vendor}, in the books {other}"
    assert tied_out(stage, exported_job).differences == [Difference(entry, Kind.ALTERED, number, told)]


def row_deleted(stage: Stage, row: str) -> None:
    tampered(stage, f"DELETE FROM attachments WHERE entry = {row} AND position = 1")


def file_deleted(stage: Stage, row: str) -> None:
    (sha256,) = asked(stage, f"SELECT sha256 FROM attachments WHERE entry = {row} AND position = 1")
    (file,) = Path(f"{stage.place.book}.files").rglob(sha256)
    file.unlink()


@pytest.mark.parametrize("gone", [row_deleted, file_deleted], ids=["row", "file"])
def test_a_receipt_that_is_gone_is_counted(stage: Stage, gone: Callable[[Stage, str], None]) -> None:
    """From the book, or from the folder beside it; of two one is left, and the entry without receipts is not named."""
    entry, _ = stage.add({"files": [{"receipt": 0}, {"receipt": 1}]}, {})
    job = exported(stage)
    assert tied_out(stage, job).ties_out
    row, number = asked(stage, f"SELECT id, printf('%06d', number) FROM entries WHERE entry_id = '{entry}'")
    gone(stage, row)
    told = "receipts: exported 2, in the books 1"
    assert tied_out(stage, job).differences == [Difference(entry, Kind.ALTERED, number, told)]


def test_a_receipt_that_was_added_in_the_books_is_no_difference(stage: Stage) -> None:
    """Whoever adds one has altered nothing that was exported."""
    stage.add({"files": [{"receipt": 0}]})
    job = exported(stage)
    tampered(stage, "INSERT INTO attachments SELECT entry, 2, sha256, media_type, size_bytes FROM attachments")
    assert tied_out(stage, job).ties_out


def test_a_receipt_that_was_left_out_is_not_missed(stage: Stage) -> None:
    """With `best_effort` an entry is exported without the one that is too large."""
    stage.changes = {"books": {"attachments": "best_effort"}}
    stage.add({"files": [{"receipt": 0}, {"receipt": 1, "type": "application/pdf", "size": 40_000_000}]})
    job = exported(stage)
    found = tied_out(stage, job)
    assert (found.ties_out, found.untold) == (True, {})
    assert asked(stage, "SELECT count(*) FROM attachments") == ("1",)


def test_what_an_older_release_did_not_keep_is_not_compared_and_said_so(stage: Stage, exported_job: str) -> None:
    """Vendors and receipts then; days, amounts, tax codes and tags were kept before."""
    with closing(sqlite3.connect(stage.folder / "tallybook.sqlite")) as database, database:
        database.execute(WITHOUT_VENDOR)
        database.execute("UPDATE job_history_item SET receipts = NULL")
    tampered(stage, "DELETE FROM attachments")
    (vendors,) = asked(stage, "SELECT count(DISTINCT entry) FROM documents WHERE vendor IS NOT NULL")
    found = tied_out(stage, exported_job)
    assert (found.ties_out, found.compared) == (True, 25)
    assert found.untold == {Aspect.VENDOR: int(vendors), Aspect.RECEIPTS: 25}
    told = " ".join(tie_out.sentences(found))
    assert f"Not compared: number of receipts of 25 entries, vendor of {vendors} entries" in told
    assert told.endswith("agree, as far as they could be compared.")
    _, _, document, *_ = asked(stage, TAGGED)
    tampered(stage, f"UPDATE line_dimensions SET value = '110' WHERE document = {document} AND dimension = 'cc'")
    assert [each.kind for each in tied_out(stage, exported_job).differences] == [Kind.ALTERED]


def test_a_job_of_which_nothing_was_exported_has_nothing_to_compare(stage: Stage) -> None:
    """The command says so, ends with 0, and so do its JSON and its CSV; it does not say that they agree."""
    tallybook = Command(stage.folder)
    stage.add({})
    change_book(stage, "UPDATE accounts SET open = 0 WHERE code = '3640'")
    job = exported(stage)
    ended = tallybook("tie-out", job)
    assert (ended.code, "agree" in ended.told) == (0, False)
    assert "Nothing to compare: no entry of this job was exported." in ended.told
    told = json.loads(tallybook("tie-out", job, "--json").out)
    assert (told["nothingToCompare"], told["tiesOut"], told["sums"]) == (True, True, [])
    rows = list(csv.DictReader(io.StringIO(tie_out.csv_text(tied_out(stage, job)))))
    assert [row["record"] for row in rows] == ["result", "job"]
    assert rows[0]["text"] == "Nothing to compare: no entry of this job was exported."
    assert rows[1]["text"].startswith(f"Export job {job} of company ")
