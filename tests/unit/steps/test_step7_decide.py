import pytest

from tallybook.outcome import REASON_LENGTH_MAX, ItemResult, Tally
from tallybook.pleo.models import ItemFailureReason, JobEvent, JobFailureReason
from tallybook.steps.step7_complete_job import decide

ENTRY = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"


def tally(*reasons: ItemFailureReason | None) -> Tally:
    found = Tally()
    for reason in reasons:
        found.add_result(ItemResult(ENTRY, reason=reason, text="Account 1 is not there" if reason else None))
    return found


def test_all_successful_is_completed() -> None:
    """No reason goes with it."""
    final = decide(tally(None, None))
    assert (final.event, final.reason, final.text) == (JobEvent.COMPLETED, None, None)


def test_a_job_without_items_is_completed() -> None:
    """There was nothing that could fail."""
    assert decide(Tally()).event is JobEvent.COMPLETED


def test_some_failed_is_completed_with_errors() -> None:
    """No reason goes with it: each item has its own."""
    final = decide(tally(None, ItemFailureReason.ACCOUNT_UNKNOWN))
    assert (final.event, final.reason, final.text) == (JobEvent.COMPLETED_WITH_ERRORS, None, None)


def test_all_failed_is_failed() -> None:
    """Reasons a job cannot have become validation_failure, and the text names the first."""
    final = decide(tally(ItemFailureReason.ACCOUNT_UNKNOWN, ItemFailureReason.TAG_UNKNOWN))
    assert (final.event, final.reason) == (JobEvent.FAILED, JobFailureReason.VALIDATION_FAILURE)
    assert final.text == "All 2 entries of this export failed; the first reason: Account 1 is not there"


@pytest.mark.parametrize(
    "cause",
    [
        "accounting_system_unreachable",
        "accounting_system_timeout",
        "accounting_system_rate_limit",
        "accounting_system_authentication_failure",
        "invalid_configuration",
        "missing_configuration",
        "authorization_failure",
    ],
)
def test_one_shared_cause_is_the_jobs_cause(cause: str) -> None:
    """If a job can have it."""
    final = decide(tally(ItemFailureReason(cause), ItemFailureReason(cause)))
    assert final.reason == JobFailureReason(cause)


def test_different_causes_are_no_shared_cause() -> None:
    """Even if a job can have both."""
    final = decide(tally(ItemFailureReason.ACCOUNTING_SYSTEM_TIMEOUT, ItemFailureReason.INVALID_CONFIGURATION))
    assert final.reason is JobFailureReason.VALIDATION_FAILURE


def test_a_long_first_reason_is_cut_to_one_line() -> None:
    """It may come from an earlier run's report as Pleo has it, and a person reads it in a list."""
    found = Tally()
    found.add_result(ItemResult(ENTRY, reason=ItemFailureReason.TAG_UNKNOWN, text="no\n" * 5000))
    text = decide(found).text
    assert text is not None
    assert "\n" not in text
    assert len(text) <= REASON_LENGTH_MAX
