"""Jobs, items, events and pages on the wire: what bodies must look like, and what /openapi.json says of the answers.

Request models also read: strictly, since a sandbox that forgives teaches nothing. Answers are written from stored
text by `wire`; a test holds them to these models. Source: definition, components/schemas.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

from tallybook.sandbox.paging import PageOrder
from tallybook.sandbox.rules import (
    ItemFailureReason,
    ItemStatus,
    ItemUpdateError,
    JobEvent,
    JobFailureReason,
    JobStatus,
)

UUID_PATTERN: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)  # RFC 3339, as `format: date-time`


def refuse_null(value: Any) -> Any:
    """Refuse null for what is optional and not nullable.

    Raises:
        ValueError: it is null.
    """
    if value is None:
        raise ValueError("must not be null; leave it out instead")
    return value


def _utc_text(value: str) -> str:
    if not _DATE_TIME.fullmatch(value):
        raise ValueError("must be a date-time such as 2026-03-01T09:30:00Z")
    try:
        # fromisoformat takes six digits of a fraction; Pleo's own template has none.
        whole_seconds = re.sub(r"\.\d+", "", value.upper())
        return datetime.fromisoformat(whole_seconds).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except (ValueError, OverflowError):
        raise ValueError("must be a date-time of the calendar") from None


def _known(values: type[Any]) -> dict[str, Any]:
    return {"x-known-values": [value.value for value in values]}


UuidText = Annotated[
    str,
    StringConstraints(pattern=UUID_PATTERN),
    AfterValidator(str.lower),
    WithJsonSchema({"type": "string", "format": "uuid"}),
]
# Optional but not nullable, as the definition has it: absent, or a value.
OptionalText = Annotated[str | None, BeforeValidator(refuse_null), WithJsonSchema({"type": "string"})]
OptionalUuid = Annotated[
    UuidText | None, BeforeValidator(refuse_null), WithJsonSchema({"type": "string", "format": "uuid"})
]
OptionalInstant = Annotated[
    Annotated[str, AfterValidator(_utc_text)] | None,
    BeforeValidator(refuse_null),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
DateTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Count32 = Annotated[int, WithJsonSchema({"type": "integer", "format": "int32"})]
Count64 = Annotated[int, WithJsonSchema({"type": "integer", "format": "int64"})]


class Wire(BaseModel):
    """JSON names in camel case, nothing converted, unknown members ignored."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="ignore", frozen=True)


class ExceptionInfo(Wire):
    """Why a request was turned down."""

    type: str
    message: str


# ---- requests ---------------------------------------------------------------------------------------------------


class Options(Wire):
    """Options of a new job."""

    vendor_based_bookkeeping: bool | None = False


class CreateExportJob(Wire):
    """The entries to export."""

    accounting_entry_ids: list[UuidText]
    company_id: UuidText
    employee_id: UuidText | None = None
    is_interactive: bool | None = True
    options: Options | None = None


class CreateExportJobEvent(Wire):
    """A move of a job, as the definition has it: `jobId` is required. `exportJobId` must agree when given."""

    event: JobEvent
    job_id: UuidText
    export_job_id: OptionalUuid = None
    failure_reason: OptionalText = None
    failure_reason_type: Annotated[
        JobFailureReason | None,
        BeforeValidator(refuse_null),
        WithJsonSchema({"type": "string", "enum": [reason.value for reason in JobFailureReason]}),
    ] = None


class CreateExportJobEventOfTheGuide(CreateExportJobEvent):
    """A move of a job, as the guide has it: `jobId`, `exportJobId` or both."""

    job_id: OptionalUuid = None  # type: ignore[assignment]


class UpdateExportJobItemV3(Wire):
    """The result of one entry."""

    accounting_entry_id: UuidText
    status: ItemStatus
    exported_at: OptionalInstant = None
    external_id: OptionalText = None
    external_url: OptionalText = None
    failure_reason: OptionalText = None
    failure_reason_type: Annotated[
        ItemFailureReason | None,
        BeforeValidator(refuse_null),
        WithJsonSchema({"type": "string", "enum": [reason.value for reason in ItemFailureReason]}),
    ] = None


# ---- answers ----------------------------------------------------------------------------------------------------


class ExportJobV3(Wire):
    """An export job."""

    company_id: UuidText
    completed_at: DateTime | None = None
    created_at: DateTime
    created_by: UuidText | None = None
    expired_at: DateTime | None = None
    expires_in: Count32 = Field(description="Lifetime in seconds, counted from `lastUpdatedAt`.")
    failure_reason: str | None = None
    failure_reason_type: str | None = Field(default=None, json_schema_extra=_known(JobFailureReason))
    id: UuidText
    is_interactive: bool
    last_updated_at: DateTime | None = None
    number_of_items: int
    started_at: DateTime | None = None
    status: str = Field(json_schema_extra=_known(JobStatus))
    vendor_based_bookkeeping: bool


class ExportJobItemV3(Wire):
    """How far one entry has come."""

    accounting_entry_id: UuidText
    export_job_id: UuidText
    exported_at: DateTime | None = None
    external_id: str | None = None
    external_url: str | None = None
    failure_reason: str | None = None
    failure_reason_type: str | None = Field(default=None, json_schema_extra=_known(ItemFailureReason))
    status: str = Field(json_schema_extra=_known(ItemStatus))


class ExportJobItemUpdateErrorV3(Wire):
    """An entry that was not updated."""

    accounting_entry_id: UuidText
    message: str
    type: str = Field(json_schema_extra=_known(ItemUpdateError))


class ExportJobItemUpdateV3(Wire):
    """What became of an update: the items taken, and the others with their reason."""

    data: list[ExportJobItemV3]
    errors: list[ExportJobItemUpdateErrorV3]


class CursorPageCurrentRequestInfo(Wire):
    """The paging of this request as it was understood; `limit` is the one applied."""

    after: OptionalText = None
    before: OptionalText = None
    limit: Count32
    offset: Annotated[int | None, WithJsonSchema({"type": "integer", "format": "int64"})] = None
    parameters: dict[str, list[str]]
    sorting_keys: list[str]
    sorting_order: list[PageOrder]


class CursorPageInfo(Wire):
    """Where this page stands."""

    current_request_pagination: CursorPageCurrentRequestInfo
    end_cursor: OptionalText = None
    has_next_page: bool
    has_previous_page: bool
    start_cursor: OptionalText = None
    total: Count64


class DataResponseExportJobV3(Wire):
    """One job."""

    data: ExportJobV3


class DataResponseExportJobItemV3(Wire):
    """One item."""

    data: ExportJobItemV3


class CursorPaginatedResponseExportJobV3(Wire):
    """A page of jobs."""

    data: list[ExportJobV3]
    pagination: CursorPageInfo


class CursorPaginatedResponseExportJobItemV3(Wire):
    """A page of items."""

    data: list[ExportJobItemV3]
    pagination: CursorPageInfo
