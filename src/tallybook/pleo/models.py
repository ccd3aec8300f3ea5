"""Pleo's wire shapes: the only place, but for the sandbox, where Pleo's JSON names appear.

Unknown fields are kept (`model_extra`) and unknown values of open enumerations stay plain strings, because Pleo's
definition leaves both open. Fields the definition calls required but its guides show as null accept null.

Source: contract/pleo-export-v3.openapi.yaml.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic.alias_generators import to_camel

from tallybook.pleo.vocabulary import (
    FINAL_ITEM_STATUSES,
    FINAL_JOB_STATUSES,
    BookkeepingMethod,
    ItemFailureReason,
    ItemStatus,
    ItemSubType,
    ItemType,
    JobEvent,
    JobFailureReason,
    JobStatus,
    TaxType,
)

__all__ = [
    "FINAL_ITEM_STATUSES",
    "FINAL_JOB_STATUSES",
    "AdditionalInformation",
    "Amount",
    "Bookkeeping",
    "BookkeepingMethod",
    "Day",
    "ErrorBody",
    "Exact",
    "ExportItem",
    "ExportJob",
    "ExportJobItem",
    "Instant",
    "InvoiceInformation",
    "ItemFailureReason",
    "ItemFile",
    "ItemLine",
    "ItemStatus",
    "ItemSubType",
    "ItemType",
    "ItemUpdate",
    "ItemUpdateAnswer",
    "ItemUpdateError",
    "ItemVendor",
    "JobEvent",
    "JobFailureReason",
    "JobStatus",
    "JsonObject",
    "LedgerAccount",
    "NamedCode",
    "Open",
    "Page",
    "PageInfo",
    "PleoMoney",
    "ServicePeriod",
    "SortOrder",
    "Supplier",
    "Tag",
    "Tax",
    "TaxType",
    "UnreadableItem",
    "Uuid",
    "Wire",
]

_TO_THE_SECOND = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"  # YYYY-MM-DDTHH:MM:SSZ, as the definition's template has it
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def is_uuid(value: str) -> bool:
    """Tell whether a text is a UUID, in whatever case."""
    return bool(_UUID.match(value.lower()))


def _lower_uuid(value: str) -> str:
    # Pleo's guides show mixed case for ids that its answers give in lower case.
    lower = value.lower()
    if not _UUID.match(lower):
        raise ValueError("is no UUID")
    return lower


def _utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:  # the first or last day Python knows, moved by an offset
        raise ValueError("is out of range") from None


def _day(value: Any) -> Any:
    # Invoice dates are declared date-time with a date-only template: both are read.
    return value[:10] if isinstance(value, str) else value


def _exact(value: Any) -> int | Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("is no number")  # noqa: TRY004 - pydantic collects ValueErrors only
    if isinstance(value, int):
        return value
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    # A parsed exponent may be anything: turning 1E+999999999 into an integer would never end.
    if not exact.is_finite() or abs(exact.adjusted()) > NUMBER_DIGITS_MAX:
        raise ValueError("is no number of a reasonable size")
    return exact


# Beyond any amount of money; the definition names no limit.
NUMBER_DIGITS_MAX = 40

Uuid = Annotated[str, AfterValidator(_lower_uuid)]
Instant = Annotated[datetime, AfterValidator(_utc)]
Day = Annotated[date, BeforeValidator(_day)]
Exact = Annotated[int | Decimal, PlainValidator(_exact)]  # the JSON number as it came, never rounded

_OpenEnum = TypeVar("_OpenEnum", bound=StrEnum)
Open = Annotated[_OpenEnum | str, Field(union_mode="left_to_right")]  # known member, or Pleo's new word as it came


class Wire(BaseModel):
    """A JSON object of Pleo's: camelCase outside, snake_case here, unknown fields kept."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)


class ErrorBody(Wire):
    """What Pleo says with a status of 400 and above."""

    type: str
    message: str = ""


class ExportJob(Wire):
    """A batch of accounting entries somebody sent to the accounting system."""

    id: Uuid
    company_id: Uuid
    status: Open[JobStatus]
    number_of_items: int
    created_at: Instant
    expires_in: int  # seconds, counted from last_updated_at
    is_interactive: bool = True
    vendor_based_bookkeeping: bool = False
    created_by: str | None = None
    started_at: Instant | None = None
    completed_at: Instant | None = None
    expired_at: Instant | None = None
    last_updated_at: Instant | None = None
    failure_reason: str | None = None
    failure_reason_type: Open[JobFailureReason] | None = None


class ExportJobItem(Wire):
    """The progress of one accounting entry within a job."""

    accounting_entry_id: Uuid
    export_job_id: Uuid
    status: Open[ItemStatus]
    external_id: str | None = None
    external_url: str | None = None
    exported_at: Instant | None = None
    failure_reason: str | None = None
    failure_reason_type: Open[ItemFailureReason] | None = None


