"""What was exported of entries, as the history of jobs kept it, against what the books hold of them now."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import TypeGuard, cast

from tallybook.accounting.entry import Dimension, DocumentKind, EntryKey, Held, HeldLine
from tallybook.accounting.system import ReadableSystem
from tallybook.history.history import History
from tallybook.history.job import Item
from tallybook.money import Money
from tallybook.postings.posting import JournalState, Posting
from tallybook.workflow import Company

LATER_JOBS_MAX = 500  # that are asked about an entry of one that failed
_JOBS_AT_ONCE = 50
_NAMED_MAX = 5  # accounts that differ, in one sentence
_Tags = tuple[tuple[str, str], ...]  # group and code, folded: books compare both without regard to case


class Aspect(StrEnum):
    """What of an entry can be compared beside day, accounts, currencies and amounts, if both sides say it."""

    TAX_CODES = "tax codes"
    TAGS = "tags"
    VENDOR = "vendor"
    RECEIPTS = "number of receipts"


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
                HeldLine(
                    line.account,
                    document.currency,
                    line.amount_minor,
                    line.tax_code,
                    tuple(Dimension(group, code) for group, code in line.dimensions),
                )
                for document in item.documents
                for line in document.lines
            ),
            tells_dimensions=True,
            vendors=_vendors(item),
            receipts=item.receipts,
        )
        for item in items
        if item.documents
    }


def _vendors(item: Item) -> frozenset[str] | None:
    """Give the vendors' codes, which older releases did not keep; a journal entry has none."""
    if any(each.vendor is None and each.kind != DocumentKind.JOURNAL_ENTRY for each in item.documents):
        return None
    return frozenset(each.vendor for each in item.documents if each.vendor)


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
    """Say in one sentence in what the books differ from what was exported; empty if in nothing.

    Receipts that somebody added are no difference; nor is what either side does not say.
    """
    told = []
    if expected.posting_on != there.posting_on:
        told.append(f"it was exported for {expected.posting_on}, and the books have it on {there.posting_on}")
    told += _lines_altered(expected, there)
    if expected.vendors is not None and there.vendors is not None and expected.vendors != there.vendors:
        told.append(f"vendor: exported {_codes(expected.vendors)}, in the books {_codes(there.vendors)}")
    if expected.receipts is not None and there.receipts is not None and there.receipts < expected.receipts:
        told.append(f"receipts: exported {expected.receipts}, in the books {there.receipts}")
    return "; ".join(told)


def uncompared(expected: Held, there: Held) -> frozenset[Aspect]:
    """Say which aspects of an exported entry `altered` cannot compare, since one of the sides does not say them."""
    untold = {
        Aspect.TAX_CODES: not there.tells_tax_codes and any(line.tax_code for line in expected.lines),
        Aspect.TAGS: not there.tells_dimensions and any(line.dimensions for line in expected.lines),
        Aspect.VENDOR: expected.vendors is None or (there.vendors is None and bool(expected.vendors)),
        Aspect.RECEIPTS: expected.receipts is None or (there.receipts is None and bool(expected.receipts)),
    }
    return frozenset(aspect for aspect, is_untold in untold.items() if is_untold)


def _lines_altered(expected: Held, there: Held) -> list[str]:
    ours, theirs = _totals(expected, there), _totals(there, there)
    wrong = [place for place in sorted({*ours, *theirs}) if _by_tags(ours[place]) != _by_tags(theirs[place])]
    spelled = {_folded(line): line.dimensions for each in (there, expected) for line in each.lines}
    named = [_said(place, ours[place], theirs[place], spelled) for place in wrong[:_NAMED_MAX]]
    return named + ([f"and {len(wrong) - _NAMED_MAX} more"] if len(wrong) > _NAMED_MAX else [])


def _totals(held: Held, there: Held) -> defaultdict[tuple[str, str, str], Counter[_Tags]]:
    """Add lines up by account, currency and tax code, and in each by tags, as far as the books tell them."""
    totals: defaultdict[tuple[str, str, str], Counter[_Tags]] = defaultdict(Counter)
    for line in held.lines:
        place = (line.account, line.currency, (line.tax_code or "") if there.tells_tax_codes else "")
        totals[place][_folded(line) if there.tells_dimensions else ()] += line.amount_minor
    return totals


def _by_tags(totals: Counter[_Tags]) -> dict[_Tags, int]:
    return {tags: amount for tags, amount in totals.items() if amount}


def _folded(line: HeldLine) -> _Tags:
    return tuple(sorted({(each.group.casefold(), each.code.casefold()) for each in line.dimensions}))


def _said(
    place: tuple[str, str, str],
    ours: Counter[_Tags],
    theirs: Counter[_Tags],
    spelled: Mapping[_Tags, Sequence[Dimension]],
) -> str:
    account, currency, tax_code = place
    of = f"account {account}" + (f", tax code {tax_code}" if tax_code else "")
    wrong = [tags for tags in sorted({*ours, *theirs}) if ours[tags] != theirs[tags]]
    if len(wrong) == 1:
        (tags,) = wrong
        of = ", ".join([of, *_named(spelled.get(tags, ()))])
        return f"{of}: exported {Money(ours[tags], currency)}, in the books {Money(theirs[tags], currency)}"

    def amounts(side: Counter[_Tags]) -> str:
        told = [
            f"{Money(side[tags], currency)} {'with ' if tags else 'without tags'}{', '.join(_named(spelled[tags]))}"
            for tags in wrong
            if side[tags]
        ]
        return " and ".join(told) or "nothing"

    return f"{of}: exported {amounts(ours)}, in the books {amounts(theirs)}"


def _named(tags: Sequence[Dimension]) -> list[str]:
    return [f"{each.group} {each.code}" for each in tags]


def _codes(vendors: Iterable[str]) -> str:
    return ", ".join(sorted(vendors)) or "none"
