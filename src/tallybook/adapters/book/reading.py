"""Reading the book: which entries are in it, what it knows, and what its accounts hold."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from tallybook.accounting.entry import EntryKey, PostingState, Recorded
from tallybook.accounting.errors import AccountingUnreachable
from tallybook.accounting.system import Account, ClosedPeriod, ReferenceData, TaxCode, Vendor
from tallybook.adapters.book.database import BookFile
from tallybook.adapters.book.texts import link_part

# Sums are taken in two halves, so that they are exact beyond SQLite's 64 bits; `whole` puts them together.
SUM_HALVES = "SUM(amount_minor >> 32), SUM(amount_minor & 4294967295)"


def whole(high: int, low: int) -> int:
    """Put the two sums of `SUM_HALVES` together."""
    return (high << 32) + low


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as the book knows it, with the row id that other tables refer to it by."""

    row: int
    posting_on: str
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds in one currency: debits minus credits, in minor units."""

    account: str
    currency: str
    amount_minor: int


def external_id(number: int) -> str:
    """The number an entry is known by: 123 -> '000123'."""
    return f"{number:06d}"


def external_url(view_url: str | None, entry_id: str) -> str | None:
    """The entry's page in Fava: its documents are tied together by a link of the entry's id."""
    return f"{view_url.rstrip('/')}/journal/?filter={quote('^' + link_part(entry_id))}" if view_url else None


def keys_json(keys: Sequence[EntryKey]) -> str:
    """Write keys so that one bound parameter carries any number of them."""
    return json.dumps([[key.company_id, key.entry_id] for key in keys])


def stored(file: BookFile, keys: Sequence[EntryKey], view_url: str | None) -> dict[EntryKey, Stored]:
    """Find entries by key, in one statement, whatever the number of keys."""
    rows = file.execute(
        """
        SELECT e.id, e.company_id, e.entry_id, e.number, e.recorded_at, e.state, e.content_hash, e.posting_on,
            (SELECT json_group_array(json_array(a.position, a.sha256)) FROM attachments a WHERE a.entry = e.id)
        FROM json_each(?) AS wanted
        JOIN entries e ON e.company_id = wanted.value ->> 0 AND e.entry_id = wanted.value ->> 1
        """,
        (keys_json(keys),),
    )
    found = {}
    for row, company_id, entry_id, number, recorded_at, state, content_hash, posting_on, attached in rows:
        key = EntryKey(company_id, entry_id)
        recorded = Recorded(
            key=key,
            external_id=external_id(number),
            recorded_at=_instant(recorded_at, number),
            state=PostingState(state),
            content_hash=content_hash,
            external_url=external_url(view_url, entry_id),
            attached=frozenset((position, sha256) for position, sha256 in json.loads(attached)),
            posting_on=date.fromisoformat(posting_on),
        )
        found[key] = Stored(row, posting_on, recorded)
    return found


def instant_text(instant: datetime) -> str:
    """Write an instant the way the book keeps it; it is read back as the same instant."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def _instant(text: str, number: int) -> datetime:
    """Read back what `instant_text` wrote; another program may have written over it.

    Raises:
        AccountingUnreachable: it cannot be read.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise AccountingUnreachable(
            f"Entry {external_id(number)} of the book does not say when it was recorded ({text[:40]!r}); "
            "restore the book from a backup"
        ) from error


def reference_data(file: BookFile) -> ReferenceData:
    """Everything a plan can be checked against."""
    dimensions: dict[str, set[str]] = {code: set() for (code,) in file.execute("SELECT code FROM dimensions")}
    for dimension, value in file.execute(
        "SELECT d.code, v.code FROM dimension_values v JOIN dimensions d ON d.folded = v.dimension"
    ):
        dimensions[dimension].add(value)
    return ReferenceData(
        accounts=[
            Account(code=code, name=name, identifier=identifier, open=bool(is_open), currency=currency)
            for code, name, identifier, is_open, currency in file.execute(
                "SELECT code, name, identifier, open, currency FROM accounts ORDER BY code"
            )
        ],
        tax_codes=[
            TaxCode(*row)
            for row in file.execute("SELECT code, name, ingoing_account, outgoing_account FROM tax_codes ORDER BY code")
        ],
        dimensions={code: frozenset(values) for code, values in dimensions.items()},
        vendors=[
            Vendor(code, name, external_id, tax_number, number, account, bool(blocked))
            for code, name, external_id, tax_number, number, account, blocked in file.execute(
                "SELECT code, name, external_id, tax_registration_number, registration_number, account, blocked"
                " FROM vendors ORDER BY code"
            )
        ],
        closed_periods=closed_periods(file),
    )


def closed_periods(file: BookFile) -> list[ClosedPeriod]:
    """The closed stretches of days, oldest first."""
    return [
        ClosedPeriod(date.fromisoformat(from_on), date.fromisoformat(to_on))
        for from_on, to_on in file.execute("SELECT from_on, to_on FROM closed_periods ORDER BY from_on, to_on")
    ]


def balances(file: BookFile, until_on: date | None = None) -> list[Balance]:
    """Every account and currency with movements (also those that came back to zero), up to a day and including it."""
    condition = "JOIN entries e ON e.id = d.entry WHERE e.posting_on <= ?" if until_on else ""
    rows = file.execute(
        f"SELECT l.account, d.currency, {SUM_HALVES} FROM lines l JOIN documents d ON d.id = l.document {condition}"
        " GROUP BY l.account, d.currency ORDER BY l.account, d.currency",
        (until_on.isoformat(),) if until_on else (),
    )
    return [Balance(account, currency, whole(high, low)) for account, currency, high, low in rows]


def entry_list(file: BookFile) -> Iterator[Mapping[str, Any]]:
    """The entries in the order of their posting dates, one after the other, as plain values."""
    names = (
        "company_id", "entry_id", "external_id", "state", "posting_on", "original_on", "recorded_at", "sort",
        "reference", "description", "documents", "attachments",
    )  # fmt: skip
    for number, documents, *row in file.execute(
        """
        SELECT number,
            (SELECT json_group_array(kind) FROM (SELECT kind FROM documents d WHERE d.entry = e.id ORDER BY position)),
            company_id, entry_id, state, posting_on, original_on, recorded_at, sort, reference, description,
            (SELECT COUNT(*) FROM attachments a WHERE a.entry = e.id)
        FROM entries e ORDER BY posting_on, company_id, number
        """
    ):
        values = [*row[:2], external_id(number), *row[2:-1], json.loads(documents), row[-1]]
        yield dict(zip(names, values, strict=True))
