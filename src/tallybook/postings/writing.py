"""Writing entries into the books, never blindly a second time.

The intent of a group of entries is in the journal before the first of them is written, and what came of them after the
last. After any doubt the books are searched, and only what is not there is repeated; books that cannot be searched
leave the entry `uncertain`, and a person settles it. A run that finds an intent of another run does the same.

A group is all that is written together: a page, or, in books that cannot be searched, what one call carries, so that a
killed run leaves no more in doubt than that.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar, cast

import structlog

from tallybook.accounting.entry import (
    EntryKey,
    PostingState,
    Recorded,
    Reversal,
    replacement_key,
    reversal_key,
)
from tallybook.accounting.errors import AccountingError, EntryRefused
from tallybook.accounting.patience import ATTEMPTS, PASSING, patiently
from tallybook.accounting.system import AccountingSystem, Refused, ReversingSystem
from tallybook.clock import Clock
from tallybook.errors import TallybookError
from tallybook.postings.errors import JournalUnusable
from tallybook.postings.journal import Journal
from tallybook.postings.judgement import Standing
from tallybook.postings.posting import Booking, JournalState, Posting
from tallybook.postings.rehearsing import refusals

_Answer = TypeVar("_Answer")
_Thing = TypeVar("_Thing")
log = structlog.get_logger()

NO_ANSWER = "The accounting system gave no answer"


class _Keyed(Protocol):
    @property
    def key(self) -> EntryKey: ...


_Written = TypeVar("_Written", bound=_Keyed)
# Under the keys that were written: in the books, refused (not in the books), or lost (an AccountingError).
Answers = dict[EntryKey, Recorded | TallybookError]


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that is in the books already, what the journal said of it, and the reversal of the version before it."""

    key: EntryKey
    recorded: Recorded
    posting: Posting | None = None
    reversed_by: Recorded | None = None
    reversed_draft: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an entry in the books, and what took it back."""

    recorded: Recorded
    reversal: Recorded | None = None


def _standing(posting: Posting | None, versions: Sequence[Version]) -> Standing:
    if not versions:
        return Standing(posting)
    newest = versions[-1]
    if newest.reversal is not None:
        return Standing(posting, reversed=newest.recorded, reversal=newest.reversal)
    if len(versions) == 1:
        return Standing(posting, found=newest.recorded)
    before = versions[-2]
    draft = before.recorded.state is PostingState.DRAFT
    return Standing(posting, found=newest.recorded, reversal=before.reversal, reversed_draft=draft)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of entries, by their identity.

    Of `answers` an EntryRefused is about an entry that is not in the books, an AccountingError about one that may be.
    `reversals` are those of versions before, old and new, which are posted with the version that replaces them.
    """

    answers: dict[EntryKey, Recorded | TallybookError]
    reversals: dict[EntryKey, Recorded]


