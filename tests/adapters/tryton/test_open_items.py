"""What bills and payments settle of each other, read from Tryton's own tables."""

import uuid
from decimal import Decimal

import structlog

from tallybook.adapters.tryton.local import Server
from tests.adapters.tryton import trial
from tests.adapters.tryton.making import MAKE, number, opened, posted, stranger


def _number() -> str:
    return f"INV-{uuid.uuid4().hex[:10]}"


def _state(rows: trial.Rows, invoice: int) -> str:
    return str(rows(f"SELECT state FROM account_invoice WHERE id = {invoice}")[0][0])


async def _to_pay(server: Server, invoice: int) -> Decimal:
    async with stranger(server) as session:
        (row,) = await session.call("model.account.invoice.read", [invoice], ["amount_to_pay"])
    return Decimal(row["amount_to_pay"])


async def test_bill_and_payment_in_one_entry(tryton: Server, rows: trial.Rows) -> None:
    """A bill that comes with its payment is paid once both are posted."""
    bill = MAKE.bill(80_00, taxed=True)
    async with opened(tryton) as books:
        recorded = await posted(books, bill, MAKE.payment(100_00, *bill.open_item_refs))
    assert _state(rows, number(recorded)) == "paid"


async def test_payment_of_a_later_job(tryton: Server, rows: trial.Rows) -> None:
    """A bill is paid by the payment that comes in another job and process."""
    bill = MAKE.bill(31_00)
    async with opened(tryton) as books:
        recorded = await posted(books, bill)
    assert _state(rows, number(recorded)) == "posted"
    async with opened(tryton) as books:
        await posted(books, MAKE.payment(31_00, *bill.open_item_refs))
    assert _state(rows, number(recorded)) == "paid"


async def test_payment_before_its_bill(tryton: Server, rows: trial.Rows) -> None:
    """A payment that came first settles the bill that comes later."""
    bill = MAKE.bill(32_00)
    async with opened(tryton) as books:
        await posted(books, MAKE.payment(32_00, *bill.open_item_refs))
        recorded = await posted(books, bill)
    assert _state(rows, number(recorded)) == "paid"


async def test_two_payments(tryton: Server, rows: trial.Rows) -> None:
    """A payment in part is shown at the bill, and the second one settles it."""
    bill = MAKE.bill(90_00)
    async with opened(tryton) as books:
        recorded = await posted(books, bill)
        await posted(books, MAKE.payment(60_00, *bill.open_item_refs))
        assert await _to_pay(tryton, number(recorded)) == Decimal("30.00")
        await posted(books, MAKE.payment(30_00, *bill.open_item_refs))
    assert _state(rows, number(recorded)) == "paid"


async def test_credit_note_and_money_back(tryton: Server, rows: trial.Rows) -> None:
    """A credit note is settled by the money that comes back."""
    note = MAKE.bill(-33_00)
    async with opened(tryton) as books:
        recorded = await posted(books, note)
        await posted(books, MAKE.payment(-33_00, *note.open_item_refs))
    assert _state(rows, number(recorded)) == "paid"


async def test_another_reference_or_vendor(tryton: Server, rows: trial.Rows) -> None:
    """A payment of the same amount settles nothing under another reference, or of another vendor."""
    bill = MAKE.bill(34_00)
    other = MAKE.bill(34_00, vendor="V3", number=bill.invoice_number or "")
    async with opened(tryton) as books:
        recorded, of_other = await posted(books, bill), await posted(books, other)
        await posted(books, MAKE.payment(34_00, f"invoice:{_number()}"))
    assert (_state(rows, number(recorded)), _state(rows, number(of_other))) == ("posted", "posted")


async def test_what_tryton_refuses_to_settle_is_logged_without_its_words(tryton: Server, rows: trial.Rows) -> None:
    """They quote accounts and people; the lines are named by Tryton's ids."""
    bill = MAKE.bill(35_00)
    rows("UPDATE account_account SET reconcile = 0 WHERE code = '2440'")
    try:
        async with opened(tryton) as books:
            with structlog.testing.capture_logs() as log:
                await posted(books, bill, MAKE.payment(35_00, *bill.open_item_refs))
    finally:
        rows("UPDATE account_account SET reconcile = 1 WHERE code = '2440'")
    (left,) = [line for line in log if line["event"] == "left_open"]
    assert left["why"] == "Refused"
    assert len(left["lines"]) == 2
    assert "Payable" not in str(log)
