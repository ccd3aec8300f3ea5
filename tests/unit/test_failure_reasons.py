from collections.abc import Iterator

from tallybook import failure_reasons
from tallybook.accounting import errors as books
from tallybook.errors import TallybookError
from tallybook.pleo import errors as pleo
from tallybook.pleo.models import ItemFailureReason, JobFailureReason


def kin(root: type[TallybookError]) -> Iterator[type[TallybookError]]:
    yield root
    for child in root.__subclasses__():
        yield from kin(child)


def test_every_error_of_the_books_has_a_row_of_its_own() -> None:
    """A new leaf without a row is a decision not taken."""
    for error in [*kin(books.AccountingError), *kin(books.EntryRefused), *kin(pleo.ReceiptError)]:
        assert error in failure_reasons.TABLE, error


def test_an_error_of_one_entry_always_has_an_item_reason() -> None:
    """Whatever refuses an entry can be reported; whatever concerns the whole system can end a job."""
    for error in [*kin(books.EntryRefused), *kin(pleo.ReceiptError)]:
        assert failure_reasons.TABLE[error].item is not None
        assert failure_reasons.TABLE[error].job is None
    for error in kin(books.AccountingError):
        assert failure_reasons.TABLE[error].job is not None


def test_each_of_pleos_values_is_either_sent_or_listed_with_the_reason_why_not() -> None:
    """15 values for a job, 18 for an item."""
    assert len(JobFailureReason) == 15
    assert len(ItemFailureReason) == 18
    jobs = {row.job for row in failure_reasons.TABLE.values()} | {JobFailureReason.VALIDATION_FAILURE}
    items = {row.item for row in failure_reasons.TABLE.values()}
    assert set(JobFailureReason) - jobs == set(failure_reasons.JOB_REASONS_NEVER_SENT)
    assert set(ItemFailureReason) - items == set(failure_reasons.ITEM_REASONS_NEVER_SENT)


def test_an_error_without_a_row_is_a_bug_of_ours() -> None:
    """`unexpected_failure` is for nothing else."""
    assert failure_reasons.item_reason(TallybookError("?")) is ItemFailureReason.UNEXPECTED_FAILURE
