"""Taking entries back in Tryton: what stands there is turned around once, tied to the original, and nothing else."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tallybook.accounting.entry import (
    Document,
    Entry,
    EntryKey,
    Held,
    HeldLine,
    LineRole,
    PostingState,
    Recorded,
    Reversal,
    replacement_key,
    reversal_key,
)
from tallybook.accounting.errors import EntryRejected, PeriodClosed
from tallybook.accounting.system import Refused
from tallybook.adapters.tryton import wire
from tallybook.adapters.tryton.local import Server
from tallybook.adapters.tryton.rpc import Session
from tallybook.adapters.tryton.system import Tryton
from tallybook.testkit.entries import JOURNAL_SHAPES, PAYABLE_SHAPES, Entries
from tests.adapters.tryton import trial
from tests.adapters.tryton.making import MAKE, all_posted, all_recorded, number, opened, posted, stranger

LATER = date(2026, 3, 4)


def reversal(of: Recorded, on: date | None = None) -> Reversal:
    return Reversal(reversal_key(of), of, on or of.posting_on or LATER, replacement_key(of))


async def reversed_(books: Tryton, *of: Recorded, on: date | None = None) -> list[Recorded]:
    return all_recorded(await books.reverse([reversal(each, on) for each in of]))


async def taken_back(books: Tryton, *of: Recorded, on: date | None = None) -> list[Recorded]:
    """Reverse entries and post the reversals."""
    return all_recorded(await books.post(await reversed_(books, *of, on=on)))


async def recorded(books: Tryton, *documents: Document) -> Recorded:
    (there,) = all_recorded(await books.record([MAKE.entry(*documents)]))
    return there


async def refusal(books: Tryton, of: Recorded, on: date | None = None) -> str:
    """Why an entry cannot be reversed; nothing of it may be written."""
    (answer,) = await books.reverse([reversal(of, on)])
    assert isinstance(answer, Refused), answer
    assert not await books.find([answer.key])
    return f"{type(answer.error).__name__}: {answer.error}"


def table(there: Recorded) -> str:
    return there.external_id.partition(",")[0].replace(".", "_")


def counted(held: Held, sign: int = 1) -> Counter[HeldLine]:
    """The lines that were read back, or those that take them back."""
    return Counter(replace(line, amount_minor=sign * line.amount_minor) for line in held.lines)


class Ledger:
    """What entries come to in Tryton's own tables."""

    def __init__(self, rows: trial.Rows, *keys: EntryKey) -> None:
        self.rows = rows
        found: set[int] = set()
        for key in keys:
            like = f"'%{key.entry_id}%'"
            found |= {row for (row,) in rows(f"SELECT id FROM account_move WHERE description LIKE {like}")}
            found |= {row for (row,) in rows(f"SELECT move FROM account_invoice WHERE description LIKE {like}")}
        self.moves = ", ".join(map(str, sorted(found)))

    def sums(self) -> set[int]:
        """Every sum, in cents, by account, by tax on the tax return, and by analytic account."""
        of_account: dict[object, int] = defaultdict(int)
        lines = f"SELECT id FROM account_move_line WHERE move IN ({self.moves})"
        for account, debit, credit in self.rows(
            f"SELECT account, debit, credit FROM account_move_line WHERE move IN ({self.moves})"
        ):
            of_account["account", account] += trial._minor(debit, 2) - trial._minor(credit, 2)
        for tax, kind, amount in self.rows(
            f"SELECT tax, type, amount FROM account_tax_line WHERE move_line IN ({lines})"
        ):
            of_account[kind, tax] += trial._minor(amount, 2)
        for account, debit, credit in self.rows(
            f"SELECT account, debit, credit FROM analytic_account_line WHERE move_line IN ({lines})"
        ):
            of_account["analytic", account] += trial._minor(debit, 2) - trial._minor(credit, 2)
        assert of_account
        return set(of_account.values())

    def ties(self) -> list[set[int]]:
        """The moves that are reconciled with each other on payable accounts; those that are open stand alone."""
        found: dict[object, set[int]] = defaultdict(set)
        for line, move, tie in self.rows(
            "SELECT l.id, l.move, l.reconciliation FROM account_move_line l JOIN account_account a ON a.id = l.account"
            f" WHERE a.code = '2440' AND l.move IN ({self.moves})"
        ):
            found[("tie", tie) if tie else ("open", line)].add(move)
        return sorted(found.values(), key=sorted)