class ItemUpdate(Wire):
    """What we report about one item; unset fields are not sent."""

    # A misspelt field would otherwise travel to Pleo as an unknown one.
    model_config = ConfigDict(extra="forbid")

    accounting_entry_id: Uuid
    status: ItemStatus
    external_id: str | None = None
    external_url: str | None = None
    exported_at: Annotated[str, Field(pattern=_TO_THE_SECOND)] | None = None
    failure_reason: str | None = None
    failure_reason_type: ItemFailureReason | None = None


class ItemUpdateError(Wire):
    """An item Pleo did not update although the call as a whole succeeded."""

    accounting_entry_id: Uuid
    message: str = ""
    type: str


class ItemUpdateAnswer(Wire):
    """The 200 of an item update: it may be partial. An item is acknowledged only if it is in `data`."""

    data: tuple[ExportJobItem, ...]
    errors: tuple[ItemUpdateError, ...] = ()


class PleoMoney(Wire):
    """`value` is the JSON number exactly as it came: int, or Decimal where the text had a point or an exponent."""

    currency: str
    value: Exact


class Amount(Wire):
    """One amount in the supplier's currency and in the wallet's."""

    in_supplier_currency: PleoMoney
    in_wallet_currency: PleoMoney


class LedgerAccount(Wire):
    """An account as Pleo knows it: `code` is its number, `identifier` the accounting system's own id."""

    id: str
    name: str
    code: str | None = None
    identifier: str | None = None


class Tag(Wire):
    """A value of a dimension: its code and that of its group."""

    code: str
    group_code: str
    id: str


class Tax(Wire):
    """The tax of a line; `rate` is a fraction."""

    amount: Amount
    id: str
    rate: Exact
    type: Open[TaxType]
    code: str | None = None
    ingoing_tax_account: str | None = None
    outgoing_tax_account: str | None = None


class ItemLine(Wire):
    """One part of a split entry, or the whole of it."""

    accounting_entry_line_id: str
    line_amount: Amount
    net_amount: Amount
    account: LedgerAccount | None = None
    tags: tuple[Tag | None, ...] | None = None
    tax: Tax | None = None


class InvoiceInformation(Wire):
    """The invoice behind an entry."""

    invoice_date: Day
    invoice_number: str
    status: str
    due_date: Day | None = None
    payment_date: Day | None = None
    supplier_bank_account: dict[str, Any] | None = None


class AdditionalInformation(Wire):
    """References and details; `reconciliation_id` is Pleo's book id."""

    reconciliation_id: str
    attendees: tuple[str | None, ...] | None = None
    reconciled_entries: tuple[str | None, ...] | None = None
    invoice_information: InvoiceInformation | None = None


class Bookkeeping(Wire):
    """How Pleo wants the entry booked."""

    method: Open[BookkeepingMethod]


class ItemFile(Wire):
    """A receipt: a link that is valid for 24 hours after the item was read."""

    url: str
    type: str | None = None
    size: int | None = None


class ServicePeriod(Wire):
    """When the service was rendered: a hint for accruals, never a posting date."""

    from_: Instant = Field(alias="from")
    to: Instant


class Supplier(Wire):
    """The merchant as seen on the spend."""

    name: str | None = None
    code: str | None = None
    account: str | None = None
    category_code: str | None = None
    country: str | None = None
    tax_identifier: str | None = None


class NamedCode(Wire):
    """A person or a team."""

    id: str
    name: str
    code: str | None = None


class ItemVendor(Wire):
    """The vendor a bookkeeper chose for the entry."""

    id: str
    name: str
    default_currency: str | None = None
    code: str | None = None
    external_id: str | None = None
    country: str | None = None
    registration_number: str | None = None
    tax_registration_number: str | None = None


class ExportItem(Wire):
    """The accounting content of one entry."""

    accounting_entry_id: Uuid
    accounting_entry_lines: tuple[ItemLine, ...] = Field(min_length=1)
    additional_information: AdditionalInformation
    amount: Amount
    company_id: Uuid
    date: Instant
    type: Open[ItemType]
    sub_type: Open[ItemSubType] | None = None
    links: dict[str, Any] = Field(default_factory=dict, alias="_links")
    bookkeeping: Bookkeeping | None = None
    contra_account: LedgerAccount | None = None
    files: tuple[ItemFile | None, ...] | None = None
    note: str | None = None
    service_period: ServicePeriod | None = None
    supplier: Supplier | None = None
    team: NamedCode | None = None
    user: NamedCode | None = None
    vendor: ItemVendor | None = None


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """An export item of the wrong shape: the others of its page are read all the same.

    `problem` names the field and what is wrong with it; `accounting_entry_id` is None when even that is missing.
    """

    accounting_entry_id: str | None
    problem: str


class PageInfo(Wire):
    """Where a page stands; send `end_cursor` as `after` for the next one."""

    has_next_page: bool
    has_previous_page: bool = False
    start_cursor: str | None = None
    end_cursor: str | None = None
    total: int | None = None


_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """A page of rows and where it stands."""

    rows: tuple[_Row, ...]
    info: PageInfo


SortOrder = Literal["ASC", "ASC_NULLS_FIRST", "ASC_NULLS_LAST", "DESC", "DESC_NULLS_FIRST", "DESC_NULLS_LAST"]
JsonObject = Mapping[str, Any]
