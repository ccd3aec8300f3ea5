"""Founding a company in a fresh Tryton, over the same calls that Tallybook records by.

Nothing here touches a company that is there already: `tallybook tryton init` asks first.
"""

import calendar
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from tallybook.adapters.tryton import wire
from tallybook.adapters.tryton.chart import AccountRow, Chart, VendorRow
from tallybook.adapters.tryton.rpc import Session
from tallybook.money import exponent

# Every kind of account as Tryton's account types tell them apart.
_TYPES: dict[str, dict[str, Any]] = {
    "asset": {"statement": "balance", "assets": True},
    "liability": {"statement": "balance"},
    "equity": {"statement": "balance"},
    "income": {"statement": "income", "revenue": True},
    "expense": {"statement": "income", "expense": True},
    "payable": {"statement": "balance", "payable": True},
}


async def found(session: Session, chart: Chart, *, years: Sequence[int], payable: Iterable[str]) -> None:
    """Found the company: currency, fiscal years with a period a month, accounts, taxes, analytic accounts, parties.

    `payable` are the codes of the accounts that bills are owed on.

    Repeat: not safe; founds another one.
    Raises:
        Refused: Tryton did not take a part of it; what came before it stays.
    """
    currency = await _currency(session, chart.company.currency)
    (party,) = await session.call("model.party.party.create", [{"name": chart.company.name}])
    (company,) = await session.call("model.company.company.create", [{"party": party, "currency": currency}])
    await session.call("model.res.user.write", [session.user], {"companies": [["add", [company]]], "company": company})
    for row in chart.currencies:
        await _currency(session, row.code, row.rate)
    await session.enter()
    session.context["company"] = company
    await _fiscal_years(session, company, sorted(years))
    accounts = await _accounts(session, chart.accounts, company, frozenset(payable))
    if (exchange := chart.company.exchange_account) is not None:
        names = ("currency_exchange_debit_account", "currency_exchange_credit_account")
        await session.call("model.account.configuration.write", [1], dict.fromkeys(names, accounts[exchange]))
    await _taxes(session, chart, company, accounts)
    await _analytic(session, chart, company)
    await _parties(session, chart.vendors, accounts)
    await _close(session, chart, company)


async def _currency(session: Session, code: str, rate: Decimal = Decimal(1)) -> int:
    """Find a currency, or make one with a rate that holds since 2000."""
    found: list[int] = await session.call("model.currency.currency.search", [["code", "=", code]], 0, 1, None)
    if found:
        return found[0]
    digits = exponent(code)
    values = {
        "name": code,
        "code": code,
        "symbol": code,
        "rounding": wire.decimal(Decimal(1).scaleb(-digits)),
        "digits": digits,
        "rates": [["create", [{"date": wire.day(date(2000, 1, 1)), "rate": wire.decimal(rate)}]]],
    }
    return int((await session.call("model.currency.currency.create", [values]))[0])


async def _fiscal_years(session: Session, company: int, years: Sequence[int]) -> None:
    kinds = {
        row["name"]: row["id"]
        for row in await session.call("model.ir.sequence.type.search_read", [], 0, None, None, ["name"])
    }
    for year in years:
        names = [("Account Move", "Entries"), ("Invoice", "Bills"), ("Invoice", "Credit notes")]
        move, bill, credit = await session.call(
            "model.ir.sequence.strict.create",
            [{"name": f"{what} {year}", "company": company, "sequence_type": kinds[kind]} for kind, what in names],
        )
        sequences = {
            "company": company,
            **{f"{way}_invoice_sequence": bill for way in ("in", "out")},
            **{f"{way}_credit_note_sequence": credit for way in ("in", "out")},
        }
        months = [
            {
                "name": f"{year}-{month:02}",
                "start_date": wire.day(date(year, month, 1)),
                "end_date": wire.day(date(year, month, calendar.monthrange(year, month)[1])),
                "type": "standard",
            }
            for month in range(1, 13)
        ]
        values = {
            "name": str(year),
            "company": company,
            "start_date": wire.day(date(year, 1, 1)),
            "end_date": wire.day(date(year, 12, 31)),
            "move_sequence": move,
            "invoice_sequences": [["create", [sequences]]],
            "periods": [["create", months]],
        }
        await session.call("model.account.fiscalyear.create", [values])