def by_hand(make: Entries) -> Entry:
    """A bill whose tax goes to an account of its own."""
    bill = make.bill(80_00, taxed=True)
    lines = tuple(replace(line, account="2614") if line.role is LineRole.TAX_IN else line for line in bill.lines)
    return make.entry(replace(bill, lines=lines))


def to_the_cent(make: Entries) -> Entry:
    """A bill with another tax than Tryton would compute, and a tag."""
    bill = make.bill(33_33, taxed=True)
    cost, tax, owed = bill.lines
    lines = (
        replace(cost, dimensions=trial.COMPANY.dimensions),
        replace(tax, amount_minor=tax.amount_minor - 2),
        replace(owed, amount_minor=owed.amount_minor + 2),
    )
    return make.entry(replace(bill, lines=lines))


SHAPES: Mapping[str, Callable[[Entries], Entry]] = {
    **JOURNAL_SHAPES,
    **PAYABLE_SHAPES,
    "a bill with tax by hand": by_hand,
    "a bill to the cent": to_the_cent,
}


async def test_entries_and_their_reversals_come_to_nothing(tryton: Server, rows: trial.Rows) -> None:
    """Of every shape, on every account, in the tax return, by every tag; what is payable is settled."""
    entries = {shape: make(MAKE) for shape, make in SHAPES.items()}
    async with opened(tryton) as books:
        there = await all_posted(books, list(entries.values()))
        backs = await taken_back(books, *there, on=LATER)
        held = await books.read_back([each.key for each in (*there, *backs)])
    for shape, of, back in zip(entries, there, backs, strict=True):
        assert (back.state, back.posting_on) == (PostingState.POSTED, LATER), shape
        assert counted(held[back.key]) == counted(held[of.key], -1), shape
        ledger = Ledger(rows, of.key, back.key)
        assert ledger.sums() == {0}, shape
        assert all(len(tie) == 2 for tie in ledger.ties()), shape


@pytest.mark.parametrize("kind", ["an entry of the journal", "a bill"])
async def test_each_names_the_other(tryton: Server, rows: trial.Rows, kind: str) -> None:
    """The reversal in its description, the other by a note, also while both are drafts, and once."""
    async with opened(tryton) as books:
        there = await recorded(books, MAKE.bill(50_00) if kind == "a bill" else MAKE.purchase(50_00))
        (back,) = await reversed_(books, there)
        await taken_back(books, there)
    notes = rows(f"SELECT message FROM ir_note WHERE resource = '{there.external_id}'")
    assert notes == [(f"Reversed by {back.external_id}",)]
    ((text,),) = rows(f"SELECT description FROM {table(back)} WHERE id = {number(back)}")
    assert f"Reversal of {there.external_id}: Lunch with the auditors" in text


async def test_a_reversal_is_written_once(tryton: Server) -> None:
    """A second call, and another process, answer the same; so do five at once."""
    bill = MAKE.bill(80_00, taxed=True)
    async with opened(tryton) as books, opened(tryton) as other:
        there = await posted(books, bill, MAKE.payment(100_00, *bill.open_item_refs))
        answers = await asyncio.gather(*(each.reverse([reversal(there)]) for each in (books, other, books, other)))
        (first,) = {answer.external_id for (answer,) in map(all_recorded, answers)}
        again = await taken_back(other, there)
        assert await reversed_(books, there) == await taken_back(books, there) == again
    assert again[0].external_id == first


async def test_half_a_reversal_is_finished(tryton: Server, rows: trial.Rows) -> None:
    """One of which a killed run left one document is not found, and the next call adds the other."""
    bill = MAKE.bill(80_00, taxed=True)
    async with opened(tryton) as books:
        there = await posted(books, bill, MAKE.payment(100_00, *bill.open_item_refs))
        (back,) = await reversed_(books, there)
        async with stranger(tryton) as session:
            half = await session.call(
                "model.account.move.search", [["description", "like", f"%{back.key.entry_id} 2/2%"]], 0, None, None
            )
            await session.call("model.account.move.delete", half)
        assert not await books.find([back.key])
        (back,) = await taken_back(books, there)
        assert (await books.find([back.key]))[back.key] == back
    assert Ledger(rows, there.key, back.key).sums() == {0}


