"""The life of an export job and of its items: which move is legal. Pure, no storage, no HTTP.

Source: the definition's schemas and status codes; what it leaves open is listed in docs/sandbox.md.
"""

from enum import StrEnum
from typing import Final

EXPIRES_IN_S: Final = 3600  # guide: a job expires one hour after its last update
ITEMS_PER_UPDATE_MAX: Final = 100  # definition: 413 above


class Profile(StrEnum):
    """Which of Pleo's two texts decides where they differ."""

    REFERENCE = "reference"  # the definition: `jobId` is required in an event; absent reasons are left out
    GUIDE = "guide"  # the guide: `exportJobId` alone will do; absent reasons are null, as in its samples


class JobStatus(StrEnum):
    """ExportJobStatus."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"


class JobEvent(StrEnum):
    """ExportJobEventType."""

    STARTED = "started"
    FAILED = "failed"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"


class JobFailureReason(StrEnum):
    """ExportJobFailureReasonType: why a job as a whole failed (15 values)."""

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
    """ExportJobItemStatus."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    SUCCESSFUL = "successful"
    ABANDONED = "abandoned"


class ItemFailureReason(StrEnum):
    """ExportJobItemFailureReasonType: why a single item failed (18 values)."""

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


class ItemUpdateError(StrEnum):
    """ExportJobItemUpdateErrorType: why one element of an update was not taken."""

    ACCOUNTING_ENTRY_DOES_NOT_EXIST = "ACCOUNTING_ENTRY_DOES_NOT_EXIST"
    EXPORT_ENTRY_STATUS_UPDATE_FAILED = "EXPORT_ENTRY_STATUS_UPDATE_FAILED"
    ACCOUNTING_ENTRY_UPDATE_FAILED = "ACCOUNTING_ENTRY_UPDATE_FAILED"


class Lane(StrEnum):
    """The three lanes of Pleo's export page."""

    UNEXPORTED = "unexported"
    QUEUE = "queue"
    EXPORTED = "exported"


FINAL_JOB_STATUSES: Final = frozenset({JobStatus.FAILED, JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS})
FINAL_ITEM_STATUSES: Final = frozenset({ItemStatus.FAILED, ItemStatus.SUCCESSFUL, ItemStatus.ABANDONED})

_MOVES: Final = {
    (JobStatus.PENDING, JobEvent.STARTED): JobStatus.IN_PROGRESS,
    # Open in the definition: a job may be refused before it was started, as the older guide's readiness checks did.
    (JobStatus.PENDING, JobEvent.FAILED): JobStatus.FAILED,
    (JobStatus.IN_PROGRESS, JobEvent.FAILED): JobStatus.FAILED,
    (JobStatus.IN_PROGRESS, JobEvent.COMPLETED): JobStatus.COMPLETED,
    (JobStatus.IN_PROGRESS, JobEvent.COMPLETED_WITH_ERRORS): JobStatus.COMPLETED_WITH_ERRORS,
}


def status_after(status: JobStatus, event: JobEvent) -> JobStatus | None:
    """Where an event takes a job; None when the move is illegal (422 INVALID_EXPORT_JOB_STATUS_CHANGE)."""
    return _MOVES.get((status, event))


def item_may_become(present: ItemStatus, wanted: ItemStatus) -> bool:
    """Whether an item of a running job may change so; a final status stands, and saying it again is accepted."""
    return present == wanted or present not in FINAL_ITEM_STATUSES
