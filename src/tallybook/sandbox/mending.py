"""Mending: what a bookkeeper changes in an unexported expense after reading why its export failed.

Category, tax code, tags, vendor and date, chosen from what the books hold; everything else stays as it was spent.
Source: help centre on the lanes of the export page: expenses can be edited while they are unexported.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any, Final

from tallybook.sandbox.errors import Refusal, bad_request
from tallybook.sandbox.expenses import note_mend, read_expense, rewrite_expense
from tallybook.sandbox.rules import Lane
from tallybook.sandbox.world import choices
from tallybook.sandbox.worlds import World

Json = dict[str, Any]


class Keep(Enum):
    """Says that something stays as it is, where None takes it away."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
Choice = str | None | Keep


@dataclass(frozen=True, slots=True)
class LineMend:
    """What is chosen anew for the line at `position`, counted from 1: codes of the books.

    `tags` names a tag for each tag group that changes.
    """

    position: int
    category: Choice = KEEP
    tax_code: Choice = KEEP
    tags: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mend:
    """What is changed about an expense."""

    lines: Sequence[LineMend] = ()
    vendor: Choice = KEEP
    dated_on: date | None = None


@dataclass(frozen=True, slots=True)
class MendDone:
    """A change that was made; `at` is the sandbox's time in seconds since 1970."""

    n: int
    at: float
    entry_id: str
    what: str


def mend_expense(db: sqlite3.Connection, world: World, now_s: float, entry_id: str, mend: Mend) -> str:
    """Change an unexported expense and say what was done; nothing is written when nothing differs.

    A mend that the world had planned for the expense is dropped: the bookkeeper has decided.

    Repeat: safe, the same again changes nothing.
    Raises:
        Refusal: 404, no such expense; 409, it is in the export queue, in a running job or exported; 400, the books do
            not have what was chosen, or the expense is of a shape that cannot be mended.
    """
    if read_expense(db, entry_id).lane is not Lane.UNEXPORTED:
        message = f"Expense {entry_id} is in the export queue or exported; only unexported expenses can be changed."
        raise Refusal(409, "EXPENSE_LOCKED", message)
    said: dict[str, None] = {}  # in order, each once: an entry may have two documents

    def mended(document: Any) -> Any:
        try:
            changed, what = _mended(document, mend, world)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            message = f"Expense {entry_id} cannot be mended: it has not the shape of an export item."
            raise bad_request(message) from error
        said.update(dict.fromkeys(what))
        return changed

    rewrite_expense(db, world, entry_id, mended)
    if not said:
        return ""
    what = " ".join(said)
    note_mend(db, now_s, entry_id, what)
    db.execute("UPDATE expenses SET mend = NULL, trouble = NULL WHERE entry_id = ?", (entry_id,))
    return what


def _mended(document: Any, mend: Mend, world: World) -> tuple[Json, list[str]]:
    seed = world.founding.seed
    changed, said = dict(document), []
    lines = list(document["accountingEntryLines"])
    for line_mend in mend.lines:
        if not 1 <= line_mend.position <= len(lines):
            raise bad_request(f"The expense has {len(lines)} lines; there is no line {line_mend.position}.")
        line, what = _mended_line(dict(lines[line_mend.position - 1]), line_mend, seed)
        lines[line_mend.position - 1] = line
        said += [f"Line {line_mend.position}: {part}." for part in what]
    changed["accountingEntryLines"] = lines
    if mend.vendor is not KEEP and mend.vendor != _code(document.get("vendor")):
        changed["vendor"] = None if mend.vendor is None else _known(choices.vendor, "vendor", seed, mend.vendor)
        said.append(f"Vendor: {mend.vendor or 'none'}.")
    present = str(document.get("date", ""))
    if mend.dated_on is not None and present[:10] != mend.dated_on.isoformat():
        changed["date"] = mend.dated_on.isoformat() + (present[10:] if present[10:11] == "T" else "T12:00:00Z")
        said.append(f"Date: {mend.dated_on.isoformat()}.")
    return changed, said


def _mended_line(line: Json, mend: LineMend, seed: int) -> tuple[Json, list[str]]:
    said = []
    if mend.category is not KEEP and mend.category != _code(line.get("account")):
        line["account"] = None if mend.category is None else _known(choices.account, "category", seed, mend.category)
        said.append(f"category {mend.category or 'none'}")
    if mend.tax_code is not KEEP and mend.tax_code != _code(line.get("tax")):
        if mend.tax_code is not None:
            _known(choices.tax, "tax code", seed, mend.tax_code)
        line["netAmount"], line["tax"] = choices.taxed(seed, mend.tax_code, line["lineAmount"])
        said.append(f"tax code {mend.tax_code or 'none'}")
    tags = [tag for tag in line.get("tags") or [] if tag]
    for group, code in mend.tags.items():
        present = [at for at, tag in enumerate(tags) if tag["groupCode"] == group]
        if [tags[at]["code"] for at in present] == ([] if code is None else [code]):
            continue
        chosen = [] if code is None else [_known(choices.tag, "tag", seed, group, code)]
        first = present[0] if present else len(tags)  # the new tag stands where the old one stood
        tags = [*tags[:first], *chosen, *(tag for tag in tags[first:] if tag["groupCode"] != group)]
        line["tags"] = tags
        said.append(f"tag {group} {code or 'none'}")
    return line, said


def _known(choose: Any, what: str, seed: int, *codes: str) -> Json:
    try:
        found: Json = choose(seed, *codes)
    except KeyError as error:
        raise bad_request(f"The books have no {what} {'/'.join(codes)}; choose one that they have.") from error
    return found


def _code(part: Any) -> str | None:
    code = part.get("code") if isinstance(part, dict) else None
    return code if isinstance(code, str) else None


def list_mends(db: sqlite3.Connection, after: int, limit: int, entry_id: str | None = None) -> list[MendDone]:
    """Read what was changed about expenses after number `after`, oldest first, of all or of one.

    Repeat: safe, reads only.
    """
    rows = db.execute(
        "SELECT n, at, entry_id, what FROM mends WHERE n > ? AND entry_id = coalesce(?, entry_id) ORDER BY n LIMIT ?",
        (after, entry_id, limit),
    )
    return [MendDone(*row) for row in rows]
