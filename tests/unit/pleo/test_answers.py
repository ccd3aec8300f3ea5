"""From bytes to rows: exact numbers, one bad row alone, and problems named without what stood there."""

import json
import time
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallybook.pleo import answers
from tallybook.pleo.errors import PleoAnswerUnreadable
from tallybook.pleo.models import ExportItem, ItemSubType, ItemType, ItemUpdate, Page, UnreadableItem
from tests.unit.pleo.hostile import amount, entry_id, export_item, page


def _read(body: bytes) -> Page[ExportItem | UnreadableItem]:
    return answers.read_page(answers.export_item, answers.parse(body), "export items", None)


def _row(item: Any) -> ExportItem | UnreadableItem:
    (row,) = _read(json.dumps(page([item])).encode()).rows
    return row


def test_one_bad_row_spoils_no_other() -> None:
    """A row of the wrong shape is named among its readable neighbours."""
    rows = _read(json.dumps(page([export_item(1), export_item(2, amount=None), export_item(3)])).encode()).rows
    assert [type(row) for row in rows] == [ExportItem, UnreadableItem, ExportItem]
    assert rows[1] == UnreadableItem(entry_id(2), "amount is no object")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"accountingEntryId": "Anna"}, "accountingEntryId is no UUID"),
        ({"type": 5}, "type is no text"),
        ({"date": "Anna's birthday"}, "date Input should be a valid datetime"),
        ({"accountingEntryLines": []}, "accountingEntryLines is empty"),
        ({"accountingEntryLines": {}}, "accountingEntryLines is no list"),
        ({"amount": amount("1234")}, "amount.inSupplierCurrency.value is no number"),
        ({"amount": amount(None)}, "amount.inSupplierCurrency.value is no number"),
        ({"amount": amount(True)}, "amount.inSupplierCurrency.value is no number"),
        ({"note": ["Anna"]}, "note is no text"),
        ({"supplier": "Anna"}, "supplier is no object"),
        ({"user": {"id": "Anna"}}, "user.name is missing"),
    ],
)
def test_a_problem_names_field_and_fault_only(fields: dict[str, Any], problem: str) -> None:
    """The sentence says where and what, and repeats no word of the row."""
    row = _row(export_item(7, **fields))
    assert isinstance(row, UnreadableItem)
    assert problem in row.problem
    assert "Anna" not in row.problem
    assert row.accounting_entry_id == (None if "accountingEntryId" in fields else entry_id(7))


@pytest.mark.parametrize("row", [None, 5, "x", [], [export_item()], {}])
def test_a_row_that_is_no_item_is_unreadable(row: Any) -> None:
    """Anything may stand in the list."""
    assert isinstance(_row(row), UnreadableItem)


def test_an_id_in_capitals_is_read_in_lower_case() -> None:
    """Pleo's guides mix the case; two spellings are one entry, readable or not."""
    assert _row(export_item(10) | {"accountingEntryId": entry_id(10).upper()}).accounting_entry_id == entry_id(10)
    assert _row({"accountingEntryId": entry_id(10).upper()}).accounting_entry_id == entry_id(10)


def test_words_nobody_knows_yet_are_kept() -> None:
    """A new type or sub-type is a plain string, a known one its member, and new fields stay."""
    new = _row(export_item(1, type="barter", subType="goats", mood="good"))
    known = _row(export_item(1, type="fee", subType="interest"))
    assert isinstance(new, ExportItem)
    assert isinstance(known, ExportItem)
    assert (new.type, new.sub_type, new.model_extra) == ("barter", "goats", {"mood": "good"})
    assert (known.type, known.sub_type) == (ItemType.FEE, ItemSubType.INTEREST)
    assert isinstance(known.type, ItemType)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999999999", "-1E-999999999", "9" * 5000])
def test_a_number_nobody_can_mean_spoils_its_row_only(number: str) -> None:
    """Not-a-number, the infinite and the endless are refused at once, for the item that holds them."""
    good, bad = json.dumps(export_item(1)), json.dumps(export_item(2, amount=amount("@"))).replace('"@"', number)
    began = time.perf_counter()
    rows = _read(f'{{"data":[{good},{bad}],"pagination":{{"hasNextPage":false}}}}'.encode()).rows
    assert time.perf_counter() - began < 1
    assert [type(row) for row in rows] == [ExportItem, UnreadableItem]


@given(st.integers(-(10**39), 10**39) | st.decimals(-(10**20), 10**20, places=6))
def test_numbers_come_exactly(number: int | Decimal) -> None:
    """No digit is lost on the way, and a whole number stays one."""
    parsed = answers.parse(str(number).encode() if isinstance(number, int) else f"{number:f}".encode())
    assert parsed == number
    assert type(parsed) is (int if isinstance(number, int) else Decimal)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"a\ud83d"', "a\ufffd"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
    ],
)
def test_half_characters_are_replaced(body: bytes, text: str) -> None:
    """What is left can be written to any file or database."""
    assert answers.parse(body) == text
    text.encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_value_anywhere_breaks_the_page(data: st.DataObject) -> None:
    """Whatever stands in whatever field, the row is read or unreadable, and nothing else happens."""
    item = export_item(1)
    holder: Any = item
    while True:
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))))
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.booleans()):
            break
        holder[key] = holder[key].copy()
        holder = holder[key]
    holder[key] = data.draw(json_values)
    assert isinstance(_row(item), ExportItem | UnreadableItem)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_breaks_anything(body: bytes) -> None:
    """Any bytes are a page or an unreadable answer."""
    with suppress(PleoAnswerUnreadable):
        _read(body)


def test_the_error_does_not_carry_the_body() -> None:
    """Neither the chain of causes nor the context holds what Pleo sent."""
    for body in (b'{"data": "Anna"', b'"Anna', b'{"data": ["Anna"], "pagination": "Anna"}'):
        with pytest.raises(PleoAnswerUnreadable) as caught:
            _read(body)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert "Anna" not in str(caught.value)


def test_a_page_of_a_hundred_is_read_in_under_twenty_milliseconds() -> None:
    """Validation keeps up with any network; processor time counts, for the machine may be busy with something else."""
    rows = answers.parse(json.dumps(page([export_item(n) for n in range(100)])).encode())

    def once() -> float:
        began = time.thread_time()
        answers.read_page(answers.export_item, rows, "export items", None)
        return time.thread_time() - began

    assert min(once() for _ in range(5)) < 0.020


def test_an_update_takes_only_published_fields() -> None:
    """A misspelt field is found here and not by Pleo; an instant has the published form."""
    with pytest.raises(ValueError, match="external_uri"):
        ItemUpdate.model_validate({"accounting_entry_id": entry_id(1), "status": "failed", "external_uri": "x"})
    with pytest.raises(ValueError, match="exported_at"):
        ItemUpdate.model_validate({"accounting_entry_id": entry_id(1), "status": "failed", "exported_at": "today"})