async def test_what_it_was_settled_with_is_open_for_what_replaces_it(tryton: Server, rows: trial.Rows) -> None:
    """The payment of another job is untied from a bill that is taken back, and pays the one in its place."""
    bill = MAKE.bill(31_00)
    async with opened(tryton) as books:
        there = await posted(books, bill)
        payment = await posted(books, MAKE.payment(31_00, *bill.open_item_refs))
        (back,) = await reversed_(books, there)
        assert len(Ledger(rows, there.key, payment.key).ties()) == 1
        anew = replace(MAKE.entry(bill), key=replacement_key(there), content_hash="cd" * 32, replaces=there.external_id)
        (replacement,) = all_recorded(await books.record([anew]))
        all_recorded(await books.post([back, replacement]))
    assert len(Ledger(rows, there.key, back.key, anew.key, payment.key).ties()) == 2
    assert [len(tie) for tie in Ledger(rows, anew.key, payment.key).ties()] == [2]
    ((text,),) = rows(f"SELECT description FROM account_invoice WHERE id = {number(replacement)}")
    assert f"(in place of {there.external_id})" in text


async def test_a_bill_paid_in_part_is_taken_back_and_the_payment_stays(tryton: Server, rows: trial.Rows) -> None:
    """The payment is shown at the bill no more, and is open."""
    bill = MAKE.bill(90_00)
    async with opened(tryton) as books:
        there = await posted(books, bill)
        payment = await posted(books, MAKE.payment(60_00, *bill.open_item_refs))
        (back,) = await taken_back(books, there)
    assert [len(tie) for tie in Ledger(rows, there.key, back.key).ties()] == [2]
    assert [len(tie) for tie in Ledger(rows, payment.key).ties()] == [1]
    assert rows(f'SELECT COUNT(*) FROM "account_invoice-account_move_line" WHERE invoice = {number(there)}') == [(0,)]


async def _pay_by_hand(session: Session, entry: Entry, bill: Recorded) -> int:
    """Pay a bill as a bookkeeper does, from another journal; returns the payment's number in Tryton."""
    (period,) = await session.call(
        "model.account.period.search", [["start_date", "=", wire.day(entry.posting_on.replace(day=1))]], 0, 1, None
    )
    accounts = {
        row["code"]: row["id"]
        for row in await session.call(
            "model.account.account.search_read", [["code", "in", ["1920", "2440"]]], 0, None, None, ["code"]
        )
    }
    (row,) = await session.call("model.account.invoice.read", [number(bill)], ["party", "journal", "lines_to_pay"])
    paid = -entry.documents[0].lines[-1].amount_minor
    nothing, amount = wire.amount(0, "EUR"), wire.amount(paid, "EUR")
    lines = [
        {"account": accounts["2440"], "debit": amount, "credit": nothing, "party": row["party"]},
        {"account": accounts["1920"], "debit": nothing, "credit": amount},
    ]
    values = {
        "company": session.context["company"],
        "journal": row["journal"],
        "period": period,
        "date": wire.day(entry.posting_on),
        "description": "paid by Ada",
        "lines": [["create", lines]],
    }
    (move,) = await session.call("model.account.move.create", [values])
    await session.call("model.account.move.post", [move])
    (line,) = await session.call(
        "model.account.move.line.search", [["move", "=", move], ["account", "=", accounts["2440"]]], 0, None, None
    )
    tie = {
        "company": session.context["company"],
        "date": wire.day(entry.posting_on),
        "lines": [["add", [line, *row["lines_to_pay"]]]],
    }
    await session.call("model.account.move.reconciliation.create", [tie])
    return int(move)


async def test_a_bill_that_somebody_paid_is_left_to_them(tryton: Server, rows: trial.Rows) -> None:
    """Its reversal is refused, naming the payment, and the bill stays paid."""
    entry = MAKE.entry(MAKE.bill(45_00))
    async with opened(tryton) as books, stranger(tryton) as session:
        (there,) = await all_posted(books, [entry])
        await _pay_by_hand(session, entry, there)
        text = await refusal(books, there)
    assert text.startswith(f"EntryRejected: {there.external_id} is settled in Tryton with ")
    assert "which Tallybook did not write" in text
    assert rows(f"SELECT state FROM account_invoice WHERE id = {number(there)}") == [("paid",)]


