"""The tie-out: what Pleo has of an export job against what the books hold now, read back from the books themselves.

Pleo shows no amounts of a job that is final. So Pleo's side are the lines that were made of its items when they were
exported, as the history of jobs kept them; where they were not kept, only existence, number and content hash are
compared, and the tie-out says so, as it does where the books do not say all that was exported.
"""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from tallybook.accounting.entry import EntryKey, Held, Recorded
from tallybook.comparison import Aspect, altered, exported_later, kept, read_back, settled, uncompared
from tallybook.errors import TallybookError
from tallybook.import_files.texts import cell
from tallybook.money import decimal_text
from tallybook.pleo.models import FINAL_ITEM_STATUSES, ExportJob, ExportJobItem, ItemStatus
from tallybook.postings.posting import JournalState, Posting
from tallybook.postings.writing import EntryWriter, Version
from tallybook.settings import OnChanged
from tallybook.workflow import Company

ITEMS_AT_ONCE = 100
_TEXT_LENGTH_MAX = 1000


class NotComparable(TallybookError):
    """These books cannot be asked what they hold."""


class Kind(StrEnum):
    """How books and Pleo differ about an entry."""

    MISSING = "missing"  # Pleo has it as exported, and it is not in the books under that number
    EXTRA = "extra"  # this job booked it, and Pleo has it as not exported
    ALTERED = "altered"  # the books hold something other than was exported
    REVERSED = "reversed"  # it was taken back in the books, and not booked again


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry about which books and Pleo differ; `external_id` is its number, if it has one."""

    entry_id: str
    kind: Kind
    external_id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know about an entry that is no difference."""

    entry_id: str
    text: str


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where amounts are added up: a month such as "2026-10", currency, account, and tax code, empty without one."""

    period: str
    currency: str
    account: str
    tax_code: str


@dataclass(frozen=True, slots=True)
class Sum:
    """What stands in one place, debits minus credits in minor units, by Pleo and by the books."""

    place: Place
    pleo_minor: int
    books_minor: int

    @property
    def difference_minor(self) -> int:
        """By how much the books have more."""
        return self.books_minor - self.pleo_minor

    def text(self, amount_minor: int) -> str:
        """Write an amount of this sum as a decimal."""
        return decimal_text(amount_minor, self.place.currency)


@dataclass(frozen=True, slots=True)
class TieOut:
    """What came of the comparison.

    `sums` are those of the `compared` entries; of `uncompared` ones, amounts are not known on both sides. `untold`
    counts the compared entries of which an aspect is not known on both sides. `unended` items have no result at Pleo
    yet. The books were read from `read_at` on.
    """

    job: ExportJob
    read_at: datetime
    sums: Sequence[Sum]
    differences: Sequence[Difference]
    remarks: Sequence[Remark]
    compared: int
    uncompared: int
    untold: Mapping[Aspect, int]
    unended: int
    reads_back: bool

    @property
    def ties_out(self) -> bool:
        """Whether no difference was found."""
        return not self.differences and not any(each.difference_minor for each in self.sums)

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to compare: of this job, nothing is in the books or should be."""
        return not (self.compared or self.uncompared or self.differences)


async def tie_out(company: Company, job_id: str) -> TieOut:
    """Compare one job, page by page.

    An entry that a later job corrected is compared as this job left it, since the books keep both.

    Repeat: safe; reads only.
    Raises:
        NotComparable: the books cannot be searched, or the job is another company's.
        PleoError: Pleo did not answer, or there is no such job.
        AccountingError: the books did not answer.
    """
    if not company.books.capabilities.can_find:
        raise NotComparable(
            "These books cannot be asked which entries they hold, so nothing can be compared; compare the entries of "
            f"`tallybook items {job_id}` with the books by hand"
        )
    job = await company.pleo.job(job_id)
    if job.company_id != company.company_id:
        raise NotComparable(f"Export job {job.id} is of company {job.company_id}, not of {company.company_id}")
    comparison = _Comparison(company, job, company.clock.now())
    async for items in _pages(company.pleo.job_items(job_id, page_size=company.page_size)):
        await comparison.add(items)
    return comparison.result()


async def _pages(items: AsyncIterator[ExportJobItem]) -> AsyncIterator[list[ExportJobItem]]:
    page: dict[str, ExportJobItem] = {}
    seen: set[str] = set()
    async for item in items:
        if item.accounting_entry_id not in seen:  # a list that shifts while it is paged may show an entry twice
            seen.add(item.accounting_entry_id)
            page[item.accounting_entry_id] = item
        if len(page) == ITEMS_AT_ONCE:
            yield list(page.values())
            page = {}
    if page:
        yield list(page.values())


