"""Mapping: which code of the books stands for a code of Pleo's, where the two use different ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tallybook.bookkeeping.wording import shown

Table = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CodeMapping:
    """Tables from Pleo's code to that of the books; a code that is in none stays as it is.

    `accounts` is for every account Pleo names: categories, contra accounts, accounts of tax codes. `tags` has a table
    for each of Pleo's tag groups, by the group's code. Codes are compared letter by letter, without outer blanks.

    The content hash is of what Pleo sent, so entries that are in the books already stay linked when a mapping changes.
    """

    accounts: Table = field(default_factory=dict)
    tax_codes: Table = field(default_factory=dict)
    tag_groups: Table = field(default_factory=dict)
    tags: Mapping[str, Table] = field(default_factory=dict)
    vendors: Table = field(default_factory=dict)
    teams: Table = field(default_factory=dict)
    employees: Table = field(default_factory=dict)

    def tag(self, group: str, code: str) -> str | None:
        """Give the books' code of a tag; None: it is not mapped."""
        return mapped(self.tags.get(group.strip(), {}), code)


def mapped(table: Table, *codes: str | None) -> str | None:
    """Give what the first of these codes that is in the table is mapped to; None: none of them is."""
    return next((table[code.strip()] for code in codes if code is not None and code.strip() in table), None)


def both(code: object, to: str | None) -> str:
    """Quote a code for a sentence, with what it was mapped to, if it was."""
    return shown(code) if to is None else f"{shown(code)} (mapped to {shown(to)})"


def mend(name: str, to: str | None, otherwise: str) -> str:
    """Say where to mend a code: in the table `mapping.<name>` too, if it was mapped."""
    return otherwise if to is None else f"correct mapping.{name} in the settings of Tallybook, or {otherwise}"