async def test_a_bill_that_somebody_paid_before_its_reversal_was_posted(tryton: Server, rows: trial.Rows) -> None:
    """The reversal stays a draft, with the reason, and the bill stays paid."""
    entry = MAKE.entry(MAKE.bill(46_00))
    async with opened(tryton) as books, stranger(tryton) as session:
        (there,) = await all_posted(books, [entry])
        (back,) = await reversed_(books, there)
        await _pay_by_hand(session, entry, there)
        (answer,) = await books.post([back])
        assert isinstance(answer, Refused)
        assert "is recorded in Tryton and not posted" in str(answer.error)
        assert (await books.find([back.key]))[back.key].state is PostingState.DRAFT
        await session.call("model.account.invoice.delete", [number(back)])
    assert rows(f"SELECT state FROM account_invoice WHERE id = {number(there)}") == [("paid",)]


async def test_a_reversal_that_cannot_be_posted_leaves_the_payment_where_it_was(
    tryton: Server, rows: trial.Rows, tryton_bench: trial.TrytonBench
) -> None:
    """Its month was closed meanwhile, so the bill it was to take back is paid again."""
    bill = MAKE.bill(47_00)
    async with opened(tryton) as books:
        there = await posted(books, bill)
        await posted(books, MAKE.payment(47_00, *bill.open_item_refs))
        (back,) = await reversed_(books, there, on=date(2026, 5, 5))
        assert await tryton_bench.close_period(date(2026, 5, 5))
        try:
            (answer,) = await books.post([back])
        finally:
            await tryton_bench.reopen_period(date(2026, 5, 5))
        assert isinstance(answer, Refused)
        assert isinstance(answer.error, PeriodClosed)
        assert rows(f"SELECT state FROM account_invoice WHERE id = {number(there)}") == [("paid",)]
        (back,) = all_recorded(await books.post([back]))
    assert back.state is PostingState.POSTED
    assert Ledger(rows, there.key, back.key).sums() == {0}


async def test_a_closed_period_and_an_entry_that_is_gone_spoil_no_other(tryton: Server) -> None:
    """Each is refused as itself, and beforehand for the same reason."""
    async with opened(tryton) as books, stranger(tryton) as session:
        closed, gone, good = [await recorded(books) for _ in range(3)]
        await session.call("model.account.move.delete", [number(gone)])
        wanted = [reversal(closed, date(2025, 1, 5)), reversal(gone), reversal(good)]
        rehearsed = {answer.key: str(answer.error) for answer in await books.rehearse_reversals(wanted)}
        answers = await books.reverse(wanted)
    errors = [type(answer.error) for answer in answers[:2] if isinstance(answer, Refused)]
    assert errors == [PeriodClosed, EntryRejected]
    assert rehearsed == {answer.key: str(answer.error) for answer in answers if isinstance(answer, Refused)}
    assert isinstance(answers[2], Recorded)


async def test_a_bill_that_was_cancelled_in_tryton(tryton: Server) -> None:
    """Nothing is left to reverse, which is said."""
    async with opened(tryton) as books, stranger(tryton) as session:
        there = await posted(books, MAKE.bill(80_00, taxed=True))
        await session.call("model.account.invoice.cancel", [number(there)])
        assert "was cancelled in Tryton" in await refusal(books, there)


async def test_a_bill_that_was_credited_in_tryton(tryton: Server) -> None:
    """Tryton's own credit note is named."""
    async with opened(tryton) as books, stranger(tryton) as session:
        there = await posted(books, MAKE.bill(80_00))
        about = {"active_model": "account.invoice", "active_id": number(there), "active_ids": [number(there)]}
        wizard, *_ = await session.call("wizard.account.invoice.credit.create")
        start = {"with_refund": False, "with_refund_allowed": True, "invoice_date": None}
        await session.call("wizard.account.invoice.credit.execute", wizard, {"start": start}, "credit", context=about)
        await session.call("wizard.account.invoice.credit.delete", wizard)
        assert "is reversed in Tryton already, by account.invoice," in await refusal(books, there)
        # A draft without a day, under our mark, which it copied: other tests read all that is there.
        of_ours = ["description", "like", f"%{there.key.entry_id}%"]
        copied = await session.call(
            "model.account.invoice.search", [of_ours, ["id", "!=", number(there)]], 0, None, None
        )
        assert len(copied) == 1
        await session.call("model.account.invoice.delete", copied)


