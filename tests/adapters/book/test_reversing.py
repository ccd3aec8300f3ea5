import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tallybook.accounting.entry import Entry, EntryKey, Recorded, Reversal, replacement_key, reversal_key
from tallybook.accounting.errors import EntryRejected, PeriodClosed
from tallybook.accounting.system import Refused
from tallybook.adapters.book.database import opened
from tallybook.adapters.book.export import export
from tallybook.adapters.book.reading import balances
from tallybook.adapters.book.system import Book

DAY = date(2026, 2, 3)


def reversal(of: Recorded, on: date = DAY) -> Reversal:
    return Reversal(reversal_key(of), of, on, replacement_key(of))


async def recorded(book: Book, entry: Entry) -> Recorded:
    (answer,) = await book.record([entry])
    assert isinstance(answer, Recorded), answer
    return answer


async def reversed_(book: Book, of: Recorded) -> Recorded:
    (answer,) = await book.reverse([reversal(of)])
    assert isinstance(answer, Recorded), answer
    return answer


async def test_a_reversed_entry_leaves_nothing_on_any_account(book: Book, book_path: Path, make: Any) -> None:
    """Every line is turned around, with its tags and tax, in whatever currency."""
    for documents in (
        (make.purchase(1234),),
        (make.purchase(-50, "JPY"),),
        (make.bill(300, "a"), make.payment(300, "a")),
    ):
        await reversed_(book, await recorded(book, make.entry(*documents)))
    with opened(book_path) as file:
        assert {balance.amount_minor for balance in balances(file)} == {0}


async def test_a_reversal_is_found_by_its_key_and_repeated_without_effect(book: Book, make: Any) -> None:
    """A run killed after the reversal finds it; a second call writes nothing."""
    first = await recorded(book, make.entry())
    taken_back = await reversed_(book, first)
    assert (first.external_id, taken_back.external_id) == ("000001", "000002")
    assert await reversed_(book, first) == taken_back
    assert await book.find([reversal_key(first)]) == {reversal_key(first): taken_back}
    assert await book.find([first.key]) == {first.key: first}


async def test_an_entry_is_reversed_once(book: Book, make: Any) -> None:
    """Under another key it is refused, and the answer names the one that did it."""
    first = await recorded(book, make.entry())
    taken_back = await reversed_(book, first)
    other = replace(reversal(first), key=EntryKey(first.key.company_id, "other"))
    (answer,) = await book.reverse([other])
    assert isinstance(answer, Refused)
    assert taken_back.key.entry_id in str(answer.error)


async def test_what_cannot_be_reversed_is_refused_and_spoils_no_other(book: Book, make: Any) -> None:
    """A closed period, and an entry that is not in the book, beside one that can."""
    first, second = await recorded(book, make.entry()), await recorded(book, make.entry())
    gone = replace(first, key=EntryKey(first.key.company_id, "gone"), external_id="000099")
    answers = await book.reverse([reversal(first, date(2025, 1, 5)), reversal(gone), reversal(second)])
    assert [type(answer.error) for answer in answers[:2] if isinstance(answer, Refused)] == [
        PeriodClosed,
        EntryRejected,
    ]
    assert isinstance(answers[2], Recorded)
    assert "000099" in str(answers[1])


@pytest.mark.parametrize("which", [0, 1])
async def test_reversing_a_bill_or_its_payment_opens_the_other_for_the_corrected_one(
    book: Book, stranger: sqlite3.Connection, make: Any, which: int
) -> None:
    """What it had settled is open again, and the corrected document with its references settles it."""
    documents = [make.bill(100, "a"), make.payment(100, "a")]
    entries = [await recorded(book, make.entry(document)) for document in documents]
    await reversed_(book, entries[which])
    open_minor = [row[0] for row in stranger.execute("SELECT open_minor FROM open_items ORDER BY document")]
    assert open_minor == [[0, -100, 0], [100, 0, 0]][which]
    corrected = [make.bill(130, "a"), make.payment(60, "a")][which]
    await recorded(book, make.entry(corrected))
    open_minor = [row[0] for row in stranger.execute("SELECT open_minor FROM open_items ORDER BY document")]
    assert open_minor == [[0, 0, 0, 30], [40, 0, 0, 0]][which]


