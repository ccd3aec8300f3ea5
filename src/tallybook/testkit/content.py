"""What an accounting system holds, read back from the system itself, and how it differs from what it should hold."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from tallybook.accounting.entry import Attachment, DocumentKind, Entry, EntryKey, PostingState


class Facet(StrEnum):
    """A part of an entry that some accounting systems have no place for; accounts and amounts every one has."""

    DOCUMENT_KIND = "document kinds"
    VENDOR = "vendors"
    INVOICE_NUMBER = "invoice numbers"
    TAX_CODE = "tax codes"
    DIMENSIONS = "dimensions"
    CURRENCY = "currencies"
    STATE = "draft or posted"


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A line as the system holds it: debits positive, in minor units; `dimensions` are (group, code) pairs."""

    account: str
    amount_minor: int
    tax_code: str | None = None
    dimensions: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document as the system holds it. A facet the system does not keep may have any value."""

    kind: DocumentKind
    currency: str
    lines: tuple[HeldLine, ...]
    vendor: str | None = None
    invoice_number: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """An entry as the system holds it. `key` is None for something in the system that no key of ours leads to.

    `files` has the sha256 of each attached file's bytes, read back, in any order.
    """

    key: EntryKey | None
    posting_on: date
    documents: tuple[HeldDocument, ...]
    state: PostingState = PostingState.DRAFT
    files: tuple[str, ...] = ()


# (kind, currency, vendor, invoice number, account, tax code, dimensions), with None for what the system does not keep
_Place = tuple[
    DocumentKind | None, str | None, str | None, str | None, str, str | None, frozenset[tuple[str, str]] | None
]


def held_of(entry: Entry, state: PostingState, files: Iterable[Attachment] = ()) -> Held:
    """What a system that keeps everything holds of an entry."""
    return Held(
        key=entry.key,
        posting_on=entry.posting_on,
        documents=tuple(
            HeldDocument(
                kind=document.kind,
                currency=document.currency,
                lines=tuple(
                    HeldLine(
                        line.account,
                        line.amount_minor,
                        line.tax_code,
                        frozenset((dimension.group, dimension.code) for dimension in line.dimensions),
                    )
                    for line in document.lines
                ),
                vendor=document.vendor,
                invoice_number=document.invoice_number,
            )
            for document in entry.documents
        ),
        state=state,
        files=tuple(file.sha256 for file in files),
    )


def differences(wanted: Held, found: Held, not_kept: frozenset[Facet]) -> list[str]:
    """What is other than it should be, a sentence each; a system may merge lines that say the same of themselves."""
    problems: list[str] = []
    if wanted.posting_on != found.posting_on:
        problems.append(f"it is posted on {found.posting_on} instead of {wanted.posting_on}")
    if Facet.STATE not in not_kept and wanted.state is not found.state:
        problems.append(f"it is {found.state} instead of {wanted.state}")
    should, does = _amounts(wanted, not_kept), _amounts(found, not_kept)
    problems += [
        f"{_place_text(place)}: {does[place]} minor units instead of {should[place]}"
        for place in sorted({*should, *does}, key=repr)
        if should[place] != does[place]
    ]
    wanted_files, found_files = Counter(wanted.files), Counter(found.files)
    problems += [f"the file with sha256 {sha256} is missing" for sha256 in (wanted_files - found_files).elements()]
    problems += [f"there is a file too many, sha256 {sha256}" for sha256 in (found_files - wanted_files).elements()]
    return problems


def _amounts(held: Held, not_kept: frozenset[Facet]) -> Counter[_Place]:
    amounts: Counter[_Place] = Counter()
    for document in held.documents:
        for line in document.lines:
            place = (
                None if Facet.DOCUMENT_KIND in not_kept else document.kind,
                None if Facet.CURRENCY in not_kept else document.currency,
                None if Facet.VENDOR in not_kept else document.vendor,
                None if Facet.INVOICE_NUMBER in not_kept else document.invoice_number,
                line.account,
                None if Facet.TAX_CODE in not_kept else line.tax_code,
                None
                if Facet.DIMENSIONS in not_kept
                else frozenset((group.casefold(), code.casefold()) for group, code in line.dimensions),
            )
            amounts[place] += line.amount_minor
    return amounts


def _place_text(place: _Place) -> str:
    kind, currency, vendor, invoice_number, account, tax_code, dimensions = place
    parts = [f"account {account!r}", *(str(part) for part in (kind, currency) if part is not None)]
    parts += [f"vendor {vendor!r}"] if vendor is not None else []
    parts += [f"invoice {invoice_number!r}"] if invoice_number is not None else []
    parts += [f"tax code {tax_code!r}"] if tax_code is not None else []
    parts += [f"{group}={code}" for group, code in sorted(dimensions or ())]
    return ", ".join(parts)


def compare(
    before: Sequence[Held], now: Sequence[Held], wanted: Mapping[EntryKey, Held], not_kept: frozenset[Facet]
) -> list[str]:
    """Everything that is wrong with a system that should hold what it held before and `wanted` besides, each once."""
    problems = [f"something that was there before was changed or removed: {held}" for held in _minus(before, now)]
    new: dict[EntryKey, list[Held]] = {}
    for held in _minus(now, before):
        if held.key is None:
            problems.append(f"something is there that no key leads to: {held}")
        else:
            new.setdefault(held.key, []).append(held)
    for key, held in wanted.items():
        found = new.pop(key, [])
        if len(found) != 1:
            problems.append(f"the entry {key.entry_id} is in the books {len(found)} times instead of once")
        else:
            problems += [f"the entry {key.entry_id}: {it}" for it in differences(held, found[0], not_kept)]
    problems += [f"the entry {key.entry_id} is in the books, and should not be" for key in new]
    return problems


def _minus(these: Sequence[Held], those: Sequence[Held]) -> list[Held]:
    return list((Counter(these) - Counter(those)).elements())
