"""What was exported of entries, as the history of jobs kept it, against what the books hold of them now."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TypeGuard, cast

from tallybook.accounting.entry import EntryKey, Held, HeldLine
from tallybook.accounting.system import ReadableSystem
from tallybook.history.history import History
from tallybook.money import decimal_text
from tallybook.postings.posting import JournalState, Posting
from tallybook.workflow import Company

LATER_JOBS_MAX = 500  # that are asked about an entry of one that failed
_JOBS_AT_ONCE = 50
_NAMED_MAX = 5  # accounts that differ, in one sentence


async def kept(company: Company, job_id: str, entry_ids: Sequence[str]) -> dict[str, Held]:
    """Give what was to be booked of entries by a job that recorded them, by entry id, where that was kept.

    Repeat: safe; reads only.
    Raises:
        DatabaseUnusable: the database does not answer.
    """
    items = await History(company.journal.connections).items_of(job_id, entry_ids)
    return {
        item.entry_id: Held(
            EntryKey(company.company_id, item.entry_id),
            date.fromisoformat(item.documents[0].posting_on),
            tuple(
                HeldLine(line.account, document.currency, line.amount_minor, line.tax_code)
                for document in item.documents
                for line in document.lines
            ),
        )
        for item in items
        if item.documents
    }


def settled(posting: Posting | None) -> TypeGuard[Posting]:
    """Whether a person said that the entry is booked; under which number, the posting says."""
    return posting is not None and posting.settled and posting.state is JournalState.RECORDED


async def exported_later(
    company: Company, job_id: str, numbers: Mapping[str, str], *, jobs_max: int = LATER_JOBS_MAX
) -> dict[str, str]:
    """Give the job, seen after this one, that exported an entry under its number; `numbers` and jobs by entry id.

    At most `jobs_max` jobs are asked, the newest first.

    Repeat: safe; reads only.
    Raises:
        DatabaseUnusable: the database does not answer.
    """
    history, found = History(company.journal.connections), dict[str, str]()
    before, asked = None, 0
    while asked < jobs_max and len(found) < len(numbers):
        jobs = await history.jobs(company_id=company.company_id, before=before, limit=_JOBS_AT_ONCE)
        for job in jobs:
            if job.job_id == job_id:
                return found
            for item in await history.items_of(job.job_id, list(numbers)):
                if item.reason is None and item.external_id == numbers[item.entry_id]:
                    found[item.entry_id] = job.job_id
        if len(jobs) < _JOBS_AT_ONCE:
            break
        before, asked = (jobs[-1].first_seen_at, jobs[-1].job_id), asked + len(jobs)
    return found


async def read_back(company: Company, keys: Sequence[EntryKey]) -> dict[EntryKey, Held]:
    """Ask the books what they hold of entries now; nothing of books that do not say.

    Repeat: safe; reads only.
    Raises:
        AccountingError: the books did not answer.
    """
    if not company.books.capabilities.reads_back:
        return {}
    books, size = cast("ReadableSystem", company.books), company.books.capabilities.batch_size
    found: dict[EntryKey, Held] = {}
    for start in range(0, len(keys), size):
        found |= await books.read_back(keys[start : start + size])
    return found


def altered(expected: Held, there: Held) -> str:
    """Say in what the books differ from what was exported; empty if in nothing."""
    if expected.posting_on != there.posting_on:
        return f"it was exported for {expected.posting_on}, and the books have it on {there.posting_on}"
    ours, theirs = (_totals(each.lines, with_tax_codes=there.tells_tax_codes) for each in (expected, there))
    wrong = [place for place in sorted({*ours, *theirs}) if ours[place] != theirs[place]]
    named = [_said(place, ours[place], theirs[place]) for place in wrong[:_NAMED_MAX]]
    more = f" and {len(wrong) - _NAMED_MAX} more" if len(wrong) > _NAMED_MAX else ""
    return "; ".join(named) + more


def _totals(lines: Iterable[HeldLine], *, with_tax_codes: bool) -> Counter[tuple[str, str, str]]:
    totals: Counter[tuple[str, str, str]] = Counter()
    for line in lines:
        totals[line.account, line.currency, (line.tax_code or "") if with_tax_codes else ""] += line.amount_minor
    return totals


def _said(place: tuple[str, str, str], ours_minor: int, theirs_minor: int) -> str:
    account, currency, tax_code = place
    of = f"account {account}" + (f", tax code {tax_code}" if tax_code else "")
    return f"{of}: exported {decimal_text(ours_minor, currency)}, in the books {decimal_text(theirs_minor, currency)}"
