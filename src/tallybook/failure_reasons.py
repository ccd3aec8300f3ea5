"""Which of Pleo's reasons each of our errors becomes: one total table, and nothing else decides it.

A job's reason and an item's reason are different sets at Pleo (15 and 18 values). An error that concerns the whole
accounting system has both; one that concerns a single entry has an item reason, and None for a job because a job
never fails for one entry. Errors about Pleo itself have neither where Pleo could not be told anyway.

Source: definition ExportJobFailureReasonType and ExportJobItemFailureReasonType; Pleo guide "Update export items".
"""

from dataclasses import dataclass

from tallybook.accounting import errors as books
from tallybook.errors import SettingsError, TallybookError
from tallybook.pleo import errors as pleo
from tallybook.pleo.models import ItemFailureReason as Item
from tallybook.pleo.models import JobFailureReason as Job


@dataclass(frozen=True, slots=True)
class Reasons:
    """What Pleo is told when an error ends a job, or an item."""

    job: Job | None
    item: Item | None


TABLE: dict[type[TallybookError], Reasons] = {
    # The accounting system as a whole
    books.AccountingError: Reasons(Job.ACCOUNTING_SYSTEM_UNREACHABLE, Item.ACCOUNTING_SYSTEM_UNREACHABLE),
    books.AccountingUnreachable: Reasons(Job.ACCOUNTING_SYSTEM_UNREACHABLE, Item.ACCOUNTING_SYSTEM_UNREACHABLE),
    books.AccountingTimeout: Reasons(Job.ACCOUNTING_SYSTEM_TIMEOUT, Item.ACCOUNTING_SYSTEM_TIMEOUT),
    books.AccountingRateLimited: Reasons(Job.ACCOUNTING_SYSTEM_RATE_LIMIT, Item.ACCOUNTING_SYSTEM_RATE_LIMIT),
    books.AccountingAuthenticationFailed: Reasons(
        Job.ACCOUNTING_SYSTEM_AUTHENTICATION_FAILURE, Item.ACCOUNTING_SYSTEM_AUTHENTICATION_FAILURE
    ),
    books.AccountingNotAuthorized: Reasons(Job.AUTHORIZATION_FAILURE, Item.AUTHORIZATION_FAILURE),
    books.AccountingSettingMissing: Reasons(Job.MISSING_CONFIGURATION, Item.MISSING_CONFIGURATION),
    books.AccountingSettingInvalid: Reasons(Job.INVALID_CONFIGURATION, Item.INVALID_CONFIGURATION),
    SettingsError: Reasons(Job.INVALID_CONFIGURATION, Item.INVALID_CONFIGURATION),
    # One entry
    books.EntryRefused: Reasons(None, Item.VALIDATION_FAILURE),
    books.EntrySettingMissing: Reasons(None, Item.MISSING_CONFIGURATION),
    books.EntrySettingInvalid: Reasons(None, Item.INVALID_CONFIGURATION),
    books.AccountUnknown: Reasons(None, Item.ACCOUNT_UNKNOWN),
    books.TaxCodeUnknown: Reasons(None, Item.TAX_CODE_UNKNOWN),
    books.DimensionUnknown: Reasons(None, Item.TAG_UNKNOWN),
    books.VendorUnknown: Reasons(None, Item.VENDOR_UNKNOWN),
    books.PeriodClosed: Reasons(None, Item.ACCOUNTING_SYSTEM_VALIDATION_FAILURE),
    books.EntryInvalid: Reasons(None, Item.VALIDATION_FAILURE),
    books.EntryRejected: Reasons(None, Item.ACCOUNTING_SYSTEM_VALIDATION_FAILURE),
    books.EntryChanged: Reasons(None, Item.VALIDATION_FAILURE),
    books.AttachmentUnavailable: Reasons(None, Item.RECEIPT_DOWNLOAD_FAILURE),
    books.AttachmentTooLarge: Reasons(None, Item.RECEIPT_FILE_SIZE_LIMIT_EXCEEDED),
    books.AttachmentUnsupported: Reasons(None, Item.RECEIPT_CONVERSION_FAILURE),
    books.AttachmentNotStored: Reasons(None, Item.RECEIPT_UPLOAD_FAILURE),
    # Receipts, which come from Pleo's own file store
    pleo.ReceiptError: Reasons(None, Item.RECEIPT_DOWNLOAD_FAILURE),
    pleo.ReceiptUnavailable: Reasons(None, Item.RECEIPT_DOWNLOAD_FAILURE),
    pleo.ReceiptLinkExpired: Reasons(None, Item.RECEIPT_DOWNLOAD_FAILURE),
    pleo.ReceiptTooLarge: Reasons(None, Item.RECEIPT_FILE_SIZE_LIMIT_EXCEEDED),
    pleo.ReceiptUnsupported: Reasons(None, Item.RECEIPT_CONVERSION_FAILURE),
    pleo.ReceiptLinkRefused: Reasons(None, Item.RECEIPT_DOWNLOAD_FAILURE),
    # Pleo: all but the first two end the run, not the job; the job is resumed by the next run
    pleo.MissingContraAccounts: Reasons(Job.MISSING_CONFIGURATION, None),
    # Told by nobody until somebody logs in again, which is why the job then goes on instead of failing.
    pleo.PleoLoginNeeded: Reasons(Job.AUTHORIZATION_FAILURE, None),
    pleo.PleoError: Reasons(None, None),
    TallybookError: Reasons(None, Item.UNEXPECTED_FAILURE),
}

