"""How an accounting system, or the plan for it, says no: one tree, every leaf with the data a bookkeeper needs.

Two branches: `AccountingError` concerns the whole system, `EntryRefused` one entry and no other.
Which of Pleo's reasons each leaf becomes stands in `failure_reasons.py` and nowhere else.
"""

from tallybook.errors import TallybookError


class AccountingError(TallybookError):
    """The accounting system as a whole cannot be used now."""


class AccountingUnreachable(AccountingError):
    """No connection, or the books' file or server is not there."""


class AccountingTimeout(AccountingError):
    """The accounting system did not answer in time; a write may or may not have happened."""


class AccountingRateLimited(AccountingError):
    """The accounting system asks for fewer calls."""


class AccountingAuthenticationFailed(AccountingError):
    """The accounting system does not accept our credentials."""


class AccountingNotAuthorized(AccountingError):
    """Our user lacks a right, or access was withdrawn."""


class AccountingSettingMissing(AccountingError):
    """A setting without which nothing can be recorded is missing."""


class AccountingSettingInvalid(AccountingError):
    """A setting contradicts the accounting system or the job: wrong company, no accounts payable, locked books."""


class EntryRefused(TallybookError):
    """One entry cannot be recorded; the text says what, with the value, and where a bookkeeper mends it.

    `sought` is the code that was looked for in the books, of the dimension `group`, and `called` what Pleo calls the
    thing, where the planner knows.
    """

    def __init__(
        self, message: str = "", *, sought: str | None = None, called: str | None = None, group: str | None = None
    ) -> None:
        super().__init__(message)
        self.sought, self.called, self.group = sought, called, group


class EntrySettingMissing(EntryRefused):
    """This entry needs a setting, or a category, that is missing."""


class EntrySettingInvalid(EntryRefused):
    """This entry needs something our settings or the accounting system cannot do."""


class AccountUnknown(EntryRefused):
    """The books have no such account, or it is closed."""


class TaxCodeUnknown(EntryRefused):
    """The books have no such tax code."""


class DimensionUnknown(EntryRefused):
    """The books have no such dimension or value."""


class VendorUnknown(EntryRefused):
    """The books have no such vendor, or it is blocked, or the entry names none where one is needed."""


class PeriodClosed(EntryRefused):
    """The accounting period of the entry is closed or missing."""


class EntryInvalid(EntryRefused):
    """We found the entry contradictory or unreadable: sums that differ, unknown types, odd amounts."""


class EntryRejected(EntryRefused):
    """The accounting system found the entry wrong for a reason of its own."""


class EntryChanged(EntryRefused):
    """The entry is in the books already, with other content."""


class AttachmentUnavailable(EntryRefused):
    """A file of the entry could not be downloaded."""


class AttachmentTooLarge(EntryRefused):
    """A file of the entry is larger than allowed."""


class AttachmentUnsupported(EntryRefused):
    """A file of the entry is of a type that cannot be stored."""


class AttachmentNotStored(EntryRefused):
    """The accounting system did not take a file of the entry."""
