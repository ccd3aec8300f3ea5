import sqlite3
from itertools import permutations
from typing import Any

import pytest

from tallybook.accounting.entry import Document, Recorded
from tallybook.adapters.book.system import Book


@pytest.fixture
def left_open(stranger: sqlite3.Connection) -> Any:
    """Read what is left open, by document in the order of recording."""

    def read() -> list[int]:
        return [row[0] for row in stranger.execute("SELECT open_minor FROM open_items ORDER BY document")]

    return read


async def _record(book: Book, make: Any, *documents: Document) -> None:
    for document in documents:
        (answer,) = await book.record([make.entry(document)])
        assert isinstance(answer, Recorded), answer


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_either_order(book: Book, make: Any, left_open: Any, order: tuple[int, ...]) -> None:
    """A bill and two payments settle each other whatever the order in which they come."""
    documents = [make.bill(100, "a", "b"), make.payment(30, "b"), make.payment(70, "a", "c")]
    await _record(book, make, *(documents[place] for place in order))
    assert left_open() == [0, 0, 0]


async def test_in_one_entry(book: Book, make: Any, left_open: Any) -> None:
    """A bill and its payment in one entry settle each other, also as credit note and money back."""
    await book.record([make.entry(make.bill(100, "a"), make.payment(100, "a"))])
    await book.record([make.entry(make.bill(-30, "b"), make.payment(-30, "b"))])
    assert left_open() == [0, 0, 0, 0]


async def test_partial_payment(book: Book, make: Any, left_open: Any) -> None:
    """A partial payment keeps the rest of the bill open."""
    await _record(book, make, make.bill(100, "a"), make.payment(60, "a"))
    assert left_open() == [40, 0]


async def test_overpayment(book: Book, make: Any, left_open: Any) -> None:
    """What was paid too much stays open, and settles the next bill with that reference."""
    await _record(book, make, make.payment(150, "a"), make.bill(100, "a"))
    assert left_open() == [-50, 0]
    await _record(book, make, make.bill(70, "a"))
    assert left_open() == [0, 0, 20]


@pytest.mark.parametrize(
    "other",
    [
        {"refs": ("b",)},
        {"refs": ()},
        {"refs": ("",)},
        {"refs": ("a",), "currency": "SEK"},
        {"refs": ("a",), "vendor": "V3"},
    ],
)
async def test_strangers_stay_apart(
    book: Book, make: Any, left_open: Any, stranger: sqlite3.Connection, other: dict[str, Any]
) -> None:
    """Another reference, none, another currency or another vendor: nothing is settled."""
    stranger.execute("INSERT INTO vendors VALUES ('V3', '', NULL, NULL, NULL, NULL, 0)")
    refs = other.pop("refs")
    bill_refs = refs if refs == ("",) else ("a",)
    await _record(book, make, make.bill(100, *bill_refs), make.payment(100, *refs, **other))
    assert left_open() == [100, -100]


async def test_companies_stay_apart(book: Book, make: Any, left_open: Any) -> None:
    """A payment of another company settles nothing."""
    await _record(book, make, make.bill(100, "a"))
    await _record(book, type(make)("other-company"), make.payment(100, "a"))
    assert left_open() == [100, -100]


async def test_bill_and_credit_note_stay_apart(book: Book, make: Any, left_open: Any) -> None:
    """A credit note waits for its money and does not shorten a bill by itself."""
    await _record(book, make, make.bill(100, "a"), make.bill(-30, "a"), make.payment(100, "a"), make.payment(-30, "a"))
    assert left_open() == [0, 0, 0, 0]


@pytest.mark.parametrize(("returned", "bill"), [(100, 100), (40, 40)])
async def test_returned_payment_reopens(
    book: Book, make: Any, left_open: Any, stranger: sqlite3.Connection, returned: int, bill: int
) -> None:
    """A returned payment opens the bill again as far as money came back, and a new payment settles it."""
    await _record(book, make, make.bill(100, "a"), make.payment(100, "a"), make.payment(-returned, "a"))
    assert left_open() == [bill, 0, 0]
    await _record(book, make, make.payment(bill, "a"))
    assert left_open() == [0, 0, 0, 0]
    net = "SELECT SUM(amount_minor) FROM reconciliations WHERE document = 1"
    assert stranger.execute(net).fetchone() == (100,)


async def test_return_comes_before_its_payment(book: Book, make: Any, left_open: Any) -> None:
    """A return that is recorded before the payment it returns leaves the bill open as well."""
    await _record(book, make, make.bill(100, "a"), make.payment(-100, "a"), make.payment(100, "a"))
    assert left_open() == [100, 0, 0]


async def test_return_by_another_reference(book: Book, make: Any, left_open: Any) -> None:
    """A return reopens the bill its payment settled, even if return and bill share no reference."""
    await _record(book, make, make.bill(100, "bill"), make.payment(100, "bill", "pay"), make.payment(-100, "pay"))
    assert left_open() == [100, 0, 0]


async def test_reconciliations_are_kept(book: Book, make: Any, stranger: sqlite3.Connection) -> None:
    """What was settled is never rewritten, only followed by what undoes it."""
    await _record(book, make, make.bill(100, "a"), make.payment(100, "a"))
    for sql in ("UPDATE reconciliations SET amount_minor = 1", "DELETE FROM reconciliations"):
        with pytest.raises(sqlite3.IntegrityError, match="RECONCILIATION_FIXED"):
            stranger.execute(sql)


async def test_settling_posted_entries(book: Book, make: Any, left_open: Any) -> None:
    """A payment settles a bill that is posted already."""
    (bill,) = await book.record([make.entry(make.bill(100, "a"))])
    assert isinstance(bill, Recorded)
    await book.post([bill])
    await _record(book, make, make.payment(100, "a"))
    assert left_open() == [0, 0]
