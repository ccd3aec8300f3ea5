"""Pleo's wire shapes: the only place, but for the sandbox, where Pleo's JSON names appear.

Unknown fields are kept (`model_extra`) and unknown values of open enumerations stay plain strings, because Pleo's
definition leaves both open. Fields the definition calls required but its guides show as null accept null.

Source: contract/pleo-export-v3.openapi.yaml.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel


class JobStatus(StrEnum):
    """Where an export job stands."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"


FINAL_JOB_STATUSES = frozenset({JobStatus.FAILED, JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS})


class JobEvent(StrEnum):
    """What moves an export job on."""

    STARTED = "started"
    FAILED = "failed"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"


class JobFailureReason(StrEnum):
    """Why a job as a whole failed (15 values)."""

    INVALID_CONFIGURATION = "invalid_configuration"
    MISSING_CONFIGURATION = "missing_configuration"
    AUTHENTICATION_FAILURE = "authentication_failure"
    ACCOUNTING_SYSTEM_AUTHENTICATION_FAILURE = "accounting_system_authentication_failure"
    PLEO_RATE_LIMIT = "pleo_rate_limit"
    ACCOUNTING_SYSTEM_RATE_LIMIT = "accounting_system_rate_limit"
    SERVICE_UNREACHABLE = "service_unreachable"
    ACCOUNTING_SYSTEM_UNREACHABLE = "accounting_system_unreachable"
    VALIDATION_FAILURE = "validation_failure"
    AUTHORIZATION_FAILURE = "authorization_failure"
    INTEGRATION_UNUSABLE = "integration_unusable"
    JOB_EXPIRED = "job_expired"
    SERVICE_TIMEOUT = "service_timeout"
    ACCOUNTING_SYSTEM_TIMEOUT = "accounting_system_timeout"
    CANCELED_BY_USER = "canceled_by_user"


class ItemStatus(StrEnum):
    """Where one item of a job stands."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    SUCCESSFUL = "successful"
    ABANDONED = "abandoned"


FINAL_ITEM_STATUSES = frozenset({ItemStatus.FAILED, ItemStatus.SUCCESSFUL, ItemStatus.ABANDONED})


class ItemFailureReason(StrEnum):
    """Why one item failed (18 values)."""

    RECEIPT_UPLOAD_FAILURE = "receipt_upload_failure"
    RECEIPT_DOWNLOAD_FAILURE = "receipt_download_failure"
    RECEIPT_FILE_SIZE_LIMIT_EXCEEDED = "receipt_file_size_limit_exceeded"
    RECEIPT_CONVERSION_FAILURE = "receipt_conversion_failure"
    UNEXPECTED_FAILURE = "unexpected_failure"
    INVALID_CONFIGURATION = "invalid_configuration"
    MISSING_CONFIGURATION = "missing_configuration"
    ACCOUNTING_SYSTEM_AUTHENTICATION_FAILURE = "accounting_system_authentication_failure"
    ACCOUNTING_SYSTEM_RATE_LIMIT = "accounting_system_rate_limit"
    ACCOUNTING_SYSTEM_UNREACHABLE = "accounting_system_unreachable"
    VALIDATION_FAILURE = "validation_failure"
    ACCOUNTING_SYSTEM_VALIDATION_FAILURE = "accounting_system_validation_failure"
    AUTHORIZATION_FAILURE = "authorization_failure"
    ACCOUNTING_SYSTEM_TIMEOUT = "accounting_system_timeout"
    VENDOR_UNKNOWN = "vendor_unknown"
    ACCOUNT_UNKNOWN = "account_unknown"
    TAX_CODE_UNKNOWN = "tax_code_unknown"
    TAG_UNKNOWN = "tag_unknown"


class ItemType(StrEnum):
    """What happened (17 values)."""

    CARD_PURCHASE = "card_purchase"
    CARD_INVOICE = "card_invoice"
    OUT_OF_POCKET = "out_of_pocket"
    MILEAGE = "mileage"
    PER_DIEM = "per_diem"
    EXTERNAL_REIMBURSEMENT = "external_reimbursement"
    DIRECT_REIMBURSEMENT = "direct_reimbursement"
    INVOICE = "invoice"
    INVOICE_PAYMENT = "invoice_payment"
    CHARGEBACK = "chargeback"
    REFUND = "refund"
    CASHBACK = "cashback"
    ATM_WITHDRAWAL = "atm_withdrawal"
    WALLET_TOPUP = "wallet_topup"
    WALLET_UNLOAD = "wallet_unload"
    PERSONAL_SPEND = "personal_spend"
    FEE = "fee"


class ItemSubType(StrEnum):
    """Which kind of it (6 values)."""

    REIMBURSEMENT_TO_EMPLOYEE_REFUND = "reimbursement_to_employee_refund"
    REIMBURSEMENT_TO_COMPANY = "reimbursement_to_company"
    REIMBURSEMENT_TO_EMPLOYEE = "reimbursement_to_employee"
    INVOICE_PAYMENT_RETURNED = "invoice_payment_returned"
    INVOICE_PAYMENT_SENT = "invoice_payment_sent"
    INTEREST = "interest"


class TaxType(StrEnum):
    """How tax relates to the net amount; mind that Pleo's `inclusive` net contains the tax."""

    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"
    REVERSE = "reverse"


class BookkeepingMethod(StrEnum):
    """What Pleo asks the entry to be booked as."""

    NONE = "none"
    JOURNAL = "journal"
    ACCOUNTS_PAYABLE = "accounts_payable"


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def _lower_uuid(value: str) -> str:
    # Pleo's guides show mixed case for ids that its answers give in lower case (PLEO facts 11, number 51).
    lower = value.lower()
    if not _UUID.match(lower):
        raise ValueError("is no UUID")
    return lower


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _day(value: Any) -> Any:
    # Invoice dates are declared date-time with a date-only template: both are read.
    return value[:10] if isinstance(value, str) else value


Uuid = Annotated[str, AfterValidator(_lower_uuid)]
Instant = Annotated[datetime, AfterValidator(_utc)]
Day = Annotated[date, BeforeValidator(_day)]

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

    accounting_entry_id: Uuid
    status: ItemStatus
    external_id: str | None = None
    external_url: str | None = None
    exported_at: str | None = None  # YYYY-MM-DDTHH:MM:SSZ
    failure_reason: str | None = None
    failure_reason_type: ItemFailureReason | None = None


class ItemUpdateError(Wire):
    """An item Pleo did not update although the call as a whole succeeded."""

    accounting_entry_id: Uuid
    message: str = ""
    type: str


class ItemUpdateAnswer(Wire):
    """The 200 of an item update: it may be partial."""

    data: tuple[ExportJobItem, ...]
    errors: tuple[ItemUpdateError, ...]


class PleoMoney(Wire):
    """`value` is the JSON number exactly as parsed: int, or Decimal where the text had a point."""

    currency: str
    value: Any


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
    rate: Any
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
