"""Undoing: entries that stand in the books as we wrote them are taken back by reversals, each tied to the other.

What was changed, corrected or handed over since, or is not ours, is left alone, with the reason. An entry that was
undone is no longer in the books for us: whoever exports it again in Pleo gets it booked anew.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import cast

from tallybook.accounting.entry import EntryKey, Held, PostingState, Recorded, Reversal, replacement_key, reversal_key
from tallybook.accounting.errors import AccountingError, AccountingSettingInvalid, PeriodClosed
from tallybook.accounting.handover import HandsOver
from tallybook.accounting.system import Refused
from tallybook.bookkeeping.books import Books
from tallybook.bookkeeping.period import posting_day
from tallybook.comparison import altered, kept, read_back, settled
from tallybook.errors import TallybookError
from tallybook.outcome import one_line
from tallybook.pleo.errors import PleoNotFound
from tallybook.pleo.models import ItemStatus
from tallybook.postings.judgement import Standing
from tallybook.postings.posting import JournalState, Posting
from tallybook.postings.writing import EntryWriter
from tallybook.steps import step1_detect_and_start as step1
from tallybook.workflow import Company

ENTRIES_AT_ONCE = 100


class NotUndone(TallybookError):
    """Nothing of the job or item can be undone; nothing was written."""


@dataclass(frozen=True, slots=True)
class Undoing:
    """What undoing would do to one entry: write `reversal`, or nothing, for the reason `refusal`.

    Neither: it is undone already, by the entry `undone_by`. `number` is the entry's in the books, if it is there.
    """

    entry_id: str
    number: str | None = None
    reversal: Reversal | None = None
    refusal: str | None = None
    undone_by: str | None = None


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one entry: it was reversed by `reversed_by`; or what went wrong, in a sentence; or both."""

    entry_id: str
    number: str | None
    reversed_by: str | None = None
    problem: str | None = None


async def look(company: Company, job_or_item: str, *, on: date | None = None) -> list[Undoing]:
    """Say what undoing a job, or one item by its accounting entry's id, would do; `on` is the day of the reversals.

    Without `on`, an entry is reversed on its own day, or where the setting for closed periods leads.

    Repeat: safe; reads only.
    Raises:
        NotUndone: the job has not ended yet, or is another company's.
        AccountingSettingInvalid: these books cannot reverse entries.
        PleoError: Pleo did not answer.
        AccountingError: the books did not answer.
    """
    looking = await _Look.begin(company, job_or_item, on)
    return [each for keys in looking.batches() for each, _ in (await looking.at(keys)).values()]


async def undo(
    company: Company, job_or_item: str, agreed: Collection[EntryKey], *, on: date | None = None
) -> list[Undone]:
    """Write the reversals whose keys were `agreed` to, of those entries that may still be undone.

    A reversal is posted if what it takes back is.

    Repeat: safe, also after a kill; an entry that was reversed is not reversed again, and what was begun is finished.
    Raises:
        AnotherWriter: another run is at work on the same entries.
        As `look`.
    """
    looking = await _Look.begin(company, job_or_item, on)
    return [each for keys in looking.batches() for each in await looking.undo(keys, agreed)]


async def _numbers(company: Company, job_or_item: str) -> dict[str, str | None]:
    """Give the entries to undo, by id, with the numbers under which Pleo has them; None: whatever it is now."""
    try:
        job = await company.pleo.job(job_or_item)
    except PleoNotFound:
        return {job_or_item.lower(): None}
    if job.company_id != company.company_id:
        raise NotUndone(f"Export job {job.id} is of company {job.company_id}, not of {company.company_id}")
    if job.status in step1.ELIGIBLE:
        raise NotUndone(f"Export job {job.id} has not ended yet ({job.status}); undo it when it has")
    return {
        item.accounting_entry_id: item.external_id or ""
        async for item in company.pleo.job_items(job.id, page_size=company.page_size)
        if item.status == ItemStatus.SUCCESSFUL
    }


