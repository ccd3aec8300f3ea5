"""Proofs of posting: drafts stay drafts until they are posted, and what is posted stays."""

from dataclasses import replace

from tallybook.accounting.entry import PostingState
from tallybook.accounting.errors import PeriodClosed
from tallybook.accounting.system import AccountingSystem
from tallybook.testkit.attachments import Files, missing_entry
from tallybook.testkit.bench import Bench
from tallybook.testkit.entries import PAYABLE_SHAPES, Entries
from tallybook.testkit.oracle import Oracle, all_recorded, recorded, refusal, require_search
from tallybook.testkit.verdict import not_applicable, require


class PostingProof:
    """`post`."""

    async def test_a_draft_stays_a_draft(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """An entry that is to be posted is recorded as a draft all the same, and only `post` makes it final."""
        if not system.capabilities.drafts:
            not_applicable("the books have no drafts")
        entry = replace(entries.entry(), posting=PostingState.POSTED)
        (there,) = await recorded(system, [entry])
        require(there.state is PostingState.DRAFT, f"record answers {there.state}")
        await oracle.require_held([entry])

    async def test_posted(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """Posting answers for each entry in order, and changes the state and nothing else."""
        batch = entries.batch(3)
        there = await recorded(system, batch)
        posted = all_recorded(await system.post(there[::-1]))
        require([it.key for it in posted] == [it.key for it in there[::-1]], "post answers in another order")
        require(all(it.state is PostingState.POSTED for it in posted), "post answers entries that are not posted")
        require(
            {it.key: it.external_id for it in posted} == {it.key: it.external_id for it in there},
            "Posting gave an entry another number; its first one has been reported",
        )
        await oracle.require_held(batch, posted=True)

    async def test_documents_of_accounts_payable_are_posted(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A bill, a credit note, a payment, and a bill with its payment are posted."""
        if not system.capabilities.accounts_payable:
            not_applicable("the books have no accounts payable")
        batch = [make(entries) for shape, make in PAYABLE_SHAPES.items() if "tax" not in shape]
        all_recorded(await system.post(await recorded(system, batch)))
        await oracle.require_held(batch, posted=True)

    async def test_posted_twice(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """What is posted stays as it is when it is posted again, beside a draft that is posted with it."""
        first, second = entries.batch(2)
        there = await recorded(system, [first, second])
        once = all_recorded(await system.post(there[:1]))
        twice = all_recorded(await system.post(there))
        require(twice[:1] == once, "The second post answers other than the first")
        await oracle.require_held([first, second], posted=True)

    async def test_recorded_again_after_posting(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A posted entry that is recorded again is answered as posted, and neither doubled nor made a draft."""
        require_search(system)
        entry = entries.entry()
        posted = all_recorded(await system.post(await recorded(system, [entry])))
        require(await recorded(system, [entry]) == posted, "A repeated record answers other than post")
        require((await system.find([entry.key]))[entry.key] == posted[0], "find answers other than post")
        await oracle.require_held([entry], posted=True)

    async def test_posted_with_its_files(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """An entry that is attached to and then posted has its files."""
        entry = entries.entry()
        there = await recorded(system, [entry])
        both = [files.pdf(1), files.pdf(2)]
        require(not await system.attach([(there[0], file) for file in both]), "A good file was refused")
        all_recorded(await system.post(there))
        await oracle.require_held([entry], posted=True, files={entry.key: both})

    async def test_nothing_to_post(self, system: AccountingSystem, oracle: Oracle, entries: Entries) -> None:
        """An entry that is not in the books is refused when it is posted, and the one beside it is posted."""
        entry, stranger = entries.batch(2)
        (there,) = await recorded(system, [entry])
        answers = await system.post([missing_entry(there, stranger), there])
        oracle.require_harmless(refusal(answers[0]))
        all_recorded(answers[1:])
        await oracle.require_held([entry], posted=True)

    async def test_posting_into_a_period_closed_since(
        self, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries
    ) -> None:
        """A draft whose period was closed since is refused for that, and stays a draft."""
        if not system.capabilities.drafts:
            not_applicable("the books have no drafts")
        entry = entries.entry()
        there = await recorded(system, [entry])
        if not await bench.close_period(bench.company.open_on):
            not_applicable("the bench cannot close a period while a draft is in it")
        try:
            error = refusal((await system.post(there))[0])
            require(isinstance(error, PeriodClosed), f"{type(error).__name__} instead of PeriodClosed: {error}")
        finally:
            await bench.reopen_period(bench.company.open_on)
        await oracle.require_held([entry])
