from datetime import date
from itertools import chain
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tallybook.sandbox.world import Expense
from tallybook.sandbox.world.amounts import converted, net_and_tax, rounded, step
from tallybook.sandbox.world.spend import shares

SIDES = ("inSupplierCurrency", "inWalletCurrency")


def _amounts(document: dict[str, Any]) -> list[dict[str, Any]]:
    lines = document["accountingEntryLines"]
    of_lines = ((line["lineAmount"], line["netAmount"]) for line in lines)
    of_taxes = (line["tax"]["amount"] for line in lines if line["tax"])
    return [document["amount"], *chain.from_iterable(of_lines), *of_taxes]


def test_the_header_is_the_sum_of_the_lines(large_world: list[Expense]) -> None:
    """In both currencies the header amount is the exact sum of the line amounts."""
    wrong = [
        expense.entry_id
        for expense in large_world
        for side in SIDES
        if expense.document["amount"][side]["value"]
        != sum(line["lineAmount"][side]["value"] for line in expense.document["accountingEntryLines"])
    ]

    assert wrong == []


def test_net_tax_and_line_agree_with_the_tax_type(large_world: list[Expense]) -> None:
    """Inclusive and reverse: line = net; exclusive: line = net + tax; and the tax is the rate of what it is of."""
    wrong = []
    for expense in large_world:
        for line in expense.document["accountingEntryLines"]:
            tax = line["tax"]
            for side in SIDES:
                amount, net = line["lineAmount"][side]["value"], line["netAmount"][side]["value"]
                share = tax["amount"][side]["value"] if tax else 0
                base = amount if tax and tax["type"] == "reverse" else amount - share
                exclusive = bool(tax) and tax["type"] == "exclusive"
                near = abs(share - base * (tax["rate"] if tax else 0)) <= step(line["lineAmount"][side]["currency"])
                if amount != (net + share if exclusive else net) or not near:
                    wrong.append((expense.entry_id, side))

    assert wrong == []


def test_amounts_are_whole_units_of_their_currency(large_world: list[Expense]) -> None:
    """Amounts are whole numbers of hundredths, and of whole yen where there are no cents."""
    moneys = [amount[side] for expense in large_world for amount in _amounts(expense.document) for side in SIDES]

    assert {type(money["value"]) for money in moneys} == {int}
    assert [money for money in moneys if money["value"] % step(money["currency"])] == []


def test_every_line_of_an_entry_is_in_the_same_currencies(large_world: list[Expense]) -> None:
    """An entry has one supplier currency and one wallet currency throughout."""
    mixed = [
        expense.entry_id
        for expense in large_world
        for side in SIDES
        if len({amount[side]["currency"] for amount in _amounts(expense.document)}) > 1
    ]

    assert mixed == []


def test_the_contra_account_is_there_when_the_wallet_moves(large_world: list[Expense]) -> None:
    """Entries that move money of a wallet name the account of that wallet; the others name none."""
    without = {"out_of_pocket", "mileage", "per_diem", "external_reimbursement", "invoice"}
    accounts = {"DKK": "5820", "EUR": "5821"}
    wrong = []
    for document in (expense.document for expense in large_world):
        code = (document["contraAccount"] or {}).get("code")
        wallet = accounts[document["amount"]["inWalletCurrency"]["currency"]]
        if code != (None if document["type"] in without else wallet):
            wrong.append(document["accountingEntryId"])

    assert wrong == []


def test_a_reimbursement_pays_what_lay_open(sound_world: list[Expense]) -> None:
    """A reimbursement is the exact sum of the entries of this world it names, which are all of one person."""
    by_book_id = {e.document["additionalInformation"]["reconciliationId"]: e.document for e in sound_world}
    settled = 0
    for expense in sound_world:
        named = expense.document["additionalInformation"]["reconciledEntries"] or []
        if not named or named[0] not in by_book_id:
            continue
        claims = [by_book_id[book_id] for book_id in named]
        settled += 1
        assert {claim["user"]["id"] for claim in claims} == {expense.document["user"]["id"]}
        assert expense.document["amount"]["inWalletCurrency"]["value"] == sum(
            claim["amount"]["inWalletCurrency"]["value"] for claim in claims
        )

    assert settled > 50


def test_payments_find_their_invoices(sound_world: list[Expense]) -> None:
    """A payment of an invoice in this world has its vendor, number and amounts; some pay earlier ones."""

    def key(document: dict[str, Any]) -> tuple[str, str, int, int]:
        number = document["additionalInformation"]["invoiceInformation"]["invoiceNumber"]
        supplier_value, wallet_value = (document["amount"][side]["value"] for side in SIDES)
        return document["vendor"]["id"], number, supplier_value, wallet_value

    documents = [expense.document for expense in sound_world]
    invoices = {key(document) for document in documents if document["type"] == "invoice"}
    payments = [key(document) for document in documents if document.get("subType") == "invoice_payment_sent"]

    assert len([payment for payment in payments if payment in invoices]) > len(payments) * 0.7
    assert [payment for payment in payments if payment not in invoices]
    assert len(payments) == len(set(payments))


def test_sound_entries_are_dated_in_the_two_months_before_the_world_date(sound_world: list[Expense]) -> None:
    """Dates run from the first day to the last, none is in the future of the world."""
    days = [date.fromisoformat(expense.document["date"][:10]) for expense in sound_world]

    assert days == sorted(days)
    assert (days[0], days[-1]) == (date(2026, 9, 20), date(2026, 11, 19))


@given(st.integers(-(10**12), 10**12), st.integers(0, 30), st.sampled_from(("inclusive", "exclusive", "reverse")))
def test_taxing_a_negative_line_mirrors_the_positive_one(value: int, percent: int, kind: str) -> None:
    """A reversal has exactly the opposite net amount and tax."""
    net, tax = net_and_tax(value, "DKK", percent, kind)

    assert net_and_tax(-value, "DKK", percent, kind) == (-net, -tax)


@given(st.integers(-(10**9), 10**9), st.sampled_from((1, 100)))
def test_rounding_is_to_the_nearest_unit(numerator: int, unit: int) -> None:
    """Rounding never moves by more than half a unit."""
    assert abs(rounded(numerator, 7, unit) * 7 - numerator) * 2 <= 7 * unit


@given(st.integers(400, 10**8), st.integers(2, 4), st.integers(0, 1000))
def test_shares_add_up(total: int, count: int, seed: int) -> None:
    """A split adds up exactly and leaves no line empty."""
    parts = shares(Random(seed), total, count, 1)  # noqa: S311 - a test that repeats

    assert sum(parts) == total
    assert len(parts) == count
    assert min(parts) > 0


def test_an_amount_in_the_wallets_currency_is_not_converted() -> None:
    """Whatever the turn of the rate, kroner from a kroner wallet stay as they are."""
    assert converted(12_345, "DKK", "DKK", 9) == 12_345
