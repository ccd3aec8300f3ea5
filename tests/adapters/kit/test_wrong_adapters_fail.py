"""A wrong adapter fails the kit, by the test that is there for it and for the reason it is wrong."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROOFS = Path(__file__).with_name("broken_proofs.py")
ONE_LINE = "test_a_journal_entry_arrives_unaltered[one cost line]"

# wrong adapter, the test that must fail, and what it must say
SEEN = [
    ("LosesAnEntry", "test_a_full_batch", "is in the books 0 times"),
    ("AltersACent", ONE_LINE, "1235 minor units instead of 1234"),
    ("SwapsAccounts", ONE_LINE, "account '5410'"),
    ("DropsTaxCodes", "test_a_journal_entry_arrives_unaltered[input tax]", "tax code '25'"),
    ("DropsDimensions", "test_a_journal_entry_arrives_unaltered[dimensions]", "cost centre=zürich"),
    ("DropsCurrencies", "test_a_journal_entry_arrives_unaltered[another currency]", "JPY"),
    ("PostsOnTheWrongDay", ONE_LINE, "posted on 2026-02-04 instead of 2026-02-03"),
    ("DropsAnAttachment", "test_several_files_of_several_entries", "is missing"),
    ("DropsAnAttachment", "test_posted_with_its_files", "is missing"),
    ("ChangesTheLeaf", "test_refused_as_itself[an unknown account]", "EntryRejected instead of AccountUnknown"),
    ("ChangesTheLeaf", "test_refused_as_itself[an unknown tax code]", "EntryRejected instead of TaxCodeUnknown"),
    ("ChangesTheLeaf", "test_refused_as_itself[an unknown vendor]", "EntryRejected instead of VendorUnknown"),
    ("ChangesTheLeaf", "test_refused_as_itself[an unknown dimension]", "EntryRejected instead of DimensionUnknown"),
    ("ChangesTheLeaf", "test_refused_as_itself[a closed period]", "EntryRejected instead of PeriodClosed"),
    ("NamesNoValue", "test_refused_as_itself[an unknown account]", "does not name '0815-unknown'"),
    ("SpoilsTheBatch", "test_one_bad_entry_spoils_no_other", "good entries were refused beside a bad one"),
    ("WritesOneByOne", "test_one_bad_entry_spoils_no_other", "answers for 20 entries"),
    ("AnswersInAnotherOrder", "test_what_record_answers", "in another order"),
    ("PostsAtOnce", "test_a_draft_stays_a_draft", "posted instead of draft"),
    ("ForgetsToPost", "test_posted", "draft instead of posted"),
    ("FindsNothing", "test_find_after_record", "finds 0 of 4"),
    ("AlwaysReady", "test_each_way_of_not_being_ready_is_its_own_error", "no book: the books say they are ready"),
    ("ListsBlockedVendors", "test_reference_vendors", "'V2'"),
    ("ForgetsClosedPeriods", "test_reference_periods", "is closed, and said to be open"),
    ("ForgetsToReverse", "test_reversed", "finds 1 of an entry and its reversal"),
    ("ForgetsToReverse", "test_two_reverse_at_once", "is in the books 0 times"),
    ("ForgetsToReverse", "test_killed_while_reversing", "is in the books 0 times"),
    ("RemembersInsteadOfReading", "test_read_back[a split over two accounts]", "where"),
    ("RemembersInsteadOfReading", "test_rehearsed", "refuses 0 entries instead of 1"),
    ("RemembersInsteadOfReading", "test_reversal_rehearsed", "refuses 0 reversals instead of 1"),
    ("ClaimsBeforeItWrites", "test_killed_while_recording", "is in the books 0 times"),
    ("RepeatsBlindly", "test_any_request_of_record_is_disturbed[cut_after]", "is in the books 2 times"),
    ("RepeatsBlindly", "test_any_request_of_record_is_disturbed[silent_after]", "is in the books 2 times"),
    ("TakesSilenceForRefusal", "test_any_request_of_record_is_disturbed[cut_after]", "A good entry was refused"),
    ("TakesSilenceForRefusal", "test_a_record_that_never_gets_through", "A good entry was refused"),
    ("CallsEverythingUnreachable", "test_every_request_is_disturbed[status_429]", "instead of AccountingRateLimited"),
    ("TellsThePassword", "test_each_way_of_not_being_ready_is_its_own_error", "tells secret number 1"),
    ("StaysLoggedOut", "test_sessions_that_ended", "does not accept the password"),
    ("ForgetsTheLock", "test_two_calls_at_once", "answer differently"),
    ("BrokenHouse", "test_two_processes_at_once", "Two processes at once wrote entries twice"),
]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """What each of the tests above said when it failed: all are run once, in a pytest of their own."""
    report = tmp_path_factory.mktemp("wrong") / "report.xml"
    nodes = [f"{PROOFS}::Test{wrong}::{test}" for wrong, test, _ in SEEN]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=short", f"--junitxml={report}", *nodes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert run.returncode == 1, run.stdout
    failures = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        failure = case.find("failure")
        wrong = (case.get("classname") or "").rpartition(".Test")[2]
        failures[wrong, case.get("name") or ""] = "" if failure is None else f"{failure.get('message')}"
    return failures


@pytest.mark.parametrize(("wrong", "test", "words"), SEEN, ids=[f"{wrong}-{test}" for wrong, test, _ in SEEN])
def test_the_kit_sees_it(said: dict[tuple[str, str], str], wrong: str, test: str, words: str) -> None:
    """This wrong adapter fails this test, and the sentence says what is wrong."""
    assert words in said[wrong, test]
