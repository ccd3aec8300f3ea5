"""What the settings, the job and the accounting system lay down for every entry of a job."""

from dataclasses import dataclass, field
from enum import StrEnum

from tallybook.accounting.entry import PostingState
from tallybook.bookkeeping.mapping import CodeMapping
from tallybook.money import MinorUnits

# Pleo guide "Attachment handling": files are at most 30 MB each.
ATTACHMENT_SIZE_BYTES_MAX = 30 * 1024 * 1024


class ClosedPeriodRule(StrEnum):
    """What becomes of an entry whose date lies in a closed period."""

    FAIL = "fail"
    NEXT_OPEN = "next_open"  # the first open day after it
    TODAY = "today"


class AttachmentRule(StrEnum):
    """What becomes of an entry whose file cannot be stored."""

    REQUIRED = "required"  # the entry fails
    BEST_EFFORT = "best_effort"  # it is recorded, and the missing file is noted
    NONE = "none"  # files are not asked for


@dataclass(frozen=True, slots=True)
class AccountRoles:
    """Account codes of the settings, by role; each field is the name of the setting `accounts.<field>`."""

    wallet: str | None = None  # where Pleo's own contra account is not given
    out_of_pocket: str | None = None  # owed to employees until reimbursed
    contra: str | None = None  # money between bank and wallet
    accounts_payable: str | None = None  # owed to vendors that have no account of their own
    reimbursement_contra: str | None = None  # reimbursements paid outside Pleo, such as payroll
    employee_receivable: str | None = None  # owed by employees: cash and private spend without a category
    tax_in: str | None = None  # where neither the item nor the tax code names an account
    tax_out: str | None = None  # the same for tax owed under reverse charge


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one job. `vendor_based` is the job's, the `..._supported` are the accounting system's.

    Source: docs/decisions.md 14 and 21 to 25, for the defaults.
    """

    accounts: AccountRoles
    mapping: CodeMapping = field(default_factory=CodeMapping)
    minor_units: MinorUnits = MinorUnits.HUNDREDTHS
    closed_period: ClosedPeriodRule = ClosedPeriodRule.FAIL
    posting: PostingState = PostingState.DRAFT
    attachments: AttachmentRule = AttachmentRule.REQUIRED
    attachment_size_bytes_max: int = ATTACHMENT_SIZE_BYTES_MAX  # as downloaded
    attachments_office: bool = True  # Word and Excel files are let through
    vendor_based: bool = False
    accounts_payable_supported: bool = True
    attachments_supported: bool = True
    drafts_supported: bool = True