# Values of Pleo's that Tallybook never sends, each with the reason.
JOB_REASONS_NEVER_SENT: dict[Job, str] = {
    Job.AUTHENTICATION_FAILURE: "Pleo says it of us, when our webhook endpoint refuses Pleo",
    Job.PLEO_RATE_LIMIT: "we wait as Retry-After says and the job stays in progress",
    Job.SERVICE_UNREACHABLE: "Pleo says it of us, when it cannot reach the integration",
    Job.SERVICE_TIMEOUT: "Pleo says it of us, when the integration does not answer in time",
    Job.INTEGRATION_UNUSABLE: "Pleo says it, when the integration is blocked for a customer",
    Job.JOB_EXPIRED: "Pleo says it, when a job was not touched in time",
    Job.CANCELED_BY_USER: "Pleo says it, when a user takes the job back",
}
ITEM_REASONS_NEVER_SENT: dict[Item, str] = {}

# When every item of a job failed for one of these, it is the job's reason too; otherwise validation_failure.
SHARED_CAUSES: dict[Item, Job] = {
    Item.ACCOUNTING_SYSTEM_UNREACHABLE: Job.ACCOUNTING_SYSTEM_UNREACHABLE,
    Item.ACCOUNTING_SYSTEM_TIMEOUT: Job.ACCOUNTING_SYSTEM_TIMEOUT,
    Item.ACCOUNTING_SYSTEM_RATE_LIMIT: Job.ACCOUNTING_SYSTEM_RATE_LIMIT,
    Item.ACCOUNTING_SYSTEM_AUTHENTICATION_FAILURE: Job.ACCOUNTING_SYSTEM_AUTHENTICATION_FAILURE,
    Item.INVALID_CONFIGURATION: Job.INVALID_CONFIGURATION,
    Item.MISSING_CONFIGURATION: Job.MISSING_CONFIGURATION,
    Item.AUTHORIZATION_FAILURE: Job.AUTHORIZATION_FAILURE,
}


def reasons(error: TallybookError) -> Reasons:
    """Look an error up, the nearest class of its kin that has a row."""
    return next(TABLE[kin] for kin in type(error).__mro__ if kin in TABLE)


def item_reason(error: TallybookError) -> Item:
    """Reason to report for one item; an error with no row of its own is a bug of ours, and says so."""
    return reasons(error).item or Item.UNEXPECTED_FAILURE
