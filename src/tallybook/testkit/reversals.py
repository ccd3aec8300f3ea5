"""Proofs of reversal, for books that can take an entry back."""

import asyncio
from dataclasses import replace
from datetime import date
from typing import cast

from tallybook.accounting.entry import Entry, PostingState, Recorded, Reversal, replacement_key, reversal_key
from tallybook.accounting.system import AccountingSystem, RehearsingReversals, ReversingSystem
from tallybook.testkit.attachments import missing_entry
from tallybook.testkit.entries import OTHER_HASH, Entries
from tallybook.testkit.oracle import Oracle, all_recorded, recorded, refusal
from tallybook.testkit.verdict import not_applicable, require


class ReversalsProof:
    """`reverse` and `rehearse_reversals`, and recording the entry that replaces a reversed one."""

    async def test_reversed(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """A reversal has every amount turned around, and the entry it takes back stays as it is."""
        books = reversing(system)
        entry = entries.entry(entries.purchase(10_01, 20_02))
        posted = all_recorded(await system.post(await recorded(system, [entry])))[0]
        back = reversal(posted, entry.posting_on)
        first = all_recorded(await books.reverse([back]))
        require(all_recorded(await books.reverse([back])) == first, "The second reverse answers other than the first")
        require(first[0].key == back.key, "reverse answers under another key")
        found = await system.find([entry.key, back.key])
        require(set(found) == {entry.key, back.key}, f"find finds {len(found)} of an entry and its reversal")
        require(found[entry.key].posting_on == entry.posting_on, "find does not say when the entry was posted")
        all_recorded(await system.post(first))
        await oracle.require_held([entry, turned_around(entry, back)], posted=True)

    async def test_replaced(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """After a reversal the corrected entry is recorded under its own key, naming the one it replaces."""
        books = reversing(system)
        entry = entries.entry()
        there = all_recorded(await system.post(await recorded(system, [entry])))[0]
        back = reversal(there, entry.posting_on)
        reverse = all_recorded(await books.reverse([back]))
        corrected = replace(
            entry,
            key=back.replaced_by,
            content_hash=OTHER_HASH,
            documents=(entries.purchase(99_99),),
            replaces=there.external_id,
        )
        all_recorded(await system.post([*reverse, *await recorded(system, [corrected])]))
        await oracle.require_held([entry, turned_around(entry, back), corrected], posted=True)

    async def test_two_reverse_at_once(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """Two calls at once with the same reversals in opposite orders write each once."""
        books = reversing(system)
        batch = entries.batch(3)
        backs = [reversal(each, batch[0].posting_on) for each in await recorded(system, batch)]
        answers = await asyncio.gather(books.reverse(backs), books.reverse(backs[::-1]))
        require(
            all_recorded(answers[0]) == all_recorded(answers[1])[::-1], "Two calls at once answer differently for one"
        )
        turned = [turned_around(entry, back) for entry, back in zip(batch, backs, strict=True)]
        await oracle.require_held([*batch, *turned])

    async def test_reversal_rehearsed(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """A reversal that would be refused is named beforehand, one that would not is not, and nothing is written."""
        reversing(system)
        if not system.capabilities.rehearses_reversals:
            not_applicable("the books do not say beforehand which reversals they would refuse")
        entry, stranger = entries.batch(2)
        (there,) = await recorded(system, [entry])
        gone = missing_entry(there, stranger)
        good, bad = reversal(there, entry.posting_on), reversal(gone, entry.posting_on)
        answers = await cast("RehearsingReversals", system).rehearse_reversals([good, bad])
        require(
            [answer.key for answer in answers] == [bad.key],
            f"rehearse_reversals refuses {len(answers)} reversals instead of 1",
        )
        oracle.require_harmless(refusal(answers[0]))
        await oracle.require_held([entry])

    async def test_nothing_to_reverse(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """The reversal of an entry that is not in the books is refused."""
        books = reversing(system)
        entry, stranger = entries.batch(2)
        (there,) = await recorded(system, [entry])
        back = reversal(missing_entry(there, stranger), stranger.posting_on)
        oracle.require_harmless(refusal((await books.reverse([back]))[0]))
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


def reversal(of: Recorded, on: date) -> Reversal:
    """What takes an entry back on a day."""
    return Reversal(reversal_key(of), of, on, replacement_key(of))


def reversing(system: AccountingSystem) -> ReversingSystem:
    """The books, where they can take an entry back; ends the test where they cannot."""
    if not system.capabilities.reversals:
        not_applicable("the books cannot take an entry back")
    return cast("ReversingSystem", system)
