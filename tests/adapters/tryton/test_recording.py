"""What is special to Tryton: entries in several documents, its warnings, its taxes, and its death at a bad moment."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tallybook.accounting.entry import Entry, LineRole, PostingState, Recorded
from tallybook.accounting.errors import (
    AccountingError,
    AccountingSettingInvalid,
    AccountUnknown,
    DimensionUnknown,
    EntryChanged,
    EntryRejected,
    EntrySettingInvalid,
    TaxCodeUnknown,
    VendorUnknown,
)
from tallybook.accounting.system import Refused
from tallybook.adapters.tryton import recording
from tallybook.adapters.tryton.documents import parts
from tallybook.adapters.tryton.facts import facts
from tallybook.adapters.tryton.local import Server
from tallybook.adapters.tryton.rpc import Overtaken
from tests.adapters.tryton import trial
from tests.adapters.tryton.making import MAKE, all_posted, all_recorded, number, opened, posted, stranger


def _bill_and_payment() -> Entry:
    bill = MAKE.bill(80_00, taxed=True)
    return MAKE.entry(bill, MAKE.payment(100_00, *bill.open_item_refs))


async def _delete_payment(server: Server, entry_id: str) -> None:
    async with stranger(server) as session:
        found = await session.call(
            "model.account.move.search", [["description", "like", f"%{entry_id} 2/2%"]], 0, None, None
        )
        await session.call("model.account.move.delete", found)


async def test_half_an_entry_is_finished(tryton: Server, rows: trial.Rows) -> None:
    """An entry of which a killed run left one document is not found, and is finished when it is recorded again."""
    entry = _bill_and_payment()
    async with opened(tryton) as books:
        (before,) = all_recorded(await books.record([entry]))
        await _delete_payment(tryton, entry.key.entry_id)
        assert not await books.find([entry.key])
        (after,) = all_recorded(await books.record([entry]))
        assert after == before
    held = [held for held in trial.contents(rows, tryton.site.folder / "tryton") if held.key == entry.key]
    assert [len(each.documents) for each in held] == [2]


async def test_half_an_entry_that_changed(tryton: Server) -> None:
    """Half an entry is not finished with what it says now: the bookkeeper is told which draft is in the way."""
    entry = _bill_and_payment()
    async with opened(tryton) as books:
        (before,) = all_recorded(await books.record([entry]))
        await _delete_payment(tryton, entry.key.entry_id)
        (answer,) = await books.record([replace(entry, content_hash="ef" * 32)])
    assert isinstance(answer, Refused)
    assert isinstance(answer.error, EntryChanged)
    assert before.external_id in str(answer.error)


@asynccontextmanager
async def _rule(server: Server, forbidden: str) -> AsyncIterator[None]:
    """Let Tryton refuse entries by a rule of its own, for the length of a block."""
    async with stranger(server) as session:
        rule = {"domain": json.dumps([["description", "not like", forbidden]])}
        values = {
            "name": "a rule",
            "model": "account.move",
            "global_p": True,
            "perm_read": False,
            "rules": [["create", [rule]]],
        }
        groups = await session.call("model.ir.rule.group.create", [values])
        try:
            yield
        finally:
            await session.call("model.ir.rule.group.delete", groups)


async def test_a_refused_payment_takes_its_bill_back(tryton: Server, rows: trial.Rows) -> None:
    """When Tryton refuses the second document of an entry by a rule of its own, the first does not stay alone."""
    entry = _bill_and_payment()
    async with opened(tryton) as books, _rule(tryton, f"%{entry.key.entry_id} 2/2%"):
        (answer,) = await books.record([entry])
    assert isinstance(answer, Refused)
    assert isinstance(answer.error, EntryRejected)
    assert not rows(f"SELECT id FROM account_invoice WHERE description LIKE '%{entry.key.entry_id}%'")


async def test_one_that_tryton_alone_refuses(tryton: Server) -> None:
    """Of twenty entries the one that Tryton refuses by a rule of its own is found, and the others are recorded."""
    batch = MAKE.batch(20)
    async with opened(tryton) as books, _rule(tryton, f"%{batch[13].key.entry_id}%"):
        answers = await books.record(batch)
    assert [place for place, answer in enumerate(answers) if isinstance(answer, Refused)] == [13]


async def test_two_expenses_pay_one_bill(tryton: Server, rows: trial.Rows) -> None:
    """Two bills of ours with one number are both posted: Tryton's warning is answered, for they are two expenses."""
    invoice_number = f"INV-{uuid.uuid4().hex[:8]}"
    entries = [MAKE.entry(MAKE.bill(20_00, number=invoice_number)) for _ in range(2)]
    async with opened(tryton) as books:
        answers = await all_posted(books, entries)
    assert [answer.state for answer in answers] == [PostingState.POSTED] * 2
    assert rows(f"SELECT COUNT(*) FROM account_invoice WHERE reference = '{invoice_number}'") == [(2,)]


