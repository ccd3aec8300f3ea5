"""Proofs for books that say what they hold, and what they would refuse."""

from collections import Counter
from collections.abc import Iterable
from typing import cast

import pytest

from tallybook.accounting.entry import Dimension, Entry, Held
from tallybook.accounting.errors import AccountUnknown
from tallybook.accounting.system import AccountingSystem, ReadableSystem, RehearsingSystem
from tallybook.testkit.attachments import Files
from tallybook.testkit.entries import JOURNAL_SHAPES, PAYABLE_SHAPES, Entries
from tallybook.testkit.oracle import Oracle, recorded
from tallybook.testkit.verdict import not_applicable, require

SHAPES = {
    name: shape
    for name, shape in {**JOURNAL_SHAPES, **PAYABLE_SHAPES}.items()
    if name in {"a split over two accounts", "input tax", "dimensions", "another currency", "a bill and its payment"}
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
        said, meant = _sums(there), _sums_of(entry, there)
        require(said == meant, f"read_back says {dict(said - meant)} where {dict(meant - said)} was recorded")
        vendors = {document.vendor for document in entry.documents if document.vendor is not None}
        require(
            there.vendors is None or there.vendors == vendors, f"read_back says vendor {there.vendors}, not {vendors}"
        )

    async def test_read_back_receipts(self, system: AccountingSystem, entries: Entries, files: Files) -> None:
        """Receipts are counted, where the books say so: none before, and then each that was attached."""
        if not (system.capabilities.reads_back and system.capabilities.attachments):
            not_applicable("the books do not say what they hold of an entry, or take no receipts")
        entry = entries.entry()
        (there,) = await recorded(system, [entry])
        readable = cast("ReadableSystem", system)
        before = (await readable.read_back([entry.key]))[entry.key].receipts
        if before is None:
            not_applicable("the books do not say how many receipts an entry has")
        await system.attach([(there, files.pdf())])
        after = (await readable.read_back([entry.key]))[entry.key].receipts
        require((before, after) == (0, 1), f"read_back counts {before} and then {after} receipts instead of 0 and 1")

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


_Place = tuple[str, str, str | None, frozenset[tuple[str, str]]]


def _sums(held: Held) -> Counter[_Place]:
    found: Counter[_Place] = Counter()
    for line in held.lines:
        found[line.account, line.currency, line.tax_code, _folded(line.dimensions)] += line.amount_minor
    return found


def _sums_of(entry: Entry, held: Held) -> Counter[_Place]:
    found: Counter[_Place] = Counter()
    for document in entry.documents:
        for line in document.lines:
            tax_code = line.tax_code if held.tells_tax_codes else None
            dimensions = _folded(line.dimensions if held.tells_dimensions else ())
            found[line.account, document.currency, tax_code, dimensions] += line.amount_minor
    return found


def _folded(dimensions: Iterable[Dimension]) -> frozenset[tuple[str, str]]:
    return frozenset((each.group.casefold(), each.code.casefold()) for each in dimensions)