@dataclass(frozen=True, slots=True)
class _Look:
    company: Company
    numbers: Mapping[str, str | None]
    known: Books
    writer: EntryWriter
    on: date | None

    @classmethod
    async def begin(cls, company: Company, job_or_item: str, on: date | None) -> "_Look":
        if not (company.books.capabilities.reversals and company.books.capabilities.can_find):
            raise AccountingSettingInvalid(
                f"These books ({company.books_name}) cannot reverse entries for us, so nothing was undone; reverse the "
                "entries there by hand"
            )
        numbers = await _numbers(company, job_or_item)
        writer = EntryWriter(
            company.books, company.journal, books=company.books_name, job_id=job_or_item, clock=company.clock
        )
        return cls(company, numbers, Books(await writer.patiently(company.books.reference_data)), writer, on)

    def batches(self) -> list[list[EntryKey]]:
        keys = [EntryKey(self.company.company_id, entry_id) for entry_id in self.numbers]
        return [keys[start : start + ENTRIES_AT_ONCE] for start in range(0, len(keys), ENTRIES_AT_ONCE)]

    async def at(self, keys: Sequence[EntryKey]) -> dict[EntryKey, tuple[Undoing, Standing]]:
        """Judge entries as they stand now."""
        standings = await self.writer.standings(keys)
        gone = await self._handed_over([each.found for each in standings.values() if each.found is not None])
        changed = await self._altered(standings)
        return {key: (self._judged(key, standing, gone, changed), standing) for key, standing in standings.items()}

    async def _altered(self, standings: Mapping[EntryKey, Standing]) -> dict[EntryKey, str]:
        """Say in what entries were altered in the books, where they can be read back and what was exported is kept."""
        found = {
            key: (standing.found.key, standing.posting.job_id)
            for key, standing in standings.items()
            if standing.found is not None and standing.posting is not None
        }
        expected: dict[EntryKey, Held] = {}
        for job_id in {job_id for _, job_id in found.values()}:
            entries = {key.entry_id: key for key, (_, booked_by) in found.items() if booked_by == job_id}
            kept_of = await kept(self.company, job_id, list(entries))
            expected |= {entries[entry_id]: lines for entry_id, lines in kept_of.items()}
        there = await self.writer.patiently(partial(read_back, self.company, [found[key][0] for key in expected]))
        return {
            key: text
            for key, lines in expected.items()
            if (held := there.get(found[key][0])) is not None and (text := altered(lines, held))
        }

    async def _handed_over(self, found: Sequence[Recorded]) -> Mapping[EntryKey, str | None]:
        if not self.company.books.capabilities.hands_over or not found:
            return {}
        return await cast("HandsOver", self.company.books).handed_over([each.key for each in found])

    def _judged(
        self,
        key: EntryKey,
        standing: Standing,
        gone: Mapping[EntryKey, str | None],
        changed: Mapping[EntryKey, str],
    ) -> Undoing:
        entry_id, number, found = key.entry_id, self.numbers[key.entry_id], standing.found
        if (by_hand := _number_by_hand(standing)) is not None:
            text = f"a person said that it was booked by hand, as {by_hand}; reverse it by hand as well"
            return Undoing(entry_id, by_hand, refusal=text)
        if standing.reversed is not None and standing.reversal is not None:
            return Undoing(entry_id, standing.reversed.external_id, undone_by=standing.reversal.external_id)
        if found is None:
            never = standing.posting is None and number is None
            return Undoing(entry_id, number or None, refusal=_NEVER if never else _NOT_THERE)
        refusal = _not_as_written(found, standing.posting, number)
        if refusal is None and (where := gone.get(found.key)) is not None:
            refusal = f"it was handed over in {where}; reverse it where that was read in"
        if refusal is None and key in changed:
            refusal = f"it was altered in the books since it was written: {changed[key]}"
        if refusal is None:
            try:
                reversal = Reversal(reversal_key(found), found, self._day(found), replacement_key(found))
            except PeriodClosed as closed:
                refusal = str(closed)
            else:
                return Undoing(entry_id, found.external_id, reversal)
        return Undoing(entry_id, found.external_id, refusal=refusal)

    def _day(self, found: Recorded) -> date:
        today = self.company.clock.now().date()
        booked_on = found.posting_on or today
        if self.on is None:
            try:
                return posting_day(booked_on, self.company.rules.closed_period, self.known, today=today)
            except PeriodClosed:
                raise PeriodClosed(f"its day, {booked_on}, is in a closed period; name an open day with --on") from None
        if self.on < booked_on:
            raise PeriodClosed(
                f"it was booked on {booked_on}, and {self.on} is before that; name a later day with --on"
            )
        if self.known.closed_stretch(self.on) is not None:
            raise PeriodClosed(f"{self.on} is in a closed period; name an open day with --on")
        return self.on

    async def undo(self, keys: Sequence[EntryKey], agreed: Collection[EntryKey]) -> list[Undone]:
        """Reverse what may be, post the reversals of posted entries, and finish what a killed run began."""
        judged = await self.at(keys)
        wanted = {
            key: (each.reversal, standing.posting)
            for key, (each, standing) in judged.items()
            if each.reversal is not None and each.reversal.key in agreed and standing.posting is not None
        }
        answers = await self.writer.take_back(wanted) if wanted else {}
        pairs = {key: (wanted[key][0].of, answer) for key, answer in answers.items() if isinstance(answer, Recorded)}
        earlier = {
            key: (standing.reversed, standing.reversal, standing.posting)
            for key, (each, standing) in judged.items()
            if each.undone_by is not None
            and standing.reversed is not None
            and standing.reversal is not None
            and standing.posting is not None
        }
        await self.writer.note_undone(earlier)
        pairs |= {key: (entry, reversal) for key, (entry, reversal, _) in earlier.items()}
        unfinished = await self._finish(pairs)
        done = []
        for key, (each, _) in judged.items():
            answer = answers.get(key)
            if key in pairs:
                _, by = pairs[key]
                done.append(Undone(each.entry_id, each.number, by.external_id, unfinished.get(by.key)))
            elif isinstance(answer, TallybookError):
                done.append(Undone(each.entry_id, each.number, problem=one_line(answer)))
            else:
                problem = None if each.undone_by else each.refusal or _NOT_AGREED
                done.append(Undone(each.entry_id, each.number, each.undone_by, problem))
        return done

    async def _finish(self, pairs: Mapping[EntryKey, tuple[Recorded, Recorded]]) -> dict[EntryKey, str]:
        """Post reversals of what is posted, and let them follow what is handed over later; by key, what went wrong."""
        books, problems = self.company.books, dict[EntryKey, str]()
        # Those that are posted too: a run may have died between posting one and settling it with what it takes back.
        reversals = {by.key: by for of, by in pairs.values() if of.state is PostingState.POSTED}
        for batch in self.writer.batches(list(reversals.values())):
            try:
                answers = await self.writer.patiently(partial(books.post, batch))
            except AccountingError as error:
                problems |= {by.key: _not_finished(by, error) for by in batch}
                continue
            for answer in answers:
                if isinstance(answer, Refused):
                    problems[answer.key] = _not_finished(reversals[answer.key], answer.error)
        waiting = await self._handed_over([of for of, _ in pairs.values()])
        follow = [by for of, by in pairs.values() if of.key in waiting and by.key not in problems]
        if follow:
            for refused in await cast("HandsOver", books).settle(follow):
                problems[refused.key] = f"the reversal is not handed over: {one_line(refused.error)}"
        return problems