@dataclass(slots=True)
class _Comparison:
    company: Company
    job: ExportJob
    read_at: datetime
    _pleo: Counter[Place] = field(default_factory=Counter)
    _books: Counter[Place] = field(default_factory=Counter)
    _differences: list[Difference] = field(default_factory=list)
    _remarks: list[Remark] = field(default_factory=list)
    _compared: int = 0
    _uncompared: int = 0
    _untold: Counter[Aspect] = field(default_factory=Counter)
    _unended: int = 0

    async def add(self, items: Sequence[ExportJobItem]) -> None:
        """Compare one page of items."""
        company = self.company
        by_key = {EntryKey(company.company_id, item.accounting_entry_id): item for item in items}
        writer = EntryWriter(
            company.books, company.journal, books=company.books_name, job_id=self.job.id, clock=company.clock
        )
        versions = await writer.versions(list(by_key))
        postings = await company.journal.read(list(by_key))
        ours = {key: _exported(versions.get(key, ()), item) for key, item in by_key.items()}
        known = [version for version in ours.values() if version is not None]
        held = await read_back(
            company,
            [each.key for version in known for each in (version.recorded, version.reversal) if each is not None],
        )
        expected = await self._expected(by_key, postings)
        extra: list[tuple[ExportJobItem, Version]] = []
        for key, item in by_key.items():
            version, posting = ours[key], postings.get(key)
            if item.status == ItemStatus.SUCCESSFUL:
                self._compare(item, version, versions.get(key, ()), posting, expected.get(key), held)
            elif item.status not in FINAL_ITEM_STATUSES:
                self._unended += 1
            elif version is not None and _booked_by(self.job, posting):
                extra.append((item, version))
        await self._extra([(item, version) for item, version in extra if version.reversal is None], held)

    async def _expected(
        self, items: Mapping[EntryKey, ExportJobItem], postings: Mapping[EntryKey, Posting]
    ) -> dict[EntryKey, Held]:
        """What was to be booked: kept by this job, or by the one that booked the entry which this one linked.

        That one's is this one's only if the entry was linked unchanged, and not corrected since.
        """
        found = await kept(self.company, self.job.id, [key.entry_id for key in items])
        elsewhere: dict[str, list[str]] = defaultdict(list)
        for key, item in items.items():
            posting = postings.get(key)
            if (
                key.entry_id not in found
                and posting is not None
                and posting.job_id != self.job.id
                and posting.external_id == item.external_id
                and self.company.on_changed is not OnChanged.LINK
            ):
                elsewhere[posting.job_id].append(key.entry_id)
        for job_id, entry_ids in elsewhere.items():
            found |= await kept(self.company, job_id, entry_ids)
        return {key: found[key.entry_id] for key in items if key.entry_id in found}

    def _compare(
        self,
        item: ExportJobItem,
        version: Version | None,
        versions: Sequence[Version],
        posting: Posting | None,
        expected: Held | None,
        held: Mapping[EntryKey, Held],
    ) -> None:
        entry_id, number = item.accounting_entry_id, item.external_id
        if version is None and settled(posting) and posting.external_id == number:
            self._uncompared += 1
            self._remarks.append(
                Remark(entry_id, f"a person said that it is booked as {number}; that cannot be read back")
            )
            return
        there = held.get(version.recorded.key) if version is not None else None
        if expected is not None and (there is not None or version is None):
            self._compared += 1
        else:
            self._uncompared += 1
            expected = None  # no side's amounts count where the other's are not known
        with_tax_codes = there is None or there.tells_tax_codes
        _add(self._pleo, expected, with_tax_codes=with_tax_codes)
        if version is None:
            instead = f"; they hold {versions[-1].recorded.external_id} for it" if versions else ""
            self._differ(item, Kind.MISSING, f"Pleo has it as {number}, which is not in the books{instead}")
            return
        _add(self._books, there if expected is not None else None)
        if version.reversal is not None:
            reversal = version.reversal.external_id
            if version is versions[-1]:
                _add(self._books, held.get(version.reversal.key) if expected is not None else None)
                self._differ(item, Kind.REVERSED, f"{number} was taken back by {reversal} and not booked again")
                return
            newer = versions[-1].recorded.external_id
            self._remarks.append(Remark(entry_id, f"{number} was replaced later by {newer}"))
        if expected is not None and there is not None:
            self._untold.update(uncompared(expected, there))
            if text := altered(expected, there):
                self._differ(item, Kind.ALTERED, text)
                return
        if _other_content(version.recorded, posting):
            self._differ(item, Kind.ALTERED, f"{number} is in the books with other content than was exported")

    async def _extra(self, booked: Sequence[tuple[ExportJobItem, Version]], held: Mapping[EntryKey, Held]) -> None:
        """Name failed items whose entries are in the books, unless a later job told Pleo of them."""
        numbers = {item.accounting_entry_id: version.recorded.external_id for item, version in booked}
        later = await exported_later(self.company, self.job.id, numbers) if numbers else {}
        for item, version in booked:
            entry_id, recorded = item.accounting_entry_id, version.recorded
            if (job_id := later.get(entry_id)) is not None:
                self._remarks.append(Remark(entry_id, f"{recorded.external_id} was exported later by job {job_id}"))
                continue
            _add(self._books, held.get(recorded.key))
            text = f"{recorded.external_id} is in the books, and Pleo has the item as {item.status}"
            self._differences.append(Difference(entry_id, Kind.EXTRA, recorded.external_id, text))

    def _differ(self, item: ExportJobItem, kind: Kind, text: str) -> None:
        self._differences.append(Difference(item.accounting_entry_id, kind, item.external_id, text))

    def result(self) -> TieOut:
        """Give what was found."""
        return TieOut(
            job=self.job,
            read_at=self.read_at,
            sums=[Sum(place, self._pleo[place], self._books[place]) for place in sorted({*self._pleo, *self._books})],
            differences=self._differences,
            remarks=self._remarks,
            compared=self._compared,
            uncompared=self._uncompared,
            untold=self._untold,
            unended=self._unended,
            reads_back=self.company.books.capabilities.reads_back,
        )