@dataclass(slots=True)
class EntryWriter:
    """Writes the entries of one job; `books` name the adapter and the books it writes to."""

    system: AccountingSystem
    journal: Journal
    books: str
    job_id: str
    clock: Clock
    _attempts: int = ATTEMPTS  # 1 once the books were down for a whole page: later pages fail fast

    async def standings(self, keys: Sequence[EntryKey]) -> dict[EntryKey, Standing]:
        """Ask the journal and, where they can be searched, the books what is known of these entries.

        Repeat: safe.
        Raises:
            AccountingError: the books did not answer.
            JournalUnusable: the database did not.
        """
        postings = await self.journal.read(keys)
        versions = await self.versions(keys)
        return {key: _standing(postings.get(key), versions.get(key, ())) for key in keys}

    async def versions(self, keys: Sequence[EntryKey]) -> dict[EntryKey, list[Version]]:
        """Give every version of these entries that the books hold, by identity, the oldest first.

        Repeat: safe.
        Raises:
            AccountingError: the books did not answer.
        """
        found = {key: [Version(each)] for key, each in (await self.patiently(partial(self._find, keys))).items()}
        walking = list(found) if self.system.capabilities.reversals else []
        while walking:
            newest = {key: found[key][-1].recorded for key in walking}
            asked = [make(version) for version in newest.values() for make in (reversal_key, replacement_key)]
            answers = await self.patiently(partial(self._find, asked))
            walking = []
            for key, version in newest.items():
                found[key][-1] = Version(version, answers.get(reversal_key(version)))
                if (correction := answers.get(replacement_key(version))) is not None:
                    found[key].append(Version(correction))
                    walking.append(key)
        return found

    async def _find(self, keys: Sequence[EntryKey]) -> dict[EntryKey, Recorded]:
        """Search in batches, where the books can be searched; what was not asked about is passed over."""
        found: dict[EntryKey, Recorded] = {}
        if self.system.capabilities.can_find:
            for batch in self.batches(keys):
                answer = await self.system.find(batch)
                found |= {key: answer[key] for key in batch if key in answer}
        return found

    def batches(self, things: Sequence[_Thing]) -> list[Sequence[_Thing]]:
        """Cut into what one call to the books may carry."""
        size = self.system.capabilities.batch_size
        return [things[start : start + size] for start in range(0, len(things), size)]

    async def patiently(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Make a call that is safe to repeat, and repeat it while the books are only passingly away."""
        return await patiently(self.clock, call, attempts=self._attempts)

    async def write(self, bookings: Sequence[Booking], found: Collection[Found]) -> Written:
        """Write entries, and take up into the journal what is in the books already; an answer for each booking's key.

        Repeat: safe with standings read anew; what is in the books is found there, or the entry is uncertain.
        Raises:
            AnotherWriter: another run is writing the same entries; nothing of the group was written.
            JournalUnusable: the database did not answer; before the intent is stored nothing is written.
        """
        before = {each.key: each.reversed_by for each in found if each.reversed_by is not None}
        before |= {each.key: each.reversed_by for each in bookings if each.reversed_by is not None}
        written = Written({}, before)
        known = [
            self._posting(each.key, each.recorded.content_hash, each.posting, each.recorded)
            for each in found
            if each.posting is None or not each.posting.says(each.recorded)
        ]
        can_find = self.system.capabilities.can_find
        for group in [bookings] if can_find else self.batches(bookings):
            if group:
                known += await self._write_group(group, written)
            await self._note(known)
            known = []
        await self._note(known)
        return written

    async def _write_group(self, group: Sequence[Booking], done: Written) -> list[Posting]:
        intents = {each.key: self._intent(each) for each in group}
        await self.journal.claim(list(intents.values()))
        intents = {key: replace(intent, version=intent.version + 1) for key, intent in intents.items()}
        stuck: dict[EntryKey, TallybookError] = dict(await self._refused_beforehand(group))
        reversals = {each.key: each.reversal for each in group if each.reversal is not None and each.key not in stuck}
        reversed_ = await self._write(
            list(reversals.values()), lambda batch: cast("ReversingSystem", self.system).reverse(batch)
        )
        answers = {key: reversed_[reversal.key] for key, reversal in reversals.items()}
        done.reversals.update({key: answer for key, answer in answers.items() if isinstance(answer, Recorded)})
        stuck |= {key: answer for key, answer in answers.items() if not isinstance(answer, Recorded)}
        written = await self._write([each.entry for each in group if each.key not in stuck], self.system.record)
        postings: list[Posting] = []
        for each in group:
            answer = done.answers[each.key] = stuck.get(each.key) or written[each.entry.key]
            posting = self._outcome(intents[each.key], answer)
            if each.reversal is not None and each.key in stuck and posting.state is JournalState.FAILED:
                # Nothing was reversed: the version before stands as it did.
                before = replace(posting, replaces=each.posting.replaces if each.posting else None)
                posting = self._posting(each.key, each.reversal.of.content_hash, before, each.reversal.of)
            postings.append(posting)
        return postings

    async def _refused_beforehand(self, group: Sequence[Booking]) -> dict[EntryKey, EntryRefused]:
        """Say which corrections would be refused: no version is taken back for one that would not be recorded."""
        try:
            return await refusals(self.system, self.clock, [each for each in group if each.reversal is not None])
        except AccountingError:
            return {}  # writing says it again, and knows what to do about it

    async def take_back(self, reversals: Mapping[EntryKey, tuple[Reversal, Posting]]) -> Answers:
        """Reverse entries for good, by identity, each with its posting as it was read; an answer for each identity.

        Repeat: safe with standings read anew; a reversal that is in the books is not written again.
        Raises:
            AnotherWriter: another run is writing the same entries; nothing was written.
            JournalUnusable: the database did not answer; before the intent is stored nothing is written.
        """
        intents = {
            key: replace(posting, state=JournalState.INTENT, attempted_at=self.clock.now(), settled=False, error=None)
            for key, (_, posting) in reversals.items()
        }
        await self.journal.claim(list(intents.values()))
        answers = await self._write(
            [reversal for reversal, _ in reversals.values()],
            lambda batch: cast("ReversingSystem", self.system).reverse(batch),
        )
        told = {key: answers[reversal.key] for key, (reversal, _) in reversals.items()}
        postings = []
        for key, (reversal, posting) in reversals.items():
            version, answer = posting.version + 1, told[key]
            if isinstance(answer, Recorded):
                postings.append(self._undone(replace(intents[key], version=version), reversal.of, answer))
            elif isinstance(answer, EntryRefused):  # the entry stands as it did
                postings.append(replace(posting, version=version))
            else:  # the books decide, when they are asked again
                postings.append(replace(intents[key], version=version, error=type(answer).__name__))
        await self._note(postings)
        return told

    async def note_undone(self, undone: Mapping[EntryKey, tuple[Recorded, Recorded, Posting]]) -> None:
        """Take up into the journal entries that the books hold as reversed: the entry, its reversal, its posting.

        Repeat: safe.
        """
        await self._note(
            [
                self._undone(posting, entry, reversal)
                for entry, reversal, posting in undone.values()
                if (posting.state, posting.external_id) != (JournalState.UNDONE, reversal.external_id)
            ]
        )

    @staticmethod
    def _undone(posting: Posting, entry: Recorded, reversal: Recorded) -> Posting:
        return replace(
            posting,
            state=JournalState.UNDONE,
            external_id=reversal.external_id,
            external_url=reversal.external_url,
            recorded_at=reversal.recorded_at,
            replaces=entry.external_id,
            settled=False,
            error=None,
        )

    def _intent(self, booking: Booking) -> Posting:
        return Posting(
            key=booking.key,
            state=JournalState.INTENT,
            books=self.books,
            job_id=self.job_id,
            content_hash=booking.entry.content_hash,
            attempted_at=self.clock.now(),
            version=booking.posting.version if booking.posting else 0,
            replaces=booking.entry.replaces,
        )

    def _posting(self, key: EntryKey, content_hash: str, before: Posting | None, recorded: Recorded) -> Posting:
        return Posting(
            key=key,
            state=JournalState.RECORDED,
            books=self.books,
            job_id=self.job_id,
            content_hash=content_hash,
            attempted_at=before.attempted_at if before else recorded.recorded_at,
            version=before.version if before else 0,
            recorded_at=recorded.recorded_at,
            external_id=recorded.external_id,
            external_url=recorded.external_url,
            replaces=before.replaces if before else None,
        )

    def _outcome(self, intent: Posting, answer: Recorded | TallybookError) -> Posting:
        if isinstance(answer, Recorded):
            return self._posting(intent.key, answer.content_hash, intent, answer)
        error = type(answer).__name__
        if isinstance(answer, EntryRefused):
            return replace(intent, state=JournalState.FAILED, error=error)
        can_find = self.system.capabilities.can_find
        return replace(intent, state=JournalState.INTENT if can_find else JournalState.UNCERTAIN, error=error)

    async def _note(self, postings: Sequence[Posting]) -> None:
        """Store what came of entries, patiently: the books may have no other memory of it."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._note_once(postings)
            except JournalUnusable:
                await self.clock.sleep(attempt)
        return await self._note_once(postings)

    async def _note_once(self, postings: Sequence[Posting]) -> None:
        """What was recorded is a fact: it goes over what others thought meanwhile.

        What is uncertain goes over a person's word that it is not in the books: that was given before the write ended.
        """
        taken = await self.journal.write(postings)
        lasting = {JournalState.RECORDED, JournalState.UNCERTAIN}
        late = {each.key: each for each in postings if each.key not in taken and each.state in lasting}
        if not late:
            return
        log.warning("posting_changed_meanwhile", entry_ids=[key.entry_id for key in late][:10], count=len(late))
        theirs = await self.journal.read(list(late))
        await self.journal.write(
            [
                replace(each, version=theirs[key].version)
                for key, each in late.items()
                if key in theirs and _goes_over(each, theirs[key])
            ]
        )

    async def _write(
        self, things: Sequence[_Written], call: Callable[[Sequence[_Written]], Awaitable[Sequence[Recorded | Refused]]]
    ) -> Answers:
        answers: Answers = {}
        for batch in self.batches(things):
            answers |= await self._write_batch(batch, call)
        return answers

    async def _write_batch(
        self, batch: Sequence[_Written], call: Callable[[Sequence[_Written]], Awaitable[Sequence[Recorded | Refused]]]
    ) -> Answers:
        """Write a batch; after doubt search for it first, keep what is there and repeat only the rest.

        Also a failure that will not pass may have come after a part was written: then it is searched for, once.
        """
        answers: Answers = {}
        outstanding = {thing.key: thing for thing in batch}
        can_find = self.system.capabilities.can_find
        doubt, given_up, down = False, False, AccountingError(NO_ANSWER)
        for attempt in range(self._attempts + 1):  # the last round searches, it writes no more
            if not outstanding or (doubt and not can_find):
                break
            if attempt:
                await self.clock.sleep(attempt)
            try:
                for key, recorded in (await self._find(list(outstanding)) if doubt else {}).items():
                    answers[key] = recorded
                    del outstanding[key]
                if given_up or attempt == self._attempts:
                    break
                doubt = True
                for answer in await call(list(outstanding.values())) if outstanding else ():
                    if outstanding.pop(answer.key, None) is None:
                        continue  # nobody asked
                    answers[answer.key] = answer.error if isinstance(answer, Refused) else answer
            except AccountingError as error:
                down = error
                if given_up:
                    break
                given_up = not isinstance(error, PASSING)
        self._attempts = 1 if outstanding else ATTEMPTS
        return answers | dict.fromkeys(outstanding, down)


def _goes_over(late: Posting, theirs: Posting) -> bool:
    if late.state is JournalState.RECORDED:
        return theirs.state is not JournalState.RECORDED
    return theirs.state is JournalState.FAILED and theirs.settled
