"""What is recorded: entries made of balanced documents, their lines, and the files that belong to them."""

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

from tallybook.money import Money


@dataclass(frozen=True, slots=True, order=True)
class EntryKey:
    """Identity of an entry for ever: the company and the entry's id at its source, both lower-case UUIDs.

    Source: docs/decisions.md 19.
    """

    company_id: str
    entry_id: str


class DocumentKind(StrEnum):
    """What a document is to the accounting system."""

    JOURNAL_ENTRY = "journal_entry"
    BILL = "bill"  # we owe a vendor
    CREDIT_NOTE = "credit_note"  # a vendor owes us
    PAYMENT = "payment"  # money that settles a bill or a credit note


class LineRole(StrEnum):
    """Why a line is there; an adapter that computes tax itself needs to tell them apart."""

    COST = "cost"  # what was bought, on the account the item names
    TAX_IN = "tax_in"  # input tax, reclaimable
    TAX_OUT = "tax_out"  # output tax we owe ourselves under reverse charge
    COUNTER = "counter"  # wallet, out-of-pocket, payable: the other side


class PostingState(StrEnum):
    """Whether an entry may still be changed by a bookkeeper."""

    DRAFT = "draft"
    POSTED = "posted"


@dataclass(frozen=True, slots=True)
class Dimension:
    """A cost centre, project or the like: the code of the dimension and the code of the value in it."""

    group: str
    code: str


@dataclass(frozen=True, slots=True)
class Line:
    """One debit (positive) or credit (negative) on one account, in minor units of the document's currency."""

    account: str  # account code in the books
    amount_minor: int
    role: LineRole
    tax_code: str | None = None  # on cost lines: the code that applies; on tax lines: the code they come from
    tax_base_minor: int | None = None  # on tax lines: the amount the tax was computed on
    dimensions: tuple[Dimension, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One balanced document: the lines' `amount_minor` sum to zero.

    `vendor` is the vendor's code in the books; bills, credit notes and payments have one.
    `open_item_refs` ties documents together over time: a bill offers references, a payment names those it
    settles; same vendor, same currency and one reference in common make them counterparts.
    """

    kind: DocumentKind
    currency: str
    lines: tuple[Line, ...]
    vendor: str | None = None
    open_item_refs: tuple[str, ...] = ()
    invoice_number: str | None = None
    invoice_on: date | None = None
    due_on: date | None = None


@dataclass(frozen=True, slots=True)
class Details:
    """What a reader of the books may want to know and no rule depends on. Texts come from people: hostile.

    `sort` is the source's word for the kind of entry, such as "card_purchase"; `reference` its book id.
    """

    description: str
    reference: str
    sort: str
    sub_sort: str | None = None
    note: str | None = None
    supplier: str | None = None
    person: str | None = None
    person_code: str | None = None
    team: str | None = None
    team_code: str | None = None
    attendees: tuple[str, ...] = ()
    service_from_on: date | None = None
    service_to_on: date | None = None
    supplier_amount: Money | None = None  # set when it was paid in another currency than the wallet's
    reconciled_references: tuple[str, ...] = ()
    source_url: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything to record for one source entry, all of it or nothing, under one key.

    `content_hash` (sha256 hex of what the source sent) tells only whether the same entry changed later.
    `original_on` is the source's date; `posting_on` differs from it only when a closed period moved it.
    """

    key: EntryKey
    content_hash: str
    documents: tuple[Document, ...]
    posting_on: date
    original_on: date
    posting: PostingState
    details: Details
    replaces: str | None = None  # external id of the entry this one corrects, which is reversed


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file on disk that belongs to an entry; identity is (entry key, position, sha256 of what the source gave).

    `sha256` and `size_bytes` are those of the file as it lies there. `original_sha256` is set when that is not what the
    source gave: of a file that was converted, the original's; of files merged into one, that of all their sha256.

    Source: docs/decisions.md 21.
    """

    position: int  # 1 is the first file the source listed
    path: Path
    media_type: str  # by content, e.g. application/pdf
    sha256: str
    size_bytes: int
    original_sha256: str | None = None

    def is_among(self, attached: Container[tuple[int, str]]) -> bool:
        """Tell whether books that report these (position, sha256) have the file, as it is or as it was."""
        return any((self.position, sha256) in attached for sha256 in (self.sha256, self.original_sha256) if sha256)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry that is in the books."""

    key: EntryKey
    external_id: str
    recorded_at: datetime
    state: PostingState
    content_hash: str
    external_url: str | None = None
    attached: frozenset[tuple[int, str]] = field(default_factory=frozenset)  # (position, sha256)
    posting_on: date | None = None  # needed of systems that reverse


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One line as it stands in the books now: a debit (positive) or credit (negative) in minor units of `currency`."""

    account: str
    currency: str
    amount_minor: int
    tax_code: str | None = None
    dimensions: tuple[Dimension, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What the books hold of an entry now, the lines of all its documents together.

    Without `tells_tax_codes` no line has a tax code, though the books may reckon with one; likewise dimensions.
    `vendors` are the codes of its documents' vendors, `receipts` counts the files that were attached under a position
    of the source and are there still; None: the books do not say.
    """

    key: EntryKey
    posting_on: date
    lines: tuple[HeldLine, ...]
    tells_tax_codes: bool = True
    tells_dimensions: bool = False
    vendors: frozenset[str] | None = None
    receipts: int | None = None


@dataclass(frozen=True, slots=True)
class Reversal:
    """Takes a recorded entry back: the same documents with every amount turned around, under a key of its own.

    The books keep both, each naming the other. `replaced_by` is the key under which the corrected entry will come.
    """

    key: EntryKey
    of: Recorded
    posting_on: date
    replaced_by: EntryKey


def reversal_key(of: Recorded) -> EntryKey:
    """Give the key of an entry's reversal, always the same for the same entry."""
    return _derived(of, "reversal of")


def replacement_key(of: Recorded) -> EntryKey:
    """Give the key of the entry that corrects another, always the same for the same entry."""
    return _derived(of, "replaces")


def _derived(of: Recorded, what: str) -> EntryKey:
    name = f"{of.key.company_id} {of.key.entry_id} {what} {of.external_id}"
    return EntryKey(of.key.company_id, str(uuid5(NAMESPACE_OID, name)))
