"""Who we are in Tryton, and whether a job could be recorded there now; reads only."""

from collections.abc import Mapping
from typing import Any

from tallybook.accounting.errors import (
    AccountingNotAuthorized,
    AccountingSettingInvalid,
    AccountingSettingMissing,
)
from tallybook.accounting.system import Need
from tallybook.adapters.tryton import preparing
from tallybook.adapters.tryton.known import Company
from tallybook.adapters.tryton.rpc import SERIES, Session
from tallybook.adapters.tryton.settings import TrytonSettings

_INIT = "run `tallybook tryton init`"


async def enter(session: Session, settings: TrytonSettings) -> Company:
    """Log in and find the company, its journals and the fence.

    Repeat: safe.
    Raises:
        AccountingSettingInvalid: no Tryton of a known series is there, or it knows no such company or journal.
        AccountingSettingMissing: the user has no company, or Tryton is not prepared.
        AccountingError: Tryton could not be asked.
    """
    version = await session.version()
    if not version.startswith(SERIES):
        raise AccountingSettingInvalid(f"Tryton at {settings.url} is {version[:20]}; Tallybook works with {SERIES}")
    await session.enter()
    company, currency_id, currency = await _company(session, settings)
    session.context["company"] = company
    journals = await preparing.journals(session, (settings.journal, settings.bill_journal))
    journal = next((number for number, code, _ in journals if code == settings.journal), None)
    fence = await preparing.fence(session, company, journal) if journal is not None else None
    if journal is None or fence is None:
        raise AccountingSettingMissing(f"Tryton is not prepared for the journal {settings.journal!r}; {_INIT}")
    return Company(
        company=company,
        currency=currency,
        currency_id=currency_id,
        journal=journal,
        bill_journal=next((each[0] for each in journals if each[1:] == (settings.bill_journal, "expense")), None),
        fence=fence,
    )


async def _company(session: Session, settings: TrytonSettings) -> tuple[int, int, str]:
    """Find the company, its currency, and the currency's code."""
    (user,) = await session.call(
        "model.res.user.read",
        [session.user],
        ["companies.rec_name", "companies.currency", "companies.currency.code"],
    )
    names = {row["rec_name"]: row for row in user["companies."]}
    name = settings.company if settings.company is not None else next(iter(names), None)
    if name is None:
        raise AccountingSettingMissing(
            f"The user {settings.user!r} has no company in Tryton; add one to the user there"
        )
    if name not in names:
        raise AccountingSettingInvalid(
            f"The user {settings.user!r} has no company {name!r} in Tryton, but "
            f"{', '.join(sorted(names)) or 'none at all'}; correct books.tryton.company"
        )
    if settings.company is None and len(names) > 1:
        raise AccountingSettingMissing(
            f"The user {settings.user!r} has several companies in Tryton: {', '.join(sorted(names))}; "
            "set books.tryton.company"
        )
    row = names[name]
    return row["id"], row["currency"], row["currency."]["code"]


async def check(session: Session, company: Company, settings: TrytonSettings, need: Need) -> None:
    """Find out whether a job could be recorded now.

    Repeat: safe.
    Raises:
        AccountingSettingInvalid: the books are another company's, or have no journal for bills.
        AccountingSettingMissing: no period is open.
        AccountingNotAuthorized: the user lacks a right.
    """
    bound = settings.company_id
    if bound is not None and bound.casefold() != need.company_id.casefold():
        raise AccountingSettingInvalid(
            f"This Tryton belongs to the company {bound}, and the job to {need.company_id}; "
            "correct books.tryton.company_id"
        )
    if need.accounts_payable and company.bill_journal is None:
        raise AccountingSettingInvalid(
            f"Tryton has no journal {settings.bill_journal!r} of the type Expense for bills; "
            "correct books.tryton.bill_journal, or activate the module account_invoice"
        )
    rights = {"account.move": "create", "account.move.line": "create", "account.account": "read"}
    rights |= {"ir.attachment": "create"} if need.attachments else {}
    rights |= {"account.invoice": "create", "party.party": "read"} if need.accounts_payable else {}
    access: Mapping[str, Any] = await session.call("model.ir.model.access.get_access", sorted(rights))
    missing = [f"{right} {model}" for model, right in rights.items() if not access.get(model, {}).get(right)]
    if missing:
        raise AccountingNotAuthorized(
            f"The user {settings.user!r} may not {', '.join(missing)} in Tryton; give the user the group Accounting"
        )
    open_periods = await session.call(
        "model.account.period.search", [["company", "=", company.company], ["state", "=", "open"]], 0, 1, None
    )
    if not open_periods:
        raise AccountingSettingMissing("Tryton has no open period; add a fiscal year there, or reopen one")
