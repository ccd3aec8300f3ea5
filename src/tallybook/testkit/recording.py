"""Proofs of recording: every shape arrives unaltered, each key once, and `find` sees it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tallybook.accounting.entry import PostingState
from tallybook.accounting.system import AccountingSystem
from tallybook.testkit.bench import Bench
from tallybook.testkit.entries import JOURNAL_SHAPES, OTHER_HASH, PAYABLE_SHAPES, Entries
from tallybook.testkit.oracle import Oracle, all_recorded, answers_of, recorded, require_search
from tallybook.testkit.verdict import not_applicable, require

CLOCK_TOLERANCE = timedelta(minutes=5)  # the system may stand on another machine
HOSTILE_TEXTS = {
    "quotes": "'; DROP TABLE entries; -- \" \\ `",
    "markup": "<script>alert(1)</script> &amp; <![CDATA[ ]]> {{ x }} ${y} %s %n",
    "formula": '=HYPERLINK("http://127.0.0.1/","pay")',
    "line breaks": "first\r\nsecond\nthird\ttab\x0b\x0c\x1b[2J",
    "directions": "abc\N{RIGHT-TO-LEFT OVERRIDE}fed\N{ZERO WIDTH SPACE} שלום",
    "emoji": "🧾👩‍👩‍👧‍👦 Zażółć gęślą jaźń 日本語 ø Ø €",
    "NUL and half a surrogate pair": "a\x00b\ud800c",
    "10,000 characters": "Long " * 2000,
    "nothing": "",
}


class RecordingProof:
    """`record` and `find`."""

    @pytest.mark.parametrize("shape", JOURNAL_SHAPES)
    async def test_a_journal_entry_arrives_unaltered(
        self, shape: str, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A journal entry of this shape is in the books once, to the cent, on its accounts, with tax and dimensions."""
        entry = JOURNAL_SHAPES[shape](entries)
        await recorded(system, [entry])
        await oracle.require_held([entry])

    @pytest.mark.parametrize("shape", PAYABLE_SHAPES)
    async def test_an_accounts_payable_entry_arrives_unaltered(
        self, shape: str, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A bill, credit note or payment of this shape is in the books once, to the cent, with its vendor."""
        if not system.capabilities.accounts_payable:
            not_applicable("the books have no accounts payable")
        entry = PAYABLE_SHAPES[shape](entries)
        await recorded(system, [entry])
        await oracle.require_held([entry])

    async def test_what_record_answers(self, system: AccountingSystem, entries: Entries) -> None:
        """The answers carry key, content hash, a number of their own and the instant, aware, in UTC."""
        batch = entries.batch(3)
        before = datetime.now(UTC) - CLOCK_TOLERANCE
        answers = await recorded(system, batch)
        wanted = PostingState.DRAFT if system.capabilities.drafts else PostingState.POSTED
        for entry, answer in zip(batch, answers, strict=True):
            require(answer.content_hash == entry.content_hash, "The content hash comes back changed")
            require(answer.recorded_at.utcoffset() == timedelta(0), f"{answer.recorded_at} is not aware, in UTC")
            require(
                before <= answer.recorded_at <= datetime.now(UTC) + CLOCK_TOLERANCE,
                f"{answer.recorded_at} is not when the entry was recorded",
            )
            require(answer.state is wanted, f"The entry is answered as {answer.state}, not as {wanted}")
            require(not answer.attached, "Files are answered that nobody attached")
        numbers = [answer.external_id for answer in answers]
        require(all(numbers) and len(set(numbers)) == len(numbers), f"The numbers {numbers} tell entries not apart")

    async def test_nothing_to_record(self, system: AccountingSystem, oracle: Oracle) -> None:
        """No entries are recorded, found and posted without a complaint."""
        require(list(await system.record([])) == [], "record answers for entries that were not there")
        require(dict(await system.find([])) == {}, "find finds what was not asked for")
        require(list(await system.post([])) == [], "post answers for entries that were not there")
        await oracle.require_held([])

    async def test_a_full_batch(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """As many entries as the adapter takes at once are all recorded once, answered in their order."""
        batch = entries.batch(system.capabilities.batch_size)
        await recorded(system, batch)
        await oracle.require_held(batch)

    async def test_the_same_key_recorded_twice(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A key that is in the books is not written again; what is there is answered as it stands."""
        require_search(system)
        batch = entries.batch(3)
        first = await recorded(system, batch)
        again = await recorded(system, [*batch[::-1], *(fresh := entries.batch(1))])
        require(again[:3] == first[::-1], "The second record answers other than the first")
        await oracle.require_held([*batch, *fresh])

    async def test_the_same_key_with_other_content(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """An entry that changed since is answered as it stands in the books, with the hash it was recorded under."""
        require_search(system)
        entry = entries.entry()
        first = await recorded(system, [entry])
        changed = replace(entry, content_hash=OTHER_HASH, documents=(entries.purchase(99_99),))
        require(await recorded(system, [changed]) == first, "A changed entry is answered as if it had been recorded")
        await oracle.require_held([entry])

    async def test_the_same_key_twice_in_one_batch(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A key twice in one batch is one entry with two equal answers."""
        require_search(system)
        entry, other = entries.batch(2)
        answers = await recorded(system, [entry, other, entry])
        require(answers[0] == answers[2], "One key has two answers")
        await oracle.require_held([entry, other])

    @pytest.mark.parametrize("kind", HOSTILE_TEXTS)
    async def test_hostile_texts_change_nothing_else(
        self, kind: str, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """Whatever people write in texts, accounts and amounts are what they were, and nothing else is harmed."""
        text = HOSTILE_TEXTS[kind]
        entry, other = entries.first_line(text=text), entries.entry()
        details = replace(
            entry.details, description=text, note=text, supplier=text, person=text, team=text, attendees=(text,)
        )
        hostile = replace(entry, details=details)
        await recorded(system, [hostile, other])
        await oracle.require_held([hostile, other])

    async def test_find_after_record(self, bench: Bench, system: AccountingSystem, entries: Entries) -> None:
        """Books opened anew find what was recorded, answered as record answered it, and nothing that was not."""
        require_search(system)
        batch = entries.batch(5)
        answers = await recorded(system, batch[:4])
        again = bench.adapter.open(bench.settings)
        try:
            found = await again.find([entry.key for entry in batch])
        finally:
            await again.aclose()
        require(set(found) == {entry.key for entry in batch[:4]}, f"find finds {len(found)} of 4 entries recorded")
        require([found[answer.key] for answer in answers] == answers, "find answers other than record did")

    async def test_find_many(self, system: AccountingSystem, entries: Entries) -> None:
        """As many keys as the adapter takes at once are looked up, of which every other one is in the books."""
        require_search(system)
        batch = entries.batch(system.capabilities.batch_size)
        await recorded(system, batch[::2])
        found = await system.find([entry.key for entry in batch])
        require(set(found) == {entry.key for entry in batch[::2]}, "find finds other entries than were recorded")

    async def test_find_knows_no_strangers(self, system: AccountingSystem, entries: Entries) -> None:
        """An entry of another company is not found under the same id."""
        require_search(system)
        entry = entries.entry()
        await recorded(system, [entry])
        other = replace(entry.key, company_id="00000000-0000-4000-8000-000000000001")
        require(not await system.find([other]), "An entry of this company is found as another company's")

    async def test_record_answers_each_once(self, system: AccountingSystem, entries: Entries) -> None:
        """Two batches that overlap give one number to each entry."""
        require_search(system)
        batch = entries.batch(4)
        first = all_recorded(await answers_of(system, batch[:3]))
        second = all_recorded(await answers_of(system, batch[1:]))
        require(first[1:] == second[:2], "An entry has another number in the second batch")
