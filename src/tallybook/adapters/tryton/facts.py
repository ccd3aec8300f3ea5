"""Reading what Tryton knows: everything, for planning, and what a batch names, just before it is checked and written.

The latter is read anew for every batch, since a bookkeeper may close a period or an account at any time.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from tallybook.accounting.entry import Entry
from tallybook.accounting.system import Account, ClosedPeriod, ReferenceData, TaxCode, Vendor
from tallybook.adapters.tryton import wire
from tallybook.adapters.tryton.known import Company, Facts, KnownAccount, KnownLeaf, KnownParty, KnownPeriod, KnownTax
from tallybook.adapters.tryton.rpc import Session

Row = Mapping[str, Any]
Nothing = TypeVar("Nothing")
Named = TypeVar("Named")
ALSO_CLOSED: Mapping[str, Any] = {"active_test": False}  # context: rows that are deactivated too


async def reference_data(session: Session, company: Company) -> ReferenceData:
    """Read everything that planning needs.

    Repeat: safe.
    """
    accounts, taxes, (roots, dimensions), parties, periods = await asyncio.gather(
        _accounts(session, company, []),
        _taxes(session, company),
        _dimensions(session, company),
        _parties(session, []),
        periods_of(session, company, []),
    )
    groups: dict[str, set[str]] = {root: set() for root in roots.values()}
    for root, code in dimensions:
        groups[roots[root]].add(code)
    return ReferenceData(
        accounts=[Account(a.code, a.name, str(a.id), a.open, a.currency) for a in accounts.values()],
        tax_codes=[TaxCode(t.name, t.name, t.ingoing_account, t.outgoing_account) for t in taxes.values()],
        dimensions={root: frozenset(codes) for root, codes in groups.items()},
        vendors=[
            Vendor(p.code, p.name, p.external_id, p.tax_number, p.other_number, p.account, p.blocked)
            for p in parties.values()
        ],
        closed_periods=_closed(periods, company),
    )


async def facts(session: Session, company: Company, entries: Sequence[Entry]) -> Facts:
    """Read what these entries name, as it is now.

    Repeat: safe.
    """
    documents = [document for entry in entries for document in entry.documents]
    lines = [line for document in documents for line in document.lines]
    days = [entry.posting_on for entry in entries]
    vendors = _sorted(each.vendor for each in documents)
    accounts, taxes, (roots, dimensions), parties, periods, (currencies, rates) = await asyncio.gather(
        _accounts(session, company, [["code", "in", _sorted(line.account for line in lines)]]),
        _taxes(session, company) if any(line.tax_code for line in lines) else _nothing({}),
        _dimensions(session, company) if any(line.dimensions for line in lines) else _nothing(({}, {})),
        _parties(session, [["code", "in", vendors]]) if vendors else _nothing({}),
        periods_of(
            session, company, [["start_date", "<=", wire.day(max(days))], ["end_date", ">=", wire.day(min(days))]]
        ),
        _currencies(session, company, {document.currency for document in documents}),
    )
    by_hand = await _bills_by_hand(
        session,
        company,
        {
            (parties[document.vendor].id, document.invoice_number)
            for document in documents
            if document.invoice_number and document.invoice_number.isprintable() and document.vendor in parties
        },
    )
    return Facts(accounts, taxes, frozenset(roots), dimensions, parties, periods, currencies, rates, by_hand)


async def tax_codes(session: Session, company: Company) -> dict[int, str]:
    """Say for every tax, by Tryton's id, under which code it goes here: that of the tax it is a part of.

    Repeat: safe.
    """
    return {number: tax.name for number, tax in (await taxes_by_id(session, company)).items()}


async def taxes_by_id(session: Session, company: Company) -> dict[int, KnownTax]:
    """Give for every tax, by Tryton's id, the one it is a part of.

    Repeat: safe.
    """
    taxes = (await _taxes(session, company)).values()
    return {number: tax for tax in taxes for number in (tax.id, *(leaf.id for leaf in tax.leaves))}


def _sorted(codes: Iterable[str | None]) -> list[str]:
    """Codes to ask for; one that no database stores would spoil the question, and is unknown without it."""
    return sorted({code for code in codes if code is not None and code.isprintable()})


async def _nothing(of_that_kind: Nothing) -> Nothing:
    return of_that_kind


async def _rows(
    session: Session, model: str, domain: Sequence[object], fields: Sequence[str], **context: Any
) -> list[Row]:
    found: list[Row] = await session.call(
        f"model.{model}.search_read", list(domain), 0, None, [["id", "ASC"]], list(fields), context=context
    )
    return found


async def _accounts(session: Session, company: Company, domain: list[object]) -> dict[str, KnownAccount]:
    """Read accounts that can be posted to; a code that two open ones share names neither."""
    fields = ["code", "name", "closed", "party_required", "second_currency.code", "start_date", "end_date"]
    rows = await _rows(
        session,
        "account.account",
        [["company", "=", company.company], ["type", "!=", None], ["code", "!=", None], *domain],
        [*fields, "type.payable", "type.expense", "type.debt"],
        **ALSO_CLOSED,
    )
    found: dict[str, list[KnownAccount]] = {}
    for row in rows:
        kind = row["type."]
        found.setdefault(row["code"], []).append(
            KnownAccount(
                id=row["id"],
                code=row["code"],
                name=row["name"],
                open=not row["closed"],
                party_required=bool(row["party_required"]),
                payable=bool(kind["payable"]),
                on_bills=bool(kind["expense"] or kind["debt"]),
                currency=(row["second_currency."] or {}).get("code"),
                from_on=row["start_date"],
                to_on=row["end_date"],
            )
        )
    return _unmistakable(found, lambda account: account.open)


def _unmistakable(found: Mapping[str, list[Named]], usable: Callable[[Named], bool]) -> dict[str, Named]:
    chosen = {}
    for code, rows in found.items():
        in_use = [row for row in rows if usable(row)]
        if len(in_use) <= 1:
            chosen[code] = (in_use or rows)[0]
    return chosen


async def _taxes(session: Session, company: Company) -> dict[str, KnownTax]:
    """Read taxes by name, which is their code here; one that is made of others brings them along."""
    fields = ["name", "description", "type", "rate", "amount", "update_unit_price", "parent"]
    rows = await _rows(
        session,
        "account.tax",
        [["company", "=", company.company]],
        [*fields, "invoice_account", "credit_note_account", "invoice_account.code"],
    )
    parts: dict[int, list[Row]] = {}
    for row in rows:
        parts.setdefault(row["parent"] or 0, []).append(row)
    found: dict[str, list[KnownTax]] = {}
    for row in parts.get(0, []):
        found.setdefault(row["name"], []).append(_tax(row, list(_leaves(row, parts)) or [row]))
    return _unmistakable(found, lambda _: True)


def _leaves(row: Row, parts: Mapping[int, Sequence[Row]]) -> Iterator[Row]:
    """Taxes that are made of no others, at the bottom of a tax."""
    below = parts.get(row["id"], ())
    if not below and row["type"] != "none":
        yield row
    for each in below:
        yield from _leaves(each, parts)


def _tax(row: Row, leaves: Sequence[Row]) -> KnownTax:
    owed = [leaf for leaf in leaves if _rate(leaf) < 0]
    if not owed and len(leaves) == 2 and not any(map(_rate, leaves)):  # noqa: PLR2004 - reclaimed, then owed
        owed = [leaves[1]]
    reclaimed = [leaf for leaf in leaves if leaf not in owed] or list(leaves)
    return KnownTax(
        id=row["id"],
        name=row["name"],
        description=row["description"] or row["name"],
        leaves=tuple(
            KnownLeaf(
                leaf["id"],
                leaf["invoice_account"],
                leaf["credit_note_account"],
                leaf["type"] == "percentage" and not leaf["update_unit_price"],
            )
            for leaf in leaves
        ),
        ingoing=reclaimed[0]["id"],
        outgoing=(owed or leaves)[0]["id"],
        ingoing_account=(reclaimed[0]["invoice_account."] or {}).get("code"),
        outgoing_account=(owed[0]["invoice_account."] or {}).get("code") if owed else None,
    )


def _rate(leaf: Row) -> Decimal:
    found = leaf["rate"] if leaf["type"] == "percentage" else leaf["amount"]
    return found if isinstance(found, Decimal) else Decimal(0)


async def _dimensions(
    session: Session, company: Company
) -> tuple[dict[str, str], dict[tuple[str, str], tuple[int, int]]]:
    """Read the roots by folded code with their own spelling, and analytic accounts by (root, code), both folded."""
    rows = await _rows(
        session,
        "analytic_account.account",
        [["company", "=", company.company], ["code", "!=", None], ["type", "in", ["root", "normal"]]],
        ["code", "type", "root", "state"],
    )
    roots = {row["id"]: row["code"] for row in rows if row["type"] == "root"}
    values = {
        (roots[row["root"]].casefold(), row["code"].casefold()): (row["root"], row["id"])
        for row in rows
        if row["type"] == "normal" and row["root"] in roots and row["state"] != "closed"
    }
    return {code.casefold(): code for code in roots.values()}, values


async def _parties(session: Session, domain: list[object]) -> dict[str, KnownParty]:
    rows = await _rows(
        session,
        "party.party",
        [["code", "!=", None], *domain],
        ["code", "name", "active", "addresses", "account_payable.code", "identifiers.type", "identifiers.code"],
        **ALSO_CLOSED,
    )
    found = {}
    for row in rows:
        numbers = [_number(each["type"], each["code"]) for each in row["identifiers."]]
        found[row["code"]] = KnownParty(
            id=row["id"],
            code=row["code"],
            name=row["name"] or row["code"],
            blocked=not row["active"],
            address=next(iter(row["addresses"]), None),
            account=(row["account_payable."] or {}).get("code"),
            external_id=next((code for kind, code in numbers if kind == "external"), str(row["id"])),
            tax_number=next((code for kind, code in numbers if kind == "tax"), None),
            other_number=next((code for kind, code in numbers if kind == "other"), None),
        )
    return found


def _number(kind: str | None, code: str) -> tuple[str, str]:
    """Tell an identifier's use: one of a type is a tax number; one of none may say its use before a colon."""
    use, colon, rest = code.partition(":")
    if kind is None and colon and use in {"tax", "external"}:
        return use, rest
    return ("other" if kind is None else "tax"), code


