"""Pleo's values in a bookkeeper's words. A value that is new to us is shown as it came."""

from typing import Final
from urllib.parse import urlsplit

from tallybook.sandbox.jobs import Job
from tallybook.sandbox.rules import FINAL_JOB_STATUSES, ItemFailureReason, ItemStatus, JobFailureReason, JobStatus

_JOB_STATUS: Final = {
    JobStatus.PENDING: "Waiting to be started",
    JobStatus.IN_PROGRESS: "Exporting",
    JobStatus.COMPLETED: "Completed",
    JobStatus.COMPLETED_WITH_ERRORS: "Completed with errors",
    JobStatus.FAILED: "Failed",
}
_ITEM_STATUS: Final = {
    ItemStatus.PENDING: "Waiting",
    ItemStatus.IN_PROGRESS: "In progress",
    ItemStatus.SUCCESSFUL: "Exported",
    ItemStatus.FAILED: "Failed",
    ItemStatus.ABANDONED: "Not exported",
}
NOT_YET: Final = "The result is shown when the export has ended"

_SETTINGS: Final = "the settings of the accounting integration; on the expense there is nothing to mend"
_SYSTEM: Final = "the accounting system itself; export again when it can be reached"
_RECEIPT: Final = "the receipt: it has to be a file the accounting system takes"
WHERE_TO_MEND: Final = {
    ItemFailureReason.ACCOUNT_UNKNOWN: "the category: choose one whose account the books have",
    ItemFailureReason.TAX_CODE_UNKNOWN: "the tax code: choose one that the books have",
    ItemFailureReason.TAG_UNKNOWN: "the tag: choose one that the books have",
    ItemFailureReason.VENDOR_UNKNOWN: "the vendor: choose one that the books have, and that is not blocked there",
    ItemFailureReason.MISSING_CONFIGURATION: "the category, if a line has none; else the integration's settings",
    ItemFailureReason.INVALID_CONFIGURATION: "what the reason names: category, tax code or tag; else the settings",
    ItemFailureReason.VALIDATION_FAILURE: "what the reason names; a date in a closed period is mended by another date",
    ItemFailureReason.ACCOUNTING_SYSTEM_VALIDATION_FAILURE: (
        "what the reason names; a date in a closed period is mended by another date"
    ),
    ItemFailureReason.RECEIPT_UPLOAD_FAILURE: _RECEIPT,
    ItemFailureReason.RECEIPT_DOWNLOAD_FAILURE: _RECEIPT,
    ItemFailureReason.RECEIPT_FILE_SIZE_LIMIT_EXCEEDED: _RECEIPT,
    ItemFailureReason.RECEIPT_CONVERSION_FAILURE: _RECEIPT,
    ItemFailureReason.ACCOUNTING_SYSTEM_UNREACHABLE: _SYSTEM,
    ItemFailureReason.ACCOUNTING_SYSTEM_TIMEOUT: _SYSTEM,
    ItemFailureReason.ACCOUNTING_SYSTEM_RATE_LIMIT: _SYSTEM,
    ItemFailureReason.ACCOUNTING_SYSTEM_AUTHENTICATION_FAILURE: _SETTINGS,
    ItemFailureReason.AUTHORIZATION_FAILURE: _SETTINGS,
    ItemFailureReason.UNEXPECTED_FAILURE: "nothing you can reach: tell whoever runs the accounting integration",
}


def job_status(job: Job) -> str:
    """Say how far a job has come; only its events decide."""
    if job.failure_reason_type == JobFailureReason.JOB_EXPIRED:
        return "Expired"
    if job.failure_reason_type == JobFailureReason.CANCELED_BY_USER:
        return "Cancelled"
    return _JOB_STATUS[job.status]


def item_status(status: str, *, job_ended: bool) -> str:
    """Say how far an expense has come in a job; its result only once the job has ended."""
    if not job_ended and status not in {ItemStatus.PENDING, ItemStatus.IN_PROGRESS}:
        return NOT_YET
    return _ITEM_STATUS[ItemStatus(status)]


def has_ended(job: Job) -> bool:
    """Whether a job had its final event, or expired."""
    return job.status in FINAL_JOB_STATUSES


def where_to_mend(status: str, reason_type: str | None) -> str:
    """Say where a bookkeeper mends what kept an expense from being exported."""
    if status == ItemStatus.ABANDONED and not reason_type:
        return "nothing: the export ended before this expense's turn; export it again"
    try:
        return WHERE_TO_MEND[ItemFailureReason(reason_type or "")]
    except ValueError:
        return "what the reason names"


def named(value: str) -> str:
    """Write one of Pleo's values as words: `card_purchase` as "Card purchase"."""
    return value.replace("_", " ").capitalize()


def web_link(url: str | None) -> str | None:
    """Give back an address that may be followed: http or https, with a host; None for any other."""
    if not url or not url.isprintable() or " " in url:
        return None
    try:
        where = urlsplit(url)
    except ValueError:
        return None
    return url if where.scheme in {"http", "https"} and where.hostname else None
