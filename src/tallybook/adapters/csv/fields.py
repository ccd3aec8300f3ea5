"""What a column of a template can be filled with: the fields of a row, by name."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from tallybook.accounting.entry import Document, Entry
from tallybook.accounting.handover import Names
from tallybook.import_files.amounts import GrossLine
from tallybook.money import decimal_text

_PATTERN = re.compile(r"\{([a-z0-9_]+(?:\|[a-z0-9_]+)*)\}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a line of a document of an entry, and for pairs the account against it.

    `document_number` is the book's number of the entry, with "-2" for its second document. `tags` are the groups that
    become `tag1`, `tag2`; `tax_name` is what the importing system calls the line's tax.
    """

    entry: Entry
    document: Document
    document_number: str
    line: GrossLine
    against: str
    tax_name: str
    tags: tuple[str, ...]
    names: Names

    def tag(self, place: int) -> tuple[str, str]:
        """The group's name and the code of the line's tag in the group at a place; empty without one."""
        if place >= len(self.tags):
            return "", ""
        group = self.tags[place].casefold()
        codes = [tag for tag in self.line.dimensions if tag.group.casefold() == group]
        known = {code.casefold(): tags.name or code for code, tags in self.names.dimensions.items()}
        return (known.get(group, self.tags[place]), codes[0].code) if codes else ("", "")


Text = Callable[[Row], str | None]
Day = Callable[[Row], date | None]
Amount = Callable[[Row], int | None]

DAYS: Mapping[str, Day] = {
    "date": lambda row: row.entry.posting_on,
    "original_date": lambda row: row.entry.original_on,
    "invoice_date": lambda row: row.document.invoice_on,
    "due_date": lambda row: row.document.due_on,
}
AMOUNTS: Mapping[str, Amount] = {
    "amount": lambda row: row.line.amount_minor,
    "credited": lambda row: -row.line.amount_minor,
    "debit": lambda row: row.line.amount_minor if row.line.amount_minor > 0 else None,
    "credit": lambda row: -row.line.amount_minor if row.line.amount_minor < 0 else None,
    "net": lambda row: row.line.net_minor,
    "tax": lambda row: row.line.tax_in_minor + row.line.tax_out_minor,
}
# Codes that the importing system compares: written as they are or not at all.
CODES: Mapping[str, Text] = {
    "account": lambda row: row.line.account,
    "against": lambda row: row.against,
    "tax_name": lambda row: row.tax_name,
    "tag1": lambda row: row.tag(0)[1],
    "tag2": lambda row: row.tag(1)[1],
    "vendor": lambda row: row.document.vendor,
    "currency": lambda row: row.document.currency,
    "entry_id": lambda row: row.entry.key.entry_id,
    "number": lambda row: row.document_number.partition("-")[0],
    "document": lambda row: row.document_number,
    "kind": lambda row: row.document.kind.value,
}
TEXTS: Mapping[str, Text] = {
    "account_name": lambda row: row.names.accounts.get(row.line.account),
    "against_name": lambda row: row.names.accounts.get(row.against),
    "tag1_group": lambda row: row.tag(0)[0],
    "tag2_group": lambda row: row.tag(1)[0],
    "vendor_name": lambda row: row.names.vendors.get(row.document.vendor or ""),
    "invoice_number": lambda row: row.document.invoice_number,
    "supplier": lambda row: row.entry.details.supplier,
    "description": lambda row: row.entry.details.description,
    "line_text": lambda row: row.line.text,
    "note": lambda row: row.entry.details.note,
    "person": lambda row: row.entry.details.person,
    "person_code": lambda row: row.entry.details.person_code,
    "team": lambda row: row.entry.details.team,
    "team_code": lambda row: row.entry.details.team_code,
    "reference": lambda row: row.entry.details.reference,
    "supplier_amount": lambda row: str(row.entry.details.supplier_amount or ""),
}
NAMES = frozenset({*DAYS, *AMOUNTS, *CODES, *TEXTS})


def names_in(pattern: str) -> Iterator[str]:
    """Every field that a pattern names: '{supplier|person}: {note}' has three."""
    for found in _PATTERN.finditer(pattern):
        yield from found[1].split("|")


def unread(pattern: str) -> bool:
    """Whether a brace is left in a pattern that names no field."""
    return bool(set(_PATTERN.sub("", pattern)) & set("{}"))


def alone(pattern: str) -> tuple[str, ...]:
    """The fields of a pattern that is nothing but one of them, or the first of several that is not empty."""
    found = _PATTERN.fullmatch(pattern)
    return tuple(found[1].split("|")) if found else ()


def filled(pattern: str, value_of: Callable[[str], str]) -> str:
    """Fill a pattern; of names with bars between them the first that is not empty counts."""

    def first(found: re.Match[str]) -> str:
        return next((value for name in found[1].split("|") if (value := value_of(name))), "")

    return _PATTERN.sub(first, pattern)


def value(name: str, row: Row, date_format: str, decimal_sign: str) -> str:
    """Write one field of a row; empty where there is nothing to say."""
    if (day_of := DAYS.get(name)) is not None:
        day = day_of(row)
        return day.strftime(date_format) if day else ""
    if (amount_of := AMOUNTS.get(name)) is not None:
        amount = amount_of(row)
        return "" if amount is None else decimal_text(amount, row.document.currency).replace(".", decimal_sign)
    return (CODES.get(name) or TEXTS[name])(row) or ""
