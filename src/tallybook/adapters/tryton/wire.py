"""Tryton's JSON: dates, exact decimals and bytes are tables with a `__class__`; a plain fraction is never money.

Source: Tryton 8.0, JSON-RPC protocol.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from datetime import time as clock_time
from decimal import Decimal
from typing import Any

from tallybook.money import decimal_text

_INSTANT = ("year", "month", "day", "hour", "minute", "second", "microsecond")


class Unreadable(ValueError):
    """Tryton's answer is no JSON of the form agreed."""


def day(value: date) -> dict[str, Any]:
    """Write a date."""
    return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}


def amount(amount_minor: int, currency: str) -> dict[str, str]:
    """Write an amount in minor units as Tryton's Decimal: never a JSON number, which would be a float there."""
    return {"__class__": "Decimal", "decimal": decimal_text(amount_minor, currency)}


def decimal(value: Decimal) -> dict[str, str]:
    """Write a Decimal."""
    return {"__class__": "Decimal", "decimal": format(value, "f")}


def read(text: bytes) -> Any:
    """Read an answer; floats become Decimals too.

    Raises:
        Unreadable: it is no JSON, or a table in it is not what it says it is.
    """
    try:
        return json.loads(text, object_hook=_value, parse_float=Decimal)
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise Unreadable(f"{type(error).__name__} in an answer of {len(text)} bytes") from None


def _value(table: Mapping[str, Any]) -> Any:
    kind = table.get("__class__")
    if kind == "Decimal":
        return Decimal(table["decimal"])
    if kind == "date":
        return date(table["year"], table["month"], table["day"])
    if kind == "datetime":  # Tryton keeps UTC and says so nowhere
        year, month, day_, *time = (table[name] for name in _INSTANT)
        return datetime.combine(date(year, month, day_), clock_time(*time), tzinfo=UTC)
    return table
