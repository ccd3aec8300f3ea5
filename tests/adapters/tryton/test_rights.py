"""What the user of Tallybook may and may not do in Tryton."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tallybook.accounting.entry import PostingState, Reversal, replacement_key, reversal_key
from tallybook.accounting.errors import AccountingNotAuthorized, AccountingSettingMissing
from tallybook.accounting.system import Need
from tallybook.adapters.tryton.local import Server
from tallybook.adapters.tryton.system import Tryton
from tests.adapters.tryton import trial
from tests.adapters.tryton.making import MAKE, all_posted, all_recorded, opened, stranger

NEED = Need(trial.COMPANY.company_id, accounts_payable=True, attachments=True, posted=True)


@asynccontextmanager
async def _as_user(server: Server, *groups: str, companies: bool = True) -> AsyncIterator[Tryton]:
    """Open the adapter as a new user with these groups and no others."""
    login, password = f"user-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    async with stranger(server) as session:
        company = session.context["company"]
        numbers = await session.call("model.res.group.search", [["name", "in", groups]], 0, None, None)
        values: dict[str, Any] = {"name": login, "login": login, "password": password, "groups": [["add", numbers]]}
        values |= (
            {"companies": [["add", [company]]], "company": company} if companies else {"companies": [], "company": None}
        )
        await session.call("model.res.user.create", [values])
    async with opened(server, user=login, password=password) as books:
        yield books


async def test_the_group_accounting_is_enough(tryton: Server) -> None:
    """A user with the group Accounting alone records and posts bills, payments, and entries with tags and tax."""
    bill = MAKE.bill(80_00, taxed=True)
    entries = [
        MAKE.entry(bill, MAKE.payment(100_00, *bill.open_item_refs)),
        MAKE.entry(MAKE.taxed(40_00)),
        MAKE.entry(MAKE.tagged(15_50)),
    ]
    async with _as_user(tryton, "Accounting") as books:
        await books.check_ready(NEED)
        await books.reference_data()
        answers = await all_posted(books, entries)
    assert [answer.state for answer in answers] == [PostingState.POSTED] * 3


async def test_the_group_accounting_is_enough_to_take_back(tryton: Server, rows: trial.Rows) -> None:
    """A paid bill is untied from its payment, and both are reversed."""
    bill = MAKE.bill(80_00, taxed=True)
    async with _as_user(tryton, "Accounting") as books:
        (there,) = await all_posted(books, [MAKE.entry(bill, MAKE.payment(100_00, *bill.open_item_refs))])
        key = reversal_key(there)
        reversal = Reversal(key, there, trial.COMPANY.open_on, replacement_key(there))
        all_recorded(await books.post(all_recorded(await books.reverse([reversal]))))
    like = " OR ".join(f"m.description LIKE '%{each.entry_id}%'" for each in (there.key, key))
    ties = rows(
        "SELECT COUNT(*), COUNT(l.reconciliation) FROM account_move m JOIN account_move_line l ON l.move = m.id"
        f" JOIN account_account a ON a.id = l.account WHERE a.code = '2440' AND ({like})"
    )
    assert ties == [(2, 2)]


async def test_a_user_without_groups(tryton: Server) -> None:
    """A user who may not write entries is told so before a job, with the group that is missing."""
    async with _as_user(tryton) as books:
        with pytest.raises(AccountingNotAuthorized, match="Accounting"):
            await books.check_ready(NEED)


async def test_a_user_without_a_company(tryton: Server) -> None:
    """A user of no company is told so, and where to add one."""
    async with _as_user(tryton, "Accounting", companies=False) as books:
        with pytest.raises(AccountingSettingMissing, match="has no company in Tryton"):
            await books.check_ready(NEED)