async def periods_of(session: Session, company: Company, domain: list[object]) -> list[KnownPeriod]:
    """Read the standard periods of a domain, the oldest first.

    Repeat: safe.
    """
    mine = ["company", "=", company.company]
    periods, shut = await asyncio.gather(
        _rows(
            session,
            "account.period",
            [mine, ["type", "=", "standard"], *domain],
            ["start_date", "end_date", "state"],
        ),
        _rows(
            session,
            "account.journal.period",
            [["period.company", "=", company.company], ["state", "=", "closed"]],
            ["journal", "period"],
        ),
    )
    return sorted(
        (
            KnownPeriod(
                row["id"],
                row["start_date"],
                row["end_date"],
                row["state"] == "open",
                frozenset(each["journal"] for each in shut if each["period"] == row["id"]),
            )
            for row in periods
        ),
        key=lambda period: period.from_on,
    )


def _closed(periods: Sequence[KnownPeriod], company: Company) -> list[ClosedPeriod]:
    """Every stretch of days on which nothing can be recorded: closed periods, and days of no period at all."""
    day = timedelta(days=1)
    closed, next_on = [], date.min
    for period in periods:
        if period.from_on > next_on:
            closed.append(ClosedPeriod(next_on, period.from_on - day))
        if not period.open or company.journal in period.closed_journals:
            closed.append(ClosedPeriod(period.from_on, period.to_on))
        next_on = max(next_on, period.to_on + day)
    closed.append(ClosedPeriod(next_on, date.max))
    return closed