async def test_a_bill_entered_by_hand(tryton: Server, rows: trial.Rows) -> None:
    """A bill that a bookkeeper entered already is refused, by its number in Tryton."""
    bill = MAKE.bill(20_00)
    async with opened(tryton) as books:
        by_hand = await posted(books, bill)
        async with stranger(tryton) as session:
            await session.call("model.account.invoice.write", [number(by_hand)], {"description": "typed by Ada"})
        (answer,) = await books.record([MAKE.entry(bill)])
    assert isinstance(answer, Refused)
    assert isinstance(answer.error, EntryRejected)
    assert str(bill.invoice_number) in str(answer.error)
    assert rows(f"SELECT COUNT(*) FROM account_invoice WHERE reference = '{bill.invoice_number}'") == [(1,)]


@pytest.mark.parametrize("net_minor", [33_33, -33_33])
async def test_the_tax_of_a_bill_is_ours_to_the_cent(tryton: Server, rows: trial.Rows, net_minor: int) -> None:
    """A bill keeps the tax that was paid where Tryton would compute another, and its line shows Tryton's own tax."""
    bill = MAKE.bill(net_minor, taxed=True)
    cost, tax, counter = bill.lines
    paid = replace(bill, lines=(
        cost, replace(tax, amount_minor=tax.amount_minor - 2), replace(counter, amount_minor=counter.amount_minor + 2)
    ))  # fmt: skip
    async with opened(tryton) as books:
        recorded = await posted(books, paid)
    move = rows(f"SELECT move FROM account_invoice WHERE id = {number(recorded)}")[0][0]
    found = rows(
        "SELECT a.code, l.debit, l.credit, t.type, t.amount FROM account_move_line l"
        " JOIN account_account a ON a.id = l.account LEFT JOIN account_tax_line t ON t.move_line = l.id"
        f" WHERE l.move = {move} AND a.code IN ('6071', '2640') ORDER BY a.code"
    )
    as_cents = [
        (code, trial._minor(debit, 2) - trial._minor(credit, 2), kind, trial._minor(amount, 2))
        for code, debit, credit, kind, amount in found
    ]
    owed = tax.amount_minor - 2
    assert as_cents == [("2640", owed, "tax", owed), ("6071", net_minor, "base", net_minor)]


async def test_reverse_charge_on_a_bill(tryton: Server, rows: trial.Rows) -> None:
    """A bill under reverse charge reclaims and owes the tax at once, each by its own part of Tryton's tax."""
    bill = MAKE.bill(40_00, taxed=True)
    cost, tax, counter = (replace(line, tax_code=line.tax_code and "RC25") for line in bill.lines)
    owed = replace(tax, account="2614", amount_minor=-10_00, role=LineRole.TAX_OUT)
    lines = (cost, tax, owed, replace(counter, amount_minor=-40_00))
    async with opened(tryton) as books:
        recorded = await posted(books, replace(bill, lines=lines))
    found = rows(
        "SELECT a.code, t.amount, t.manual FROM account_invoice_tax t JOIN account_account a ON a.id = t.account"
        f" WHERE t.invoice = {number(recorded)} ORDER BY a.code"
    )
    assert [(code, trial._minor(amount, 2), bool(manual)) for code, amount, manual in found] == [
        ("2614", -10_00, False), ("2640", 10_00, False),
    ]  # fmt: skip


async def test_another_currency_is_converted_and_balances(tryton: Server, rows: trial.Rows) -> None:
    """An entry in yen stands in Tryton in euros by its own rate, with the yen beside, and balances to the cent."""
    entry = MAKE.entry(MAKE.purchase(1_001, 2_003, 3_001, currency="JPY"))
    async with opened(tryton) as books:
        (recorded,) = await all_posted(books, [entry])
    found = rows(
        "SELECT debit, credit, amount_second_currency FROM account_move_line"
        f" WHERE move = {number(recorded)} ORDER BY id"
    )
    cents = [trial._minor(debit, 2) - trial._minor(credit, 2) for debit, credit, _ in found]
    assert sum(cents) == 0
    assert sorted(cents)[1:] == [6_16, 12_33, 18_47]
    assert sorted(trial._minor(yen, 0) for _, _, yen in found) == [-6_005, 1_001, 2_003, 3_001]