async def test_an_entry_that_was_cancelled_in_tryton(tryton: Server) -> None:
    """Tryton's own cancelling entry is named."""
    async with opened(tryton) as books, stranger(tryton) as session:
        there = await posted(books, MAKE.purchase(12_34))
        about = {"active_model": "account.move", "active_id": number(there), "active_ids": [number(there)]}
        wizard, *_ = await session.call("wizard.account.move.cancel.create")
        default = {"description": "by Ada", "reversal": True}
        await session.call("wizard.account.move.cancel.execute", wizard, {"default": default}, "cancel", context=about)
        await session.call("wizard.account.move.cancel.delete", wizard)
        assert "is reversed in Tryton already, by account.move," in await refusal(books, there)


async def test_a_draft_is_taken_back_as_it_is_now(tryton: Server, rows: trial.Rows) -> None:
    """With the account that a bookkeeper moved a line to."""
    async with opened(tryton) as books, stranger(tryton) as session:
        there = await recorded(books, MAKE.purchase(50_00))
        (tools,) = await session.call("model.account.account.search", [["code", "=", "5410"]], 0, None, None)
        line = await session.call(
            "model.account.move.line.search",
            [["move", "=", number(there)], ["account.code", "=", "6071"]], 0, None, None,
        )  # fmt: skip
        await session.call("model.account.move.line.write", line, {"account": tools})
        (back,) = await reversed_(books, there)
    assert back.state is PostingState.DRAFT
    assert Ledger(rows, there.key, back.key).sums() == {0}


async def test_what_cannot_be_said_again_is_refused(tryton: Server) -> None:
    """A draft whose line a bookkeeper tagged for a part of its amount."""
    async with opened(tryton) as books, stranger(tryton) as session:
        there = await recorded(books, MAKE.tagged(50_00))
        (tagged, *_) = await session.call(
            "model.analytic_account.line.search", [["move_line.move", "=", number(there)]], 0, None, None
        )
        await session.call("model.analytic_account.line.write", [tagged], {"debit": wire.amount(20_00, "EUR")})
        assert "a line is spread over analytic accounts" in await refusal(books, there)


async def test_a_bill_by_hand_in_place_of_ours_does_not_keep_ours_from_being_taken_back(tryton: Server) -> None:
    """Ours is the one that is too much."""
    bill = MAKE.bill(20_00)
    async with opened(tryton) as books, stranger(tryton) as session:
        there = await posted(books, bill)
        by_hand_too = await posted(books, bill)
        await session.call("model.account.invoice.write", [number(by_hand_too)], {"description": "typed by Ada"})
        (back,) = await taken_back(books, there)
    assert back.state is PostingState.POSTED


async def test_another_rate_leaves_no_difference(tryton: Server, rows: trial.Rows) -> None:
    """Entries and bills in yen are taken back by what they were converted to then, not by the rate of the day."""
    async with opened(tryton) as books, stranger(tryton) as session:
        bill = replace(MAKE.bill(5_003), currency="JPY")
        entries = [MAKE.entry(MAKE.purchase(1_001, 2_003, 3_001, currency="JPY")), MAKE.entry(bill)]
        there = await all_posted(books, entries)
        (yen,) = await session.call("model.currency.currency.search", [["code", "=", "JPY"]], 0, None, None)
        rate = {"currency": yen, "date": wire.day(LATER), "rate": wire.decimal(Decimal("140.1"))}
        rates = await session.call("model.currency.currency.rate.create", [rate])
        try:
            back = await taken_back(books, *there, on=LATER)
        finally:
            await session.call("model.currency.currency.rate.delete", rates)
    ledger = Ledger(rows, *(each.key for each in (*there, *back)))
    assert ledger.sums() == {0}
    assert [len(tie) for tie in ledger.ties()] == [2]
