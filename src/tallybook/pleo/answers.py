"""From the bytes of an answer to typed rows: exact numbers, and problems named without the values behind them.

Source: contract/pleo-export-v3.openapi.yaml, envelopes and `CursorPageInfo`; RFC 8259.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tallybook.pleo.errors import PleoAnswerUnreadable, printable
from tallybook.pleo.models import NUMBER_DIGITS_MAX, ExportItem, Page, PageInfo, UnreadableItem, is_uuid

_Model = TypeVar("_Model", bound=BaseModel)
_Row = TypeVar("_Row")

# Marks a number nobody can mean; the field that holds it is refused, the rest of the page is not.
_NO_NUMBER = Decimal("NaN")

_PROBLEMS_NAMED_MAX = 3
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_PAIR_OR_LONE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
# pydantic's words for a fault, where ours are clearer to somebody who sees only Pleo's JSON.
_WORDS = {
    "missing": "is missing",
    "model_type": "is no object",
    "model_attributes_type": "is no object",
    "dict_type": "is no object",
    "string_type": "is no text",
    "tuple_type": "is no list",
    "too_short": "is empty",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "int_type": "is no whole number",
    "int_parsing": "is no whole number",
    "int_from_float": "is no whole number",
}


def parse(body: bytes) -> Any:
    """Parse JSON with every number exact: whole numbers as int, others as Decimal, unreasonable ones as Decimal NaN.

    Raises:
        PleoAnswerUnreadable: not UTF-8, not JSON, or nested too deep.
    """
    problem = "is no JSON"
    try:
        text = body.decode("utf-8-sig")
        if _SURROGATE.search(text):
            # Half a character would break every database and file it is later written to.
            text = _PAIR_OR_LONE.sub(lambda match: "\\ufffd" if match["lone"] else match[0], text)
        return json.loads(text, parse_float=_number, parse_int=_whole, parse_constant=lambda _: _NO_NUMBER)
    except UnicodeDecodeError:
        problem = "is no UTF-8 text"
    except RecursionError:
        problem = "is nested too deep"
    except ValueError:
        pass
    # Raised here, outside the handlers: their errors hold the whole body.
    raise PleoAnswerUnreadable(
        f"Pleo's answer {problem}{_looks_like(body)}; check pleo.base_url, or ask Pleo's support"
    )


def _looks_like(body: bytes) -> str:
    return " but a web page" if body[:200].lstrip().startswith(b"<") else f" ({len(body)} bytes)"


def _number(text: str) -> Decimal:
    number = Decimal(text) if len(text) <= 2 * NUMBER_DIGITS_MAX else _NO_NUMBER
    return number if number.is_finite() and abs(number.adjusted()) <= NUMBER_DIGITS_MAX else _NO_NUMBER


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text.removeprefix("-")) <= NUMBER_DIGITS_MAX else _NO_NUMBER


def problem_sentence(error: ValidationError) -> str:
    """Name the fields at fault and their faults, never a value: 'amount.inWalletCurrency.value is no number'."""
    found: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        where = ""
        for step in fault["loc"]:
            if isinstance(step, int):
                where += f"[{step}]"
            elif re.fullmatch(r"[a-z_][A-Za-z_]*", step) and step not in {"str", "int", "decimal"}:
                where += f".{step}"
        words = _WORDS.get(fault["type"]) or printable(fault["msg"].removeprefix("Value error, "), 120)
        found[where.lstrip(".") or "the row"] = words  # of a union's branches, the last says the widest type
    named = [f"{where} {words}" for where, words in list(found.items())[:_PROBLEMS_NAMED_MAX]]
    rest = len(found) - len(named)
    return "; ".join(named) + (f"; and {rest} more" if rest else "")


def read(model: type[_Model], value: Any, what: str) -> _Model:
    """Read one object of an answer.

    Raises:
        PleoAnswerUnreadable: it is not of the published shape.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problem = problem_sentence(error)
    # Raised here, outside the handler: pydantic's error holds the values.
    raise PleoAnswerUnreadable(f"Pleo sent {what} in a form that cannot be read: {problem}")


def read_data(model: type[_Model], answer: Any, what: str) -> _Model:
    """Read `{"data": {...}}`.

    Raises:
        PleoAnswerUnreadable: it is not of the published shape.
    """
    if not isinstance(answer, dict) or "data" not in answer:
        raise PleoAnswerUnreadable(f"Pleo sent {what} without `data`; check pleo.base_url, or ask Pleo's support")
    return read(model, answer["data"], what)


def read_page(row: Callable[[Any], _Row], answer: Any, what: str, after: str | None) -> Page[_Row]:
    """Read `{"data": [...], "pagination": {...}}`, each row with `row`.

    A page that announces another one must say where it begins, and not where this one began.

    Raises:
        PleoAnswerUnreadable: it is not of the published shape, or its cursor leads nowhere.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list) or "pagination" not in answer:
        raise PleoAnswerUnreadable(
            f"Pleo sent a page of {what} without `data` and `pagination`; check pleo.base_url, or ask Pleo's support"
        )
    info = read(PageInfo, answer["pagination"], f"the `pagination` of {what}")
    if info.has_next_page and (not info.end_cursor or info.end_cursor == after):
        raise PleoAnswerUnreadable(
            f"Pleo announces another page of {what} but not where it begins; try again, or ask Pleo's support"
        )
    return Page(rows=tuple(row(value) for value in answer["data"]), info=info)


def export_item(value: Any) -> ExportItem | UnreadableItem:
    """Read one export item; one of the wrong shape becomes an `UnreadableItem` and spoils no other."""
    try:
        return ExportItem.model_validate(value)
    except ValidationError as error:
        entry_id = value.get("accountingEntryId") if isinstance(value, dict) else None
        return UnreadableItem(
            accounting_entry_id=entry_id.lower() if isinstance(entry_id, str) and is_uuid(entry_id) else None,
            problem=problem_sentence(error),
        )
