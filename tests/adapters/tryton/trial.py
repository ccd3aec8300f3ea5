"""A trial company in a real Tryton, and its bench: what Tryton holds is read from its database by plain SQL."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tallybook.accounting.entry import Dimension, DocumentKind, EntryKey, PostingState
from tallybook.accounting.errors import (
    AccountingAuthenticationFailed,
    AccountingSettingInvalid,
    AccountingSettingMissing,
    AccountingUnreachable,
)
from tallybook.adapters.tryton import ADAPTER, chart, company, preparing, wire
from tallybook.adapters.tryton.local import DATABASE, USER, Server
from tallybook.adapters.tryton.marks import owner
from tallybook.adapters.tryton.rpc import Refused, Session
from tallybook.adapters.tryton.settings import read_settings
from tallybook.testkit.bench import Bench, TrialCompany, Unready
from tallybook.testkit.content import Held, HeldDocument, HeldLine
from tallybook.testkit.proxy import FaultProxy
from tests.adapters.kit.book_bench import PAGE

PASSWORD = "correct horse battery staple 8"
CHART = """
accounts = [
  { code = "1920", name = "Wallet", kind = "asset" },
  { code = "2440", name = "Payable", kind = "liability" },
  { code = "2640", name = "Input tax", kind = "asset" },
  { code = "2614", name = "Output tax", kind = "liability" },
  { code = "6071", name = "Meals" },
  { code = "5410", name = "Tools" },
  { code = "9999", name = "Given up", open = false },
]
tax_codes = [
  { code = "25", rate = 0.25, ingoing_account = "2640" },
  { code = "RC25", rate = 0.25, ingoing_account = "2640", outgoing_account = "2614" },
  { code = "0" },
]
tag_groups = [{ code = "Cost Centre", tags = ["100", "Zürich"] }, { code = "project", tags = ["P/1"] }]
vendors = [{ code = "V1", name = "Bäckerei" }, { code = "V2", blocked = true }, { code = "V3", name = "Other" }]
closed_periods = [{ from_on = 2025-01-01, to_on = 2025-01-31 }]
[company]
name = "Trial AB"
currency = "EUR"
"""
COMPANY = TrialCompany(
    company_id="3f2b8a52-6c1d-4a11-9c40-0a5ad5a1f001",
    currency="EUR",
    cost_accounts=("6071", "5410"),
    wallet_account="1920",
    payable_account="2440",
    open_on=date(2026, 2, 3),
    closed_on=date(2025, 1, 31),
    tax_code="25",
    tax_in_account="2640",
    tax_out_account="2614",
    dimensions=(Dimension("cost centre", "zürich"), Dimension("project", "P/1")),
    vendor="V1",
    blocked_vendor="V2",
    closed_account="9999",
    other_currency="JPY",
)
Rows = Callable[[str], list[tuple[Any, ...]]]


def settings(url: str, **changes: Any) -> dict[str, Any]:
    """The section `[books.tryton]` for the trial company."""
    return {"url": url, "database": DATABASE, "user": USER, "password": PASSWORD} | changes


async def found(url: str, folder: Path) -> None:
    """Found the trial company in a fresh Tryton, and prepare it as `tallybook tryton init` does."""
    written = folder / "chart.toml"
    written.write_text(CHART, encoding="utf-8")
    session = Session(read_settings(settings(url)))
    try:
        await session.enter()
        await company.found(session, chart.read(written), years=[2025, 2026], payable=["2440"])
        await preparing.prepare(session, session.context["company"], "TALLYBOOK")
        yen = await session.call(
            "model.currency.currency.create",
            [{"name": "Yen", "code": "JPY", "symbol": "¥", "rounding": wire.decimal(Decimal(1)), "digits": 0}],
        )
        await session.call(
            "model.currency.currency.rate.create",
            [{"currency": yen[0], "date": wire.day(date(2026, 1, 1)), "rate": wire.decimal(Decimal("162.5"))}],
        )
    finally:
        await session.aclose()


@dataclass(kw_only=True)
class TrytonBench(Bench):
    """The trial company."""

    server: Server
    rows: Rows
    forget: Callable[[], None]  # who is logged in

    async def contents(self) -> Sequence[Held]:
        """Every entry of ours, by plain SQL."""
        return contents(self.rows, self.server.site.folder / DATABASE)

    async def close_period(self, on: date) -> bool:
        """Close a month for everybody; Tryton does not while drafts are in it, then for our journals only."""
        return bool(await self._with_session(lambda session: _close(session, on)))

    async def reopen_period(self, on: date) -> None:
        """Open it again."""
        await self._with_session(lambda session: _reopen(session, on))

    async def end_sessions(self) -> bool:
        """Forget everybody who is logged in."""
        self.forget()
        return True

    async def _with_session(self, work: Callable[[Session], Any]) -> Any:
        session = Session(read_settings(settings(self.server.url)))
        try:
            await session.enter()
            return await work(session)
        finally:
            await session.aclose()


async def _periods(session: Session, on: date) -> list[int]:
    day = wire.day(on)
    found: list[int] = await session.call(
        "model.account.period.search", [["start_date", "<=", day], ["end_date", ">=", day]], 0, None, None
    )
    return found


async def _close(session: Session, on: date) -> bool:
    periods = await _periods(session, on)
    try:
        await session.call("model.account.period.close", periods)
    except Refused:
        shut = await session.call("model.account.journal.period.search", [["period", "in", periods]], 0, None, None)
        try:
            await session.call("model.account.journal.period.close", shut)
        except Refused:
            return False
    return True


async def _reopen(session: Session, on: date) -> None:
    periods = await _periods(session, on)
    rows = await session.call("model.account.period.read", periods, ["state"])
    if closed := [row["id"] for row in rows if row["state"] == "closed"]:
        await session.call("model.account.period.reopen", closed)
    shut = await session.call(
        "model.account.journal.period.search",
        [["period", "in", periods], ["state", "=", "closed"]], 0, None, None,
    )  # fmt: skip
    if shut:
        await session.call("model.account.journal.period.reopen", shut)


def bench(server: Server, rows: Rows, forget: Callable[[], None], proxy: FaultProxy, **changes: Any) -> TrytonBench:
    """Make the bench for a running Tryton, whose adapter goes through the proxy."""
    there = settings(proxy.url) | changes
    return TrytonBench(
        adapter=ADAPTER,
        settings=there,
        company=COMPANY,
        proxy=proxy,
        server=server,
        rows=rows,
        forget=forget,
        secrets=[PASSWORD],
        page=PAGE,
        request_step=int(os.environ.get("TALLYBOOK_KIT_REQUEST_STEP", "2")),  # 1: all of them
        unready=[
            Unready("nobody there", {**there, "url": "http://127.0.0.1:9"}, AccountingUnreachable),
            Unready("no such database", {**there, "database": "nowhere"}, AccountingSettingInvalid),
            Unready("a user it does not know", {**there, "user": "nobody"}, AccountingAuthenticationFailed),
            Unready("another company's", {**there, "company_id": "another"}, AccountingSettingInvalid),
            Unready("no such company", {**there, "company": "Nobody AB"}, AccountingSettingInvalid),
            Unready("not prepared", {**there, "journal": "NEW"}, AccountingSettingMissing),
        ],
    )


_MARKED = "description LIKE '[tallybook %'"


def contents(rows: Rows, store: Path) -> list[Held]:
    """Every marked document, put together as entries; tax codes are those of the topmost taxes.

    Rows are asked for in the order of their ids: PostgreSQL gives them in any order, another one at every look.
    """
    parts: dict[tuple[str, str], list[tuple[int, HeldDocument, date, str, str]]] = defaultdict(list)
    for model, documents in (("account.move", _moves(rows)), ("account.invoice", _invoices(rows))):
        for row, description, state, on, document in documents:
            owner_and_id, _, number = description.removeprefix("[tallybook ").split("]")[0].partition(" ")
            whose, _, entry_id = owner_and_id.partition("/")
            parts[whose, entry_id].append((int(number.split("/")[0]), document, _day(on), state, f"{model},{row}"))
    files = _files(rows, store)
    held = []
    for (whose, entry_id), each in parts.items():
        each.sort(key=lambda part: part[0])
        numbers = [part[0] for part in each]
        held += [
            Held(
                key=EntryKey(COMPANY.company_id, entry_id) if whose == owner(COMPANY.company_id) else None,
                posting_on=each[0][2],
                documents=tuple(part[1] for part in each),
                state=PostingState.DRAFT if any(part[3] == "draft" for part in each) else PostingState.POSTED,
                files=tuple(sorted(digest for part in each for digest in files.get(part[4], ()))),
            )
        ] * max(numbers.count(number) for number in numbers)
    return held


def _day(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _minor(value: object, digits: int) -> int:
    return int((_decimal(value) * 10**digits).to_integral_value())


def _decimal(value: object) -> Decimal:
    """Read an amount; Tryton keeps them in SQLite as the bytes of their text."""
    return Decimal(value.decode() if isinstance(value, bytes) else str(value))


def _moves(rows: Rows) -> list[tuple[int, str, str, object, HeldDocument]]:
    taxes = _tax_names(rows)
    of_line: dict[int, set[str]] = defaultdict(set)
    for line, tax in rows("SELECT move_line, tax FROM account_tax_line"):
        of_line[line].add(taxes[tax])
    dimensions = _dimensions(rows)
    tagged: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for line, account in rows("SELECT move_line, account FROM analytic_account_line"):
        tagged[line].add(dimensions[account])
    lines: dict[int, list[tuple[HeldLine, str | None, str | None]]] = defaultdict(list)
    for move, line, account, debit, credit, party, code, foreign in rows(
        "SELECT l.move, l.id, a.code, l.debit, l.credit, p.code, c.code, l.amount_second_currency"
        " FROM account_move_line l JOIN account_account a ON a.id = l.account"
        " LEFT JOIN party_party p ON p.id = l.party LEFT JOIN currency_currency c ON c.id = l.second_currency"
        " ORDER BY l.id"
    ):
        digits = 0 if code == "JPY" else 2
        amount = _minor(foreign, digits) if code else _minor(debit, 2) - _minor(credit, 2)
        tax = next(iter(of_line[line]), None)
        lines[move].append((HeldLine(account, amount, tax, frozenset(tagged[line])), party, code))
    found = []
    for row, description, state, on in rows(f"SELECT id, description, state, date FROM account_move WHERE {_MARKED}"):
        vendor = next((party for _, party, _ in lines[row] if party), None)
        found.append(
            (
                row,
                description,
                state,
                on,
                HeldDocument(
                    kind=DocumentKind.PAYMENT if vendor else DocumentKind.JOURNAL_ENTRY,
                    currency=next((code for _, _, code in lines[row] if code), "EUR"),
                    lines=tuple(line for line, _, _ in lines[row]),
                    vendor=vendor,
                ),
            )
        )
    return found


def _invoices(rows: Rows) -> list[tuple[int, str, str, object, HeldDocument]]:
    taxes, dimensions = _tax_names(rows), _dimensions(rows)
    tagged: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for origin, account in rows("SELECT origin, account FROM analytic_account_entry WHERE account IS NOT NULL"):
        tagged[origin].add(dimensions[account])
    of_line = {
        line: taxes[tax] for line, tax in rows('SELECT line, tax FROM "account_invoice_line-account_tax" ORDER BY id')
    }
    lines: dict[int, list[HeldLine]] = defaultdict(list)
    for invoice, line, account, quantity, price in rows(
        "SELECT l.invoice, l.id, a.code, l.quantity, l.unit_price FROM account_invoice_line l"
        " JOIN account_account a ON a.id = l.account ORDER BY l.id"
    ):
        amount = _minor(_decimal(price) * _decimal(quantity), 2)
        tags = frozenset(tagged[f"account.invoice.line,{line}"])
        lines[invoice].append(HeldLine(account, amount, of_line.get(line), tags))
    for invoice, account, amount, tax in rows(
        "SELECT t.invoice, a.code, t.amount, t.tax FROM account_invoice_tax t"
        " JOIN account_account a ON a.id = t.account ORDER BY t.id"
    ):
        if _minor(amount, 2):
            lines[invoice].append(HeldLine(account, _minor(amount, 2), taxes.get(tax)))
    found = []
    for row, description, state, on, account, vendor, number in rows(
        "SELECT i.id, i.description, i.state, i.accounting_date, a.code, p.code, i.reference FROM account_invoice i"
        f" JOIN account_account a ON a.id = i.account JOIN party_party p ON p.id = i.party WHERE i.{_MARKED}"
    ):
        total = sum(line.amount_minor for line in lines[row])
        counter = HeldLine(account, -total)
        kind = DocumentKind.BILL if total >= 0 else DocumentKind.CREDIT_NOTE
        document = HeldDocument(kind, "EUR", (*lines[row], counter), vendor, number)
        found.append((row, description, state, on, document))
    return found


def _tax_names(rows: Rows) -> Mapping[int, str]:
    return dict(rows("SELECT id, name FROM account_tax"))


def _dimensions(rows: Rows) -> Mapping[int, tuple[str, str]]:
    return {
        row: (root, code)
        for row, root, code in rows(
            "SELECT a.id, r.code, a.code FROM analytic_account_account a"
            " JOIN analytic_account_account r ON r.id = a.root"
        )
    }


def _files(rows: Rows, store: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for resource, file_id in rows("SELECT resource, file_id FROM ir_attachment"):
        content = (store / file_id[:2] / file_id[2:4] / file_id).read_bytes()
        found[resource].append(hashlib.sha256(content).hexdigest())
    return found