async def _accounts(
    session: Session, rows: Sequence[AccountRow], company: int, payable: frozenset[str]
) -> dict[str, int]:
    ids = await session.call(
        "model.account.account.type.create",
        [{"name": name.title(), "company": company, **flags} for name, flags in _TYPES.items()],
    )
    types = dict(zip(_TYPES, ids, strict=True))
    created = await session.call(
        "model.account.account.create",
        [
            {
                "name": row.name or row.code,
                "code": row.code,
                "company": company,
                "type": types["payable" if row.code in payable else row.kind],
                "party_required": row.code in payable,
                "reconcile": row.code in payable,
                "closed": not row.open,
            }
            for row in rows
        ],
    )
    return dict(zip((row.code for row in rows), created, strict=True))


async def _taxes(session: Session, chart: Chart, company: int, accounts: dict[str, int]) -> None:
    """A tax with an account for each side is one of reverse charge: two taxes that cancel each other."""
    # Tryton wants an account of the balance sheet also for a tax that never comes to anything.
    unused = next(accounts[row.code] for row in chart.accounts if row.open and row.kind not in {"income", "expense"})
    for row in chart.tax_codes:
        shared: dict[str, Any] = {"name": row.code, "description": row.name or row.code, "company": company}
        sides = [
            (sign, accounts[code])
            for sign, code in ((1, row.ingoing_account), (-1, row.outgoing_account))
            if code is not None
        ]
        if len(sides) > 1:
            (whole,) = await session.call("model.account.tax.create", [{**shared, "type": "none"}])
            shared["parent"] = whole
        parts = [
            {
                **shared,
                "type": "percentage",
                "rate": wire.decimal(sign * row.rate),
                "invoice_account": account,
                "credit_note_account": account,
            }
            for sign, account in sides or [(1, unused)]
        ]
        await session.call("model.account.tax.create", parts)


async def _analytic(session: Session, chart: Chart, company: int) -> None:
    for group in chart.tag_groups:
        shared = {"company": company, "state": "opened"}
        (root,) = await session.call(
            "model.analytic_account.account.create",
            [{"name": group.name or group.code, "code": group.code, "type": "root", **shared}],
        )
        tags = [
            {"name": tag.name or tag.code, "code": tag.code, "type": "normal", "root": root, "parent": root, **shared}
            for tag in group.tags
        ]
        if tags:
            await session.call("model.analytic_account.account.create", tags)


async def _parties(session: Session, rows: Sequence[VendorRow], accounts: dict[str, int]) -> None:
    parties = [
        {
            "name": row.name or row.code,
            "code": row.code,
            "active": not row.blocked,
            "addresses": [["create", [{}]]],
            "identifiers": [["create", list(_identifiers(row))]],
            **({"account_payable": accounts[row.account]} if row.account else {}),
        }
        for row in rows
    ]
    if parties:
        await session.call("model.party.party.create", parties)


def _identifiers(row: VendorRow) -> Iterator[dict[str, Any]]:
    """Write numbers without a type, which Tryton takes as they are; their use stands before a colon."""
    for use, number in (
        ("external:", row.external_id),
        ("tax:", row.tax_registration_number),
        ("", row.registration_number),
    ):
        if number is not None:
            yield {"type": None, "code": f"{use}{number}"}


async def _close(session: Session, chart: Chart, company: int) -> None:
    for row in chart.closed_periods:
        periods = await session.call(
            "model.account.period.search",
            [
                ["company", "=", company],
                ["start_date", "<=", wire.day(row.to_on)],
                ["end_date", ">=", wire.day(row.from_on)],
            ],
            0, None, None,
        )  # fmt: skip
        if periods:
            await session.call("model.account.period.close", periods)