async def test_a_currency_without_a_rate(tryton: Server) -> None:
    """A day without a rate is said to be that, and where to enter one."""
    entry = MAKE.entry(MAKE.purchase(1_000, currency="JPY"), on=date(2025, 12, 1))
    async with opened(tryton) as books:
        (answer,) = await books.record([entry])
    assert isinstance(answer, Refused)
    assert isinstance(answer.error, EntrySettingInvalid)
    assert "rate of JPY for 2025-12-01" in str(answer.error)


async def test_a_bill_is_owed_on_a_payable_account(tryton: Server) -> None:
    """A bill that is owed on an account of another type is refused, and the setting to mend is named."""
    bill = MAKE.bill(10_00)
    wrong = replace(bill, lines=(bill.lines[0], replace(bill.lines[1], account="1920")))
    async with opened(tryton) as books:
        (answer,) = await books.record([MAKE.entry(wrong)])
    assert isinstance(answer, Refused)
    assert isinstance(answer.error, EntrySettingInvalid)
    assert "accounts.accounts_payable" in str(answer.error)


async def test_a_late_write_is_fenced_off(tryton: Server, rows: trial.Rows) -> None:
    """A write that was thought lost and arrives after its repetition is refused by Tryton itself."""
    entry = MAKE.entry()
    async with opened(tryton) as books, opened(tryton) as late:
        await late.find([entry.key])
        async with late._entered() as company:
            batch = recording.Batch(late._session, company, [entry])
            fence = await batch._fence()
            all_recorded(await books.record([entry]))
            known = await facts(late._session, company, [entry])
            with pytest.raises(Overtaken):
                await batch._write(parts(entry), known, fence)
    assert rows(f"SELECT COUNT(*) FROM account_move WHERE description LIKE '%{entry.key.entry_id}%'") == [(1,)]


async def test_tryton_killed_at_any_moment(tryton: Server, rows: trial.Rows) -> None:
    """Tryton dies at five moments of a batch, and each entry is there once when it was recorded again."""
    for round_ in range(5):
        batch = MAKE.batch(20)
        async with opened(tryton) as books:
            await books.find([])
            writing = asyncio.ensure_future(books.record(batch))
            reader, _ = await asyncio.wait({writing}, timeout=round_ * 0.15)
            tryton.kill()
            if not reader:
                with pytest.raises(AccountingError):
                    await writing
        await asyncio.to_thread(tryton.restart)
        async with opened(tryton) as books:
            all_recorded(await books.record(batch))
        for entry in batch:
            found = rows(f"SELECT COUNT(*) FROM account_move WHERE description LIKE '%{entry.key.entry_id}%'")
            assert found == [(1,)]


async def test_no_tryton_of_that_series(tryton: Server) -> None:
    """A path that is no Tryton is said to be that."""
    async with opened(tryton, url=f"{tryton.url}/else/where") as books:
        with pytest.raises(AccountingSettingInvalid, match=r"There is no database 'tryton' of Tryton 8\.0"):
            await books.reference_data()


async def test_vendors_as_they_can_be_matched(tryton: Server) -> None:
    """A party is offered with Tryton's id, its code, and its numbers; a deactivated one as blocked."""
    async with opened(tryton) as books:
        vendors = {vendor.code: vendor for vendor in (await books.reference_data()).vendors or ()}
    assert vendors["V1"].name == "Bäckerei"
    assert (vendors["V1"].external_id or "").isdigit()
    assert vendors["V2"].blocked


async def test_the_amounts_of_a_draft_bill(tryton: Server) -> None:
    """A bill is a draft until it is posted, with the total of the document."""
    async with opened(tryton) as books:
        (recorded,) = all_recorded(await books.record([MAKE.entry(MAKE.bill(50_00, taxed=True))]))
    async with stranger(tryton) as session:
        (row,) = await session.call("model.account.invoice.read", [number(recorded)], ["total_amount", "state"])
    assert (row["total_amount"], row["state"]) == (Decimal("62.50"), "draft")


@pytest.mark.parametrize("code", ["\x00", "\ud800", "6071\n", "' OR 1=1 --", "%", "x" * 10_000])
async def test_codes_no_database_stores(tryton: Server, code: str) -> None:
    """An account, tax code, tag or vendor that no database stores is unknown, and spoils no other entry."""
    bad = [
        MAKE.first_line(account=code),
        MAKE.first_line(tax_code=code),
        MAKE.dimension(code=code),
        MAKE.entry(MAKE.bill(5_00, vendor=code)),
    ]
    async with opened(tryton) as books:
        *answers, good = await books.record([*bad, MAKE.entry()])
    errors = [type(answer.error) for answer in answers if isinstance(answer, Refused)]
    assert errors == [AccountUnknown, TaxCodeUnknown, DimensionUnknown, VendorUnknown]
    assert isinstance(good, Recorded)