def _not_finished(by: Recorded, error: TallybookError) -> str:
    what = "is a draft still" if by.state is PostingState.DRAFT else "may not be settled with what it takes back"
    return f"the reversal {what}: {one_line(error)}"


_NEVER = (
    "nothing is known of it: it is no export job of Pleo's, and no accounting entry that was ever exported from here"
)
_NOT_THERE = "it is not in the books"
_NOT_AGREED = "it stands otherwise than it did when you were asked; look at it again"


def _number_by_hand(standing: Standing) -> str | None:
    """Under which number a person said that the entry is booked; None where that is the one we gave it ourselves."""
    ours, posting = standing.found or standing.reversed, standing.posting
    if not settled(posting) or (ours is not None and ours.external_id == posting.external_id):
        return None
    return posting.external_id


def _not_as_written(found: Recorded, posting: Posting | None, number: str | None) -> str | None:
    """Why an entry is not, or cannot be known to be, what we wrote; None if it is."""
    if number is not None and number != found.external_id:
        return (
            f"this job exported it as {number or 'nothing'}, and it was corrected since: it is {found.external_id} now"
        )
    if posting is None:
        return "the posting journal does not know it, so it cannot be told whether it is as it was written"
    if posting.state not in {JournalState.RECORDED, JournalState.INTENT}:
        return f"the posting journal has it as {posting.state}, and the books have it as {found.external_id}"
    if posting.external_id not in {None, found.external_id} or posting.content_hash != found.content_hash:
        return f"it was changed in the books since it was written as {posting.external_id or found.external_id}"
    return None
