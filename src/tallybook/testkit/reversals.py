"""Proofs of reversal, for books that can take an entry back."""

from dataclasses import replace
from typing import cast

from tallybook.accounting.entry import Entry, PostingState, Recorded, Reversal, replacement_key, reversal_key
from tallybook.accounting.system import AccountingSystem, ReversingSystem
from tallybook.testkit.attachments import missing_entry
from tallybook.testkit.entries import OTHER_HASH, Entries
from tallybook.testkit.oracle import Oracle, all_recorded, recorded, refusal
from tallybook.testkit.verdict import not_applicable, require


class ReversalsProof:
    """`reverse`, and recording the entry that replaces a reversed one."""

    async def test_reversed(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """A reversal has every amount turned around, and the entry it takes back stays as it is."""
        books = _reversing(system)
        entry = entries.entry(entries.purchase(10_01, 20_02))
        posted = all_recorded(await system.post(await recorded(system, [entry])))[0]
        reversal = _reversal(posted, entry)
        first = all_recorded(await books.reverse([reversal]))
        require(
            all_recorded(await books.reverse([reversal])) == first, "The second reverse answers other than the first"
        )
        require(first[0].key == reversal.key, "reverse answers under another key")
        found = await system.find([entry.key, reversal.key])
        require(set(found) == {entry.key, reversal.key}, f"find finds {len(found)} of an entry and its reversal")
        require(found[entry.key].posting_on == entry.posting_on, "find does not say when the entry was posted")
        all_recorded(await system.post(first))
        await oracle.require_held([entry, turned_around(entry, reversal)], posted=True)

    async def test_replaced(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """After a reversal the corrected entry is recorded under its own key, naming the one it replaces."""
        books = _reversing(system)
        entry = entries.entry()
        there = all_recorded(await system.post(await recorded(system, [entry])))[0]
        reversal = _reversal(there, entry)
        reverse = all_recorded(await books.reverse([reversal]))
        corrected = replace(
            entry,
            key=reversal.replaced_by,
            content_hash=OTHER_HASH,
            documents=(entries.purchase(99_99),),
            replaces=there.external_id,
        )
        all_recorded(await system.post([*reverse, *await recorded(system, [corrected])]))
        await oracle.require_held([entry, turned_around(entry, reversal), corrected], posted=True)

    async def test_nothing_to_reverse(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """The reversal of an entry that is not in the books is refused."""
        books = _reversing(system)
        entry, stranger = entries.batch(2)
        (there,) = await recorded(system, [entry])
        reversal = _reversal(missing_entry(there, stranger), stranger)
        oracle.require_harmless(refusal((await books.reverse([reversal]))[0]))
        await oracle.require_held([entry])


def turned_around(entry: Entry, reversal: Reversal) -> Entry:
    """What the books hold of a reversal: the same documents with every amount turned around."""
    documents = tuple(
        replace(document, lines=tuple(replace(line, amount_minor=-line.amount_minor) for line in document.lines))
        for document in entry.documents
    )
    return replace(
        entry, key=reversal.key, documents=documents, posting_on=reversal.posting_on, posting=PostingState.DRAFT
    )


def _reversal(of: Recorded, entry: Entry) -> Reversal:
    return Reversal(reversal_key(of), of, entry.posting_on, replacement_key(of))


def _reversing(system: AccountingSystem) -> ReversingSystem:
    if not system.capabilities.reversals:
        not_applicable("the books cannot take an entry back")
    return cast("ReversingSystem", system)