async def test_whatever_is_reversed_open_items_add_up(book: Book, stranger: sqlite3.Connection, make: Any) -> None:
    """Of bills, credit notes, payments and returned payments that settle each other, each pair taken back in turn."""
    for chosen in combinations(range(4), 2):
        refs = (f"ref-{chosen}",)
        documents = [make.bill(100, *refs), make.payment(70, *refs), make.bill(-20, *refs), make.payment(-30, *refs)]
        entries = [await recorded(book, make.entry(document)) for document in documents]
        for place in chosen:
            await reversed_(book, entries[place])
    (owed, still_open) = stranger.execute("SELECT SUM(owed_minor), SUM(open_minor) FROM open_items").fetchone()
    assert owed == still_open
    tied = """
        SELECT o.owed_minor - o.open_minor - ifnull((SELECT SUM(CASE WHEN owed_minor > 0 THEN amount_minor
            ELSE -amount_minor END) FROM reconciliations WHERE document = o.document OR payment = o.document), 0)
        FROM open_items o
    """
    assert {row[0] for row in stranger.execute(tied)} == {0}


async def test_an_export_shows_what_took_back_and_replaced_what(
    book: Book, book_path: Path, make: Any, tmp_path: Path, program: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Both ledgers name the numbers in both directions, and Beancount and hledger accept them."""
    first = await recorded(book, make.entry(make.bill(300, "a"), make.payment(300, "a")))
    await reversed_(book, first)
    corrected = replace(make.entry(make.bill(400, "a")), key=replacement_key(first), replaces=first.external_id)
    await recorded(book, corrected)
    with opened(book_path) as file:
        export(file, tmp_path / "out")
    for name, command in (
        ("2026-02.beancount", ("bean-check", "--no-cache", tmp_path / "out" / "main.beancount")),
        ("2026-02.journal", ("hledger", "-f", tmp_path / "out" / "main.journal", "check", "--strict")),
    ):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8").replace('"', "")
        for fact in ("reversed-by: 000002", "replaced-by: 000003", "reverses: 000001", "replaces: 000001"):
            assert fact in text, (name, fact)
        done = program(*command)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_the_books_file_keeps_corrections(book: Book, stranger: sqlite3.Connection, make: Any) -> None:
    """Another program can neither reverse an entry a second time nor forget who reversed it."""
    first = await recorded(book, make.entry())
    await reversed_(book, first)
    other = await recorded(book, make.entry())
    await book.post([other])
    for statement, rule in (
        ("INSERT OR REPLACE INTO corrections SELECT 1, id, 'x' FROM entries WHERE number = 3", "ENTRY_REVERSED"),
        ("UPDATE corrections SET replaced_by = 'x'", "CORRECTION_FIXED"),
    ):
        with pytest.raises(sqlite3.IntegrityError, match=rule):
            stranger.execute(statement)


async def test_what_reversing_would_refuse_is_said_beforehand(book: Book, book_path: Path, make: Any) -> None:
    """Gone, taken back already, its account or its day closed: in the same words, and nothing is written."""
    first, second, third, fourth = [await recorded(book, make.entry()) for _ in range(4)]
    await reversed_(book, first)
    again = replace(reversal(first), key=EntryKey(first.key.company_id, "another reversal"))
    gone = replace(second, key=EntryKey(first.key.company_id, "gone"))
    asked = [again, reversal(gone), reversal(third, date(2019, 1, 31)), reversal(fourth)]
    with opened(book_path) as file, file.writing():
        file.execute("INSERT INTO closed_periods VALUES ('2019-01-01', '2019-12-31')")
    assert [each.key for each in await book.rehearse_reversals(asked)] == [each.key for each in asked[:3]]
    assert await book.rehearse_reversals([reversal(second)]) == []
    with opened(book_path) as file, file.writing():
        file.execute("UPDATE accounts SET open = 0")
    said = {each.key: str(each.error) for each in await book.rehearse_reversals(asked)}
    done = {each.key: str(each.error) for each in await book.reverse(asked) if isinstance(each, Refused)}
    assert said == done
    assert len(said) == 4