async def _currencies(
    session: Session, company: Company, codes: set[str]
) -> tuple[dict[str, int], dict[str, list[tuple[date, Decimal]]]]:
    """Read the currencies named, and where one is not the company's own, the rates of both."""
    if codes <= {company.currency}:
        return {company.currency: company.currency_id}, {}
    rows = await _rows(session, "currency.currency", [["code", "in", sorted(codes | {company.currency})]], ["code"])
    ids = {row["code"]: row["id"] for row in rows}
    rates = await _rows(
        session, "currency.currency.rate", [["currency", "in", list(ids.values())]], ["currency", "date", "rate"]
    )
    names = {number: code for code, number in ids.items()}
    found: dict[str, list[tuple[date, Decimal]]] = {}
    for row in sorted(rates, key=lambda row: row["date"], reverse=True):
        if row["rate"]:
            found.setdefault(names[row["currency"]], []).append((row["date"], row["rate"]))
    return ids, found


async def _bills_by_hand(
    session: Session, company: Company, numbers: set[tuple[int, str]]
) -> dict[tuple[int, str], str]:
    """Find bills with these parties and numbers that somebody else entered: Tryton only warns of them."""
    if not numbers:
        return {}
    rows = await _rows(
        session,
        "account.invoice",
        [
            ["company", "=", company.company],
            ["type", "=", "in"],
            ["state", "!=", "cancelled"],
            ["party", "in", sorted({party for party, _ in numbers})],
            ["reference", "in", sorted({number for _, number in numbers})],
            ["OR", ["description", "=", None], ["description", "not like", "[tallybook %"]],
        ],
        ["party", "reference", "rec_name"],
    )
    return {(row["party"], row["reference"]): row["rec_name"] for row in rows}
