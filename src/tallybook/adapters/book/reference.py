"""What the book knows: read from a TOML file, checked as a whole, and brought into the book in one transaction.

A row that the book has already is updated by its code; what the file does not name stays as it is.
"""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tallybook.accounting.problems import sentences
from tallybook.adapters.book.database import BookFile
from tallybook.adapters.book.schema import FIRST_DAY, LAST_DAY
from tallybook.errors import SettingsError
from tallybook.money import MoneyError, exponent

_CODE_LENGTH_MAX = 200


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be one line of printable text without blanks at the ends")
    return text


# `code = 6071` is read as "6071"; a code with leading zeros needs its quotes, and TOML insists on them.
Code = Annotated[str, Field(min_length=1, max_length=_CODE_LENGTH_MAX)]
Name = Annotated[str, Field(max_length=1000)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    @field_validator("*", mode="after")
    @classmethod
    def _one_line(cls, value: object) -> object:
        return _printable(value) if isinstance(value, str) else value


class AccountRow(_Table):
    """`[[accounts]]`. `kind` decides where the account stands in the ledger; without it, it is an expense account."""

    code: Code
    name: Name = ""
    kind: Literal["asset", "liability", "equity", "income", "expense"] = "expense"
    identifier: Code | None = None
    currency: str | None = None  # None takes any
    open: bool = True

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, currency: str | None) -> str | None:
        if currency is not None:
            try:
                exponent(currency)
            except MoneyError as error:
                raise ValueError(str(error)) from None
        return currency


class TaxCodeRow(_Table):
    """`[[tax_codes]]`."""

    code: Code
    name: Name = ""
    ingoing_account: Code | None = None
    outgoing_account: Code | None = None


class TagRow(_Table):
    """A value of a dimension."""

    code: Code
    name: Name = ""


class TagGroupRow(_Table):
    """`[[tag_groups]]`: a dimension; `tags` are codes, or tables with `code` and `name`."""

    code: Code
    name: Name = ""
    tags: tuple[TagRow, ...] = ()

    @field_validator("tags", mode="before")
    @classmethod
    def _bare_codes(cls, tags: object) -> object:
        if not isinstance(tags, list):
            return tags
        return [{"code": tag} if isinstance(tag, (str, int)) else tag for tag in tags]


class VendorRow(_Table):
    """`[[vendors]]`; `account` is the vendor's own payable account, if it has one."""

    code: Code
    name: Name = ""
    external_id: Code | None = None
    tax_registration_number: Code | None = None
    registration_number: Code | None = None
    account: Code | None = None
    blocked: bool = False


class ClosedPeriodRow(_Table):
    """`[[closed_periods]]`: both days are closed, and all between them."""

    from_on: date
    to_on: date

    @field_validator("to_on")
    @classmethod
    def _in_order(cls, to_on: date, info: object) -> date:
        from_on = getattr(info, "data", {}).get("from_on")
        if from_on is not None:
            check_period(from_on, to_on)
        return to_on


class CompanyRow(_Table):
    """`[company]`: the name over the ledger."""

    name: Annotated[str, Field(min_length=1, max_length=200)]


class Reference(_Table):
    """Everything a book can be told about itself."""

    company: CompanyRow | None = None
    accounts: tuple[AccountRow, ...] = ()
    tax_codes: tuple[TaxCodeRow, ...] = ()
    tag_groups: tuple[TagGroupRow, ...] = ()
    vendors: tuple[VendorRow, ...] = ()
    closed_periods: tuple[ClosedPeriodRow, ...] = ()


def check_period(from_on: date, to_on: date) -> None:
    """See that a closed period is one.

    Raises:
        ValueError: it ends before it begins, or leaves the years a book holds.
    """
    if to_on < from_on:
        raise ValueError(f"the period ends on {to_on}, before it begins on {from_on}")
    if from_on.isoformat() < FIRST_DAY or to_on.isoformat() > LAST_DAY:
        raise ValueError(f"the period {from_on} to {to_on} leaves the years of a book, {FIRST_DAY} to {LAST_DAY}")


