"""Proofs for books that say what they hold, and what they would refuse."""

from collections import Counter
from typing import cast

import pytest

from tallybook.accounting.entry import Entry, Held
from tallybook.accounting.errors import AccountUnknown
from tallybook.accounting.system import AccountingSystem, ReadableSystem, RehearsingSystem
from tallybook.testkit.entries import JOURNAL_SHAPES, PAYABLE_SHAPES, Entries
from tallybook.testkit.oracle import Oracle, recorded
from tallybook.testkit.verdict import not_applicable, require

SHAPES = {
    name: shape
    for name, shape in {**JOURNAL_SHAPES, **PAYABLE_SHAPES}.items()
    if name in {"a split over two accounts", "input tax", "another currency", "a bill and its payment"}
}


class ReadingBackProof:
    """`read_back` and `rehearse`, by the capabilities of these names."""

    @pytest.mark.parametrize("shape", SHAPES)
    async def test_read_back(self, system: AccountingSystem, entries: Entries, shape: str) -> None:
        """What the books say they hold of an entry is what was recorded, and of others they say nothing."""
        if not system.capabilities.reads_back:
            not_applicable("the books do not say what they hold of an entry")
        if shape in PAYABLE_SHAPES and not system.capabilities.accounts_payable:
            not_applicable("the books have no accounts payable")
        entry, stranger = SHAPES[shape](entries), entries.entry()
        await recorded(system, [entry])
        held = await cast("ReadableSystem", system).read_back([entry.key, stranger.key])
        require(set(held) == {entry.key}, f"read_back answers for {len(held)} entries instead of 1")
        there = held[entry.key]
        require(
            there.posting_on == entry.posting_on, f"read_back says {there.posting_on} instead of {entry.posting_on}"
        )
        said, meant = _sums(there), _sums_of(entry, with_tax_codes=there.tells_tax_codes)
        require(said == meant, f"read_back says {dict(said - meant)} where {dict(meant - said)} was recorded")

    async def test_rehearsed(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """What would be refused is said beforehand by its own error, what would not is not, and nothing is written."""
        if not system.capabilities.rehearses:
            not_applicable("the books do not say beforehand what they would refuse")
        good, bad = entries.entry(), entries.first_line(account="0815-unknown")
        answers = await cast("RehearsingSystem", system).rehearse([good, bad])
        require(
            [answer.key for answer in answers] == [bad.key], f"rehearse refuses {len(answers)} entries instead of 1"
        )
        require(
            isinstance(answers[0].error, AccountUnknown), f"{type(answers[0].error).__name__} for an unknown account"
        )
        await oracle.require_held([])


def _sums(held: Held) -> Counter[tuple[str, str, str | None]]:
    found: Counter[tuple[str, str, str | None]] = Counter()
    for line in held.lines:
        found[line.account, line.currency, line.tax_code] += line.amount_minor
    return found


def _sums_of(entry: Entry, *, with_tax_codes: bool) -> Counter[tuple[str, str, str | None]]:
    found: Counter[tuple[str, str, str | None]] = Counter()
    for document in entry.documents:
        for line in document.lines:
            found[line.account, document.currency, line.tax_code if with_tax_codes else None] += line.amount_minor
    return found
