"""What Tryton holds of entries, read back over its API, and what it would refuse, asked beforehand."""

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tallybook.accounting.entry import Dimension, Entry, Held, HeldLine, LineRole
from tallybook.accounting.errors import AccountUnknown
from tallybook.adapters.tryton import wire
from tallybook.adapters.tryton.local import Server
from tallybook.testkit.attachments import Files
from tests.adapters.tryton import trial
from tests.adapters.tryton.making import MAKE, all_posted, all_recorded, number, opened, stranger

DATES = ("accounting_date", "invoice_date")  # of a bill


def as_written(entry: Entry, *, tax_codes: bool = True) -> tuple[object, Counter[HeldLine]]:
    """The day and the lines of an entry as it was written."""
    return entry.posting_on, Counter(
        HeldLine(
            line.account,
            document.currency,
            line.amount_minor,
            line.tax_code if tax_codes else None,
            _folded(line.dimensions),
        )
        for document in entry.documents
        for line in document.lines
    )


def shown(held: Held) -> tuple[object, Counter[HeldLine]]:
    """The day and the lines that were read back."""
    return held.posting_on, Counter(replace(line, dimensions=_folded(line.dimensions)) for line in held.lines)


def _folded(dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    return tuple(sorted((Dimension(e.group.casefold(), e.code.casefold()) for e in dimensions), key=str))


def bill_and_payment() -> Entry:
    bill = MAKE.bill(80_00, taxed=True)
    return MAKE.entry(bill, MAKE.payment(100_00, *bill.open_item_refs))


def credit_note() -> Entry:
    bill = MAKE.bill(-80_00, taxed=True)
    return MAKE.entry(bill)


def tagged_bill() -> Entry:
    bill = MAKE.bill(80_00, taxed=True)
    first, *rest = bill.lines
    return MAKE.entry(replace(bill, lines=(replace(first, dimensions=trial.COMPANY.dimensions), *rest)))


MADE = [
    MAKE.entry(MAKE.tagged(15_50)),
    tagged_bill(),
    MAKE.entry(MAKE.taxed(40_00), MAKE.taxed(30_00, reverse=True)),
    MAKE.entry(MAKE.purchase(1_001, 2_003, currency="JPY")),
    bill_and_payment(),
    credit_note(),
]


@pytest.mark.parametrize(
    "entry",
    MADE,
    ids=["tags", "a bill's tags", "journal entries", "another currency", "bill and payment", "credit note"],
)
async def test_what_was_written_is_read_back(tryton: Server, entry: Entry) -> None:
    """As a draft and posted: accounts, amounts, tax codes, tags, currency, day and vendor."""
    mine = MAKE.entry(*entry.documents)
    async with opened(tryton) as books:
        await books.record([mine])
        draft = await books.read_back([mine.key])
        await all_posted(books, [mine])
        final = await books.read_back([mine.key, replace(mine.key, entry_id="none")])
    assert set(final) == {mine.key}
    assert shown(draft[mine.key]) == shown(final[mine.key]) == as_written(mine)
    vendors = {document.vendor for document in mine.documents if document.vendor} or None
    assert draft[mine.key].vendors == final[mine.key].vendors == vendors


async def test_a_tax_written_by_hand_is_read_back_without_its_code(tryton: Server) -> None:
    """Tryton's lines show none then; amounts and accounts are there."""
    bill = MAKE.bill(80_00, taxed=True)
    tax = next(line for line in bill.lines if line.role is LineRole.TAX_IN)
    lines = tuple(replace(line, account="2614") if line is tax else line for line in bill.lines)
    entry = MAKE.entry(replace(bill, lines=lines))
    async with opened(tryton) as books:
        all_recorded(await books.record([entry]))
        held = (await books.read_back([entry.key]))[entry.key]
    assert not held.tells_tax_codes
    assert shown(held) == as_written(entry, tax_codes=False)


async def test_what_a_bookkeeper_altered_is_read_back_altered(tryton: Server) -> None:
    """A draft whose accounts somebody exchanged in Tryton."""
    entry = MAKE.entry(MAKE.purchase(50_00))
    async with opened(tryton) as books:
        all_recorded(await books.record([entry]))
        async with stranger(tryton) as session:
            lines = await session.call(
                "model.account.move.line.search_read",
                [["move.description", "like", f"%{entry.key.entry_id}%"]],
                0, None, None, ["account"],
            )  # fmt: skip
            first, second = lines
            await session.call("model.account.move.line.write", [first["id"]], {"account": second["account"]})
        held = (await books.read_back([entry.key]))[entry.key]
    assert len({line.account for line in held.lines}) == 1
    assert shown(held) != as_written(entry)


async def test_a_tag_and_a_receipt_that_a_bookkeeper_took_away_are_read_back_so(tryton: Server, tmp_path: Path) -> None:
    """Of a draft bill that had two tags and two receipts."""
    entry = tagged_bill()
    async with opened(tryton) as books:
        (recorded,) = all_recorded(await books.record([entry]))
        files = Files(tmp_path)
        assert await books.attach([(recorded, files.pdf(1)), (recorded, files.pdf(2))]) == []
        before = (await books.read_back([entry.key]))[entry.key]
        async with stranger(tryton) as session:
            of_line = [["invoice", "=", number(recorded)], ["type", "=", "line"]]
            named = ["analytic_accounts.account"]
            (line,) = await session.call("model.account.invoice.line.search_read", of_line, 0, None, None, named)
            gone = line["analytic_accounts."][0]["id"]
            await session.call("model.analytic.account.entry.write", [gone], {"account": None})
            of_bill = [["resource", "=", recorded.external_id]]
            (second, *_) = await session.call("model.ir.attachment.search", of_bill, 0, None, [["id", "DESC"]])
            await session.call("model.ir.attachment.delete", [second])
        after = (await books.read_back([entry.key]))[entry.key]
    assert (before.receipts, after.receipts) == (2, 1)
    assert shown(before) == as_written(entry)
    tags = [sum(len(line.dimensions) for line in held.lines) for held in (before, after)]
    assert tags == [2, 1]


async def test_what_would_be_refused_is_said_beforehand(tryton: Server, rows: trial.Rows) -> None:
    """With the error that recording would give, and nothing is written."""
    good, bad = MAKE.entry(), MAKE.first_line(account="9999")
    before = rows("SELECT count(*) FROM account_move")
    async with opened(tryton) as books:
        assert await books.rehearse([]) == []
        (refused,) = await books.rehearse([good, bad])
    assert (refused.key, type(refused.error)) == (bad.key, AccountUnknown)
    assert rows("SELECT count(*) FROM account_move") == before


async def test_a_cancelled_bill_is_held_without_lines(tryton: Server) -> None:
    """It counts for nothing, so the books differ from what was exported."""
    entry = MAKE.entry(MAKE.bill(80_00, taxed=True))
    async with opened(tryton) as books:
        (recorded,) = await all_posted(books, [entry])
        async with stranger(tryton) as session:
            await session.call("model.account.invoice.cancel", [number(recorded)])
        held = (await books.read_back([entry.key]))[entry.key]
    assert (held.posting_on, held.lines) == (entry.posting_on, ())


async def test_a_draft_bill_whose_dates_were_taken_away_has_the_day_it_was_made(tryton: Server) -> None:
    """Not the bill's own day, and no crash."""
    entry = MAKE.entry(MAKE.bill(80_00, taxed=True))
    async with opened(tryton) as books:
        (recorded,) = all_recorded(await books.record([entry]))
        async with stranger(tryton) as session:
            await session.call("model.account.invoice.write", [number(recorded)], dict.fromkeys(DATES))
            held = (await books.read_back([entry.key]))[entry.key]
            given_back = dict.fromkeys(DATES, wire.day(entry.posting_on))  # other tests read all that is there
            await session.call("model.account.invoice.write", [number(recorded)], given_back)
    assert type(held.posting_on) is date
    assert held.lines