def read(path: Path) -> Reference:
    """Read a TOML file of reference data.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong with it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path} is not valid TOML: {error}"]) from None
    except OSError as error:
        raise SettingsError([f"{path} cannot be read: {error.strerror}"]) from None
    try:
        reference = Reference.model_validate(table)
    except ValidationError as error:
        raise SettingsError(sentences(error, Reference)) from None
    if problems := list(_repeated(reference)):
        raise SettingsError(problems)
    return reference


def _repeated(reference: Reference) -> Iterator[str]:
    """Codes that stand twice, where the second would silently win."""

    def same(text: str) -> str:
        return text

    lists: list[
        tuple[str, Sequence[AccountRow | TaxCodeRow | TagGroupRow | VendorRow | TagRow], Callable[[str], str]]
    ] = [
        ("accounts", reference.accounts, same),
        ("tax_codes", reference.tax_codes, same),
        ("vendors", reference.vendors, same),
        ("tag_groups", reference.tag_groups, str.casefold),
        *((f"tags of tag_groups {group.code}", group.tags, str.casefold) for group in reference.tag_groups),
    ]
    for place, rows, form in lists:
        seen: set[str] = set()
        for row in rows:
            if form(row.code) in seen:
                yield f"{place}: the code {row.code!r} stands twice"
            seen.add(form(row.code))


def update(file: BookFile, reference: Reference) -> None:
    """Bring reference data into the book, all or nothing.

    Repeat: safe; the book is the same after the second time.
    Raises:
        SettingsError: `problems` names everything that contradicts what the book holds; nothing was changed.
    """
    with file.writing():
        if problems := list(_contradictions(file, reference)):
            raise SettingsError(problems)
        if reference.company:
            file.execute(
                "INSERT INTO company VALUES (1, ?) ON CONFLICT DO UPDATE SET name = excluded.name",
                (reference.company.name,),
            )
        for table, columns, rows in _rows(reference):
            names = columns.split()
            keys = names[:2] if table in {"dimension_values", "closed_periods"} else names[:1]
            changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
            file.executemany(
                f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
                f" ON CONFLICT ({', '.join(keys)}) DO {'UPDATE SET ' + changes if changes else 'NOTHING'}",
                rows,
            )


def _rows(reference: Reference) -> Iterator[tuple[str, str, list[tuple[object, ...]]]]:
    """Tables in the order their references ask for; the key columns come first."""
    yield (
        "accounts",
        "code name kind identifier currency open",
        [(a.code, a.name, a.kind, a.identifier, a.currency, int(a.open)) for a in reference.accounts],
    )
    yield (
        "tax_codes",
        "code name ingoing_account outgoing_account",
        [(t.code, t.name, t.ingoing_account, t.outgoing_account) for t in reference.tax_codes],
    )
    groups = reference.tag_groups
    yield "dimensions", "folded code name", [(g.code.casefold(), g.code, g.name) for g in groups]
    yield (
        "dimension_values",
        "dimension folded code name",
        [(g.code.casefold(), tag.code.casefold(), tag.code, tag.name) for g in groups for tag in g.tags],
    )
    yield (
        "vendors",
        "code name external_id tax_registration_number registration_number account blocked",
        [
            (
                v.code,
                v.name,
                v.external_id,
                v.tax_registration_number,
                v.registration_number,
                v.account,
                int(v.blocked),
            )
            for v in reference.vendors
        ],
    )
    yield (
        "closed_periods",
        "from_on to_on",
        [(p.from_on.isoformat(), p.to_on.isoformat()) for p in reference.closed_periods],
    )


def _contradictions(file: BookFile, reference: Reference) -> Iterator[str]:
    accounts = {code for (code,) in file.execute("SELECT code FROM accounts")} | {
        row.code for row in reference.accounts
    }
    named = [
        *((f"tax code {t.code}", t.ingoing_account) for t in reference.tax_codes),
        *((f"tax code {t.code}", t.outgoing_account) for t in reference.tax_codes),
        *((f"vendor {v.code}", v.account) for v in reference.vendors),
    ]
    for owner, account in named:
        if account is not None and account not in accounts:
            yield f"{owner}: there is no account {account!r}"
    for row in reference.accounts:
        if row.currency is None:
            continue
        others = file.execute(
            "SELECT DISTINCT d.currency FROM lines l JOIN documents d ON d.id = l.document"
            " WHERE l.account = ? AND d.currency <> ? ORDER BY 1",
            (row.code, row.currency),
        ).fetchall()
        if others:
            held = ", ".join(currency for (currency,) in others)
            yield f"account {row.code}: it cannot be bound to {row.currency}, for it has movements in {held}"
    for period in reference.closed_periods:
        yield from drafts_in_the_way(file, period.from_on, period.to_on)


def drafts_in_the_way(file: BookFile, from_on: date, to_on: date) -> Iterator[str]:
    """A period with drafts is not closed: they could neither be posted nor changed any more."""
    drafts = file.value(
        "SELECT COUNT(*) FROM entries WHERE state = 'draft' AND posting_on BETWEEN ? AND ?"
        " AND NOT EXISTS (SELECT 1 FROM closed_periods WHERE posting_on BETWEEN from_on AND to_on)",
        (from_on.isoformat(), to_on.isoformat()),
    )
    if drafts:
        yield (
            f"the period {from_on} to {to_on} cannot be closed: {drafts} of its entries are drafts; "
            f"post them first with `tallybook book post {from_on} {to_on}`"
        )


def close(file: BookFile, from_on: date, to_on: date) -> None:
    """Close a period.

    Repeat: safe; a closed period stays closed.
    Raises:
        SettingsError: it is no period, or drafts are in it; nothing was changed.
    """
    update(file, Reference(closed_periods=(_period(from_on, to_on),)))


def reopen(file: BookFile, from_on: date, to_on: date) -> None:
    """Open these days again; what was closed before and after them stays closed.

    Repeat: safe; open days stay open.
    Raises:
        SettingsError: it is no period.
    """
    _period(from_on, to_on)
    first, last = from_on.isoformat(), to_on.isoformat()
    overlaps = "from_on <= :last AND to_on >= :first"
    rest = "INSERT INTO closed_periods SELECT {}, {} FROM closed_periods WHERE true AND {} ON CONFLICT DO NOTHING"
    bound = {"first": first, "last": last}
    with file.writing():
        before = rest.format("from_on", "date(:first, '-1 day')", f"from_on < :first AND {overlaps}")
        after = rest.format("date(:last, '+1 day')", "to_on", f"to_on > :last AND {overlaps}")
        for sql in (before, after):
            file.execute(sql, bound)
        # The rests end before the first day or begin after the last, so they are not removed here.
        file.execute(f"DELETE FROM closed_periods WHERE {overlaps}", bound)


def _period(from_on: date, to_on: date) -> ClosedPeriodRow:
    try:
        check_period(from_on, to_on)
    except ValueError as error:
        raise SettingsError([str(error)]) from None
    return ClosedPeriodRow(from_on=from_on, to_on=to_on)
