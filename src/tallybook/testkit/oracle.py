"""The oracle: the system's own content, compared before and after; and what Tallybook does with an adapter in doubt."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tallybook.accounting.entry import Attachment, Entry, EntryKey, PostingState, Recorded
from tallybook.accounting.errors import AccountingError, EntryRefused
from tallybook.accounting.system import AccountingSystem, Refused
from tallybook.testkit.bench import Bench
from tallybook.testkit.content import Held, compare, held_of
from tallybook.testkit.verdict import Unproven, not_applicable, require

TAKE_UP_TIMEOUT_S = 120.0
SENTENCE_LENGTH_MAX = 1000  # a reason is shown in a list


@dataclass
class Oracle:
    """Knows what the books held when a test began, and says whether they hold now what they should."""

    bench: Bench
    drafts: bool
    before: Sequence[Held] = field(default_factory=list)

    async def look(self) -> None:
        """Remember what the books hold now.

        Repeat: safe; the later look counts.
        """
        self.before = await self.bench.contents()

    async def require_held(
        self,
        entries: Iterable[Entry],
        *,
        posted: bool = False,
        files: Mapping[EntryKey, Sequence[Attachment]] | None = None,
    ) -> None:
        """The books hold these entries besides what was there before, each once and unaltered, and nothing else.

        Raises:
            Unproven: they do not.
        """
        state = PostingState.POSTED if posted or not self.drafts else PostingState.DRAFT
        wanted = {entry.key: held_of(entry, state, (files or {}).get(entry.key, ())) for entry in entries}
        problems = compare(self.before, await self.bench.contents(), wanted, self.bench.not_kept)
        require(not problems, "The books do not hold what they should: " + "; ".join(problems[:10]))

    async def require_held_at_most(self, entries: Sequence[Entry]) -> None:
        """The books hold some of these entries, or none, besides what was there before, each once and unaltered.

        Raises:
            Unproven: they hold one twice, or altered, or something else.
        """
        there = {held.key for held in await self.bench.contents()}
        await self.require_held([entry for entry in entries if entry.key in there])

    def require_harmless(self, error: Exception) -> None:
        """An error is a sentence, and holds no secret.

        Raises:
            Unproven: it is not.
        """
        text = str(error)
        require(text.strip(), f"{type(error).__name__} says nothing; say what is wrong, where, and how to mend it")
        require(len(text) <= SENTENCE_LENGTH_MAX, f"{type(error).__name__} says {len(text)} characters: {text[:80]!r}")
        for place, secret in enumerate(self.bench.secrets, start=1):
            require(secret not in text, f"{type(error).__name__} tells secret number {place} of the bench")


def batches(system: AccountingSystem, entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """Entries in the portions the adapter takes."""
    size = system.capabilities.batch_size
    return [entries[start : start + size] for start in range(0, len(entries), size)]


async def answers_of(system: AccountingSystem, entries: Sequence[Entry]) -> list[Recorded | Refused]:
    """Record in the portions the adapter takes, and check that there is one answer for each entry, in their order.

    Repeat: as the adapter's `record`.
    """
    answers = [answer for batch in batches(system, entries) for answer in await system.record(batch)]
    require(
        [answer.key for answer in answers] == [entry.key for entry in entries],
        f"record gave {len(answers)} answers for {len(entries)} entries, or in another order",
    )
    return answers


async def recorded(system: AccountingSystem, entries: Sequence[Entry]) -> list[Recorded]:
    """Record entries of which none may be refused.

    Repeat: as the adapter's `record`.
    """
    return all_recorded(await answers_of(system, entries))


def all_recorded(answers: Sequence[Recorded | Refused]) -> list[Recorded]:
    """The answers, none of which may be a refusal.

    Raises:
        Unproven: one is.
    """
    for answer in answers:
        if isinstance(answer, Refused):
            raise Unproven(f"A good entry was refused: {type(answer.error).__name__}: {answer.error}")
    return [answer for answer in answers if isinstance(answer, Recorded)]


def refusal(answer: Recorded | Refused) -> EntryRefused:
    """The reason of an answer that must be a refusal.

    Raises:
        Unproven: it is none.
    """
    if isinstance(answer, Refused):
        return answer.error
    raise Unproven(f"An entry that must be refused was recorded as {answer.external_id}")


def require_search(system: AccountingSystem) -> None:
    """End a test that needs `find`; where nothing can be searched, Tallybook never writes an entry a second time."""
    if not system.capabilities.can_find:
        not_applicable("the adapter cannot search")


async def take_up(system: AccountingSystem, entries: Sequence[Entry]) -> list[Recorded]:
    """What Tallybook does after any doubt: ask what is there, and record the rest.

    Repeat: safe, if the adapter is.
    Source: docs/decisions.md 20.
    """
    try:
        async with asyncio.timeout(TAKE_UP_TIMEOUT_S):
            found: dict[EntryKey, Recorded] = {}
            for batch in batches(system, entries):
                found |= await system.find([entry.key for entry in batch])
            missing = [entry for entry in entries if entry.key not in found]
            fresh = {answer.key: answer for answer in await recorded(system, missing)} if missing else {}
    except TimeoutError:
        raise Unproven(f"After a doubt the adapter came to no end within {TAKE_UP_TIMEOUT_S:.0f} s") from None
    return [found.get(entry.key) or fresh[entry.key] for entry in entries]


async def interrupted(system: AccountingSystem, entries: Sequence[Entry]) -> AccountingError | None:
    """Record while something may go wrong; what the adapter raised, or None if it coped by itself."""
    try:
        await recorded(system, entries)
    except AccountingError as error:
        return error
    return None