def _exported(versions: Sequence[Version], item: ExportJobItem) -> Version | None:
    """Find the version that Pleo knows by its number; of an item without one, the newest."""
    if item.status != ItemStatus.SUCCESSFUL:
        return versions[-1] if versions else None
    return next((each for each in versions if each.recorded.external_id == item.external_id), None)


def _booked_by(job: ExportJob, posting: Posting | None) -> bool:
    """Whether a failed item's entry was booked by this job: an earlier or a later job may have had better luck."""
    return posting is None or (posting.job_id == job.id and posting.state is not JournalState.UNDONE)


def _other_content(recorded: Recorded, posting: Posting | None) -> bool:
    if posting is None or posting.external_id != recorded.external_id:
        return False
    return posting.content_hash != recorded.content_hash


def _add(sums: Counter[Place], held: Held | None, *, with_tax_codes: bool = True) -> None:
    if held is None:
        return
    for line in held.lines:
        tax_code = (line.tax_code or "") if with_tax_codes else ""
        sums[Place(f"{held.posting_on:%Y-%m}", line.currency, line.account, tax_code)] += line.amount_minor


def sentences(found: TieOut) -> list[str]:
    """Say what came of the comparison, and what could not be compared."""
    told = []
    if found.compared:
        told.append(f"Amounts of {_counted(found.compared, 'entry', 'entries')} compared with the books.")
    if found.untold:
        aspects = ", ".join(
            f"{aspect} of {_counted(count, 'entry', 'entries')}" for aspect, count in sorted(found.untold.items())
        )
        told.append(f"Not compared: {aspects}; it was not kept when they were exported, or the books do not say it.")
    if found.uncompared:
        why = (
            "what was exported is not known here (exported before it was kept, from another machine, or longer ago "
            "than database.keep_days; linked by this job, and perhaps changed or corrected since; or booked by hand)"
            if found.reads_back
            else "these books do not say what they hold of an entry"
        )
        entries = _counted(found.uncompared, "entry", "entries")
        told.append(f"Amounts of {entries} could not be compared, only number and content hash: {why}.")
    if found.unended:
        told.append(f"{_counted(found.unended, 'item has', 'items have')} no result at Pleo yet.")
    told.append(_verdict(found))
    return told


def _verdict(found: TieOut) -> str:
    if found.is_empty:
        return "Nothing to compare: no entry of this job was exported."
    if not found.ties_out:
        differ = _counted(len(found.differences), "entry differs", "entries differ")
        kinds = Counter(each.kind for each in found.differences)
        of_each = ", ".join(f"{kinds[kind]} {kind}" for kind in Kind if kinds[kind])
        return f"Pleo and the books do not agree: {differ}" + (f" ({of_each})." if of_each else ".")
    as_far = ", as far as they could be compared" if found.uncompared or found.untold else ""
    return f"Pleo and the books agree{as_far}."


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


CSV_COLUMNS = (
    "record", "period", "currency", "account", "tax_code", "pleo", "books", "difference", "entry", "number", "text",
)  # fmt: skip


def csv_text(found: TieOut) -> str:
    """Write a tie-out as CSV: sums, differences, remarks, then what came of it and of which job; no text is a formula.

    Repeat: safe; the same tie-out gives the same text.
    """
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(CSV_COLUMNS)
    for each in found.sums:
        place = each.place
        amounts = [each.text(amount) for amount in (each.pleo_minor, each.books_minor, each.difference_minor)]
        where = [place.period, place.currency, _cell(place.account), _cell(place.tax_code)]
        rows.writerow(["sum", *where, *amounts, "", "", ""])
    for one in found.differences:
        rows.writerow([one.kind.value, *[""] * 7, one.entry_id, _cell(one.external_id or ""), _cell(one.text)])
    for remark in found.remarks:
        rows.writerow(["remark", *[""] * 7, remark.entry_id, "", _cell(remark.text)])
    for sentence in reversed(sentences(found)):
        rows.writerow(["result", *[""] * 9, _cell(sentence)])
    job, at = found.job, f"{found.read_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    of = f"Export job {job.id} of company {job.company_id}, {job.status.replace('_', ' ')}; books read at {at}"
    rows.writerow(["job", *[""] * 9, _cell(of)])
    return out.getvalue()


def _cell(text: str) -> str:
    return cell(text, "utf-8", _TEXT_LENGTH_MAX)
