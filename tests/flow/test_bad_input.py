import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tallybook.outcome import JobReport
from tallybook.sandbox import server
from tests.flow.command import Command, assert_accepted, program
from tests.flow.conftest import Stage

COPY_ID = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e"
DATA = "getExportItemsV3"
CONTROL = "getExportJobItemsV3"


def amount(value: object, currency: str = "DKK") -> dict[str, Any]:
    money = {"currency": currency, "value": value}
    return {"inSupplierCurrency": money, "inWalletCurrency": money}


def line(value: object = 10000, **fields: Any) -> dict[str, Any]:
    return {"lineAmount": amount(value), "netAmount": amount(value), **fields}


def tax(**fields: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "amount": amount(0), "rate": 0.25, "type": "inclusive", "code": None, **fields}


def serve(stage: Stage, text: str, entry_id: str = COPY_ID) -> None:
    """Serve this JSON, as written, for an entry; a second call for the same entry adds a copy."""
    answer = stage.http.post(
        "/_sandbox/expenses", content=f'[{{"raw":true,"entryId":"{entry_id}","document":{text}}}]'.encode()
    )
    assert answer.is_success, answer.text


def document(stage: Stage, entry_id: str = COPY_ID, **changes: Any) -> str:
    """Write a whole export item of the company as Pleo would serve it."""
    (pattern,) = stage.add({})
    text = stage.call("GET", f"/expenses/{pattern}")["document"]
    stage.found()
    return json.dumps(text | {"accountingEntryId": entry_id, "files": []} | changes)


# ---- odd content: one export of all of this at once

# What is odd about an expense, and what the sentence of its failure must say.
REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown currency": ({"amount": amount(10000, "QQQ")}, ['currency "QQQ"', "book this expense by hand"]),
    "currency in small letters": ({"amount": amount(10000, "dkk")}, ['currency "dkk"', "book this expense by hand"]),
    "beyond 2**53": ({"amount": amount(2**53)}, ["9007199254740992", "too large to be exact"]),
    "below -2**53": ({"amount": amount(-(2**53))}, ["-9007199254740992", "too large to be exact"]),
    "thirty digits": ({"amount": amount(10**30)}, ["1" + "0" * 30, "too large to be exact"]),
    "a fraction": ({"amount": amount(100.5)}, ["100.5", "no whole number", "correct the amount in Pleo"]),
    "header differs from lines": (
        {"amount": amount(9000), "accountingEntryLines": [line()]},
        ["100.00 DKK", "90.00 DKK", "correct the split"],
    ),
    "lines in two currencies": (
        {"accountingEntryLines": [line(), {**line(), "lineAmount": amount(10000, "EUR")}]},
        ['"EUR"', "DKK", "book this expense by hand"],
    ),
    "net differs from line": (
        {"accountingEntryLines": [line(netAmount=amount(9999))]},
        ["100.00 DKK", "99.99 DKK", "correct the amounts"],
    ),
    "unknown type": ({"type": "teleport"}, ['type "teleport"', "book this expense by hand"]),
    "unknown sub-type": ({"type": "fee", "subType": "magic"}, ['sub-type "magic"', "book this expense by hand"]),
    "sub-type of another type": ({"subType": "interest"}, ['sub-type "interest"', '"card_purchase"']),
    "unknown tax type": (
        {"accountingEntryLines": [line(tax=tax(type="luxury"))]},
        ['tax type "luxury"', "choose another Tax code"],
    ),
    "unknown method": ({"bookkeeping": {"method": "abacus"}}, ['method "abacus"', "book this expense by hand"]),
    "another company": ({"companyId": COPY_ID}, [COPY_ID, "another company", "ask Pleo's support"]),
    "amount is text": ({"amount": "plenty"}, ["(accountingEntryLines[0].lineAmount is no object", "Pleo's support"]),
    "no lines": ({"accountingEntryLines": []}, ["(accountingEntryLines is empty)", "Pleo's support"]),
    "lines are text": ({"accountingEntryLines": "none"}, ["(accountingEntryLines is no list)", "Pleo's support"]),
    "date is text": ({"date": "soon"}, ["(date ", "Pleo's support"]),
    "value is text": ({"amount": amount("100")}, ["inSupplierCurrency.value is no number", "Pleo's support"]),
    "value is true": ({"amount": amount(True)}, ["inSupplierCurrency.value is no number", "Pleo's support"]),
    "files are an object": ({"files": {}}, ["(files is no list)", "Pleo's support"]),
    "details are missing": ({"additionalInformation": None}, ["(additionalInformation is no object)", "support"]),
}
# What is odd about an expense and keeps it out of no books.
TAKEN: dict[str, dict[str, Any]] = {
    "a thousand lines": {"accountingEntryLines": [line(number) for number in range(1, 1001)]},
    "2**53 - 1, which JSON carries exactly": {"amount": amount(2**53 - 1)},
    "nothing at all": {"amount": amount(0)},
    "a note of control characters": {"note": "\x00\x1b[31m\u202e"},
    "a note of 100,000 letters": {"note": "a" * 100_000},
    "a note of empty lines": {"note": "\n" * 1000},
    "a note outside the basic plane": {"note": "\U0001f4a9"},
    "unknown fields": {"surprise": {"of": ["any", "shape"]}, "_links": {}},
}
PLAIN: dict[str, dict[str, Any]] = {"first": {"note": "Lunch"}, "last": {"note": "Dinner"}}


@dataclass(frozen=True)
class OneJob:
    """What came of one export of all odd expenses, by their names."""

    report: JobReport
    events: list[str]
    outcomes: dict[str, dict[str, Any]]
    booked: dict[str, str]  # by name: the number


@pytest.fixture(scope="module")
def one_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneJob]:
    with server.running(world="empty") as address:
        stage = Stage(address, tmp_path_factory.mktemp("one-job"))
        stage.found()
        odd = {"first": PLAIN["first"]} | {name: fields for name, (fields, _) in REFUSED.items()}
        odd |= TAKEN | {"last": PLAIN["last"]}
        names = dict(zip(stage.add(*odd.values()), odd, strict=True))
        report = stage.export(vendor_based=True)
        outcomes = {names[entry]: outcome for entry, outcome in stage.outcomes().items()}
        yield OneJob(report, stage.events(), outcomes, {names[entry]: number for entry, number in stage.booked()})
        stage.http.close()


@pytest.mark.parametrize("name", REFUSED)
def test_odd_content_fails_that_item_with_a_sentence_that_names_it(one_job: OneJob, name: str) -> None:
    """The figure, word or field at fault is said, and what to do; the entry is not in the books."""
    outcome = one_job.outcomes[name]
    assert (outcome["status"], outcome["failureReasonType"]) == ("failed", "validation_failure")
    for part in REFUSED[name][1]:
        assert part in outcome["failureReason"]
    assert outcome["failureReason"][0].isupper()
    assert name not in one_job.booked


@pytest.mark.parametrize("name", [*TAKEN, *PLAIN])
def test_what_is_merely_odd_is_booked(one_job: OneJob, name: str) -> None:
    """Pleo has the number that is in the books."""
    outcome = one_job.outcomes[name]
    assert (outcome["status"], outcome["externalId"]) == ("successful", one_job.booked.get(name))


def test_no_odd_item_touches_another_nor_the_job(one_job: OneJob) -> None:
    """Every item has a result, and the job one final event."""
    assert one_job.report.items == len(REFUSED) + len(TAKEN) + len(PLAIN)
    assert one_job.report.failed == len(REFUSED)
    assert one_job.events == ["started", "completed_with_errors"]
    assert one_job.booked.keys() == TAKEN.keys() | PLAIN.keys()


def test_a_row_without_an_id_leaves_its_entry_failed_not_lost(stage: Stage) -> None:
    """The control list has the entry: it fails because no data came for it."""
    rows = ["[1, 2]", "null", '"text"', '{"foo": 1}', '{"accountingEntryId": "none"}', '{"accountingEntryId": null}']
    listed = {str(uuid4()): row for row in rows}
    (plain,) = stage.add({})
    for entry_id, row in listed.items():
        serve(stage, row, entry_id)
    report = stage.export()
    assert (report.successful, report.failed) == (1, len(rows))
    outcomes = stage.outcomes()
    for entry_id in listed:
        assert outcomes[entry_id]["failureReasonType"] == "validation_failure"
        assert "sent no data for it; export it again" in outcomes[entry_id]["failureReason"]
    assert [entry for entry, _ in stage.booked()] == [plain]


def test_data_for_an_entry_that_is_not_on_the_list_is_not_booked(stage: Stage) -> None:
    """What nobody asked to export stays out of the books; the listed entry without data fails."""
    listed = str(uuid4())
    serve(stage, document(stage), listed)
    report = stage.export()
    assert (report.items, report.successful, report.failed) == (1, 0, 1)
    assert stage.booked() == []
    assert stage.outcomes()[listed]["status"] == "failed"


# ---- the same entry more than once


@pytest.mark.parametrize("page_size", [1, 100])
def test_an_entry_sent_twice_is_booked_once(stage: Stage, page_size: int) -> None:
    """Whether both copies are on one page or on two."""
    text = document(stage)
    serve(stage, text)
    serve(stage, text)
    stage.changes = {"pleo": {"page_size": page_size}}
    report = stage.export()
    assert (report.items, report.successful) == (1, 1)
    assert [entry for entry, _ in stage.booked()] == [COPY_ID]
    assert stage.events() == ["started", "completed"]


def test_an_entry_sent_twice_with_different_content_fails_with_a_sentence(stage: Stage) -> None:
    """Which of the two is right would be a guess."""
    first, second = document(stage, note="Lunch"), document(stage, note="Dinner")
    serve(stage, first)
    serve(stage, second)
    report = stage.export()
    assert report.failed == 1
    assert stage.booked() == []
    assert "twice with different content" in stage.outcomes()[COPY_ID]["failureReason"]


def test_an_entry_with_a_copy_that_cannot_be_read_fails(stage: Stage) -> None:
    """Both are on one page; what the second one says is not known."""
    first, second = document(stage), document(stage, date="soon")
    serve(stage, first)
    serve(stage, second)
    assert stage.export().failed == 1
    assert stage.booked() == []


def test_a_broken_copy_on_a_later_page_changes_nothing_about_what_was_booked(stage: Stage) -> None:
    """The entry was booked and reported when the copy is looked at, though not yet when it was fetched."""
    first, second = document(stage), document(stage, date="soon")
    serve(stage, first)
    serve(stage, second)
    (other,) = stage.add({})
    stage.changes = {"pleo": {"page_size": 1}}
    stage.call("POST", "/faults", {"operation": "updateExportJobItemsV3", "kind": "slow", "delayMs": 300})
    report = stage.export()
    assert (report.items, report.successful) == (2, 2)
    assert {entry for entry, _ in stage.booked()} == {COPY_ID, other}
    assert {outcome["status"] for outcome in stage.outcomes().values()} == {"successful"}


# ---- sizes


def test_a_job_without_items_is_completed(stage: Stage) -> None:
    """Nothing to do is no failure; no content is asked for."""
    job = stage.call("POST", "/exports", {"entryIds": []})["id"]
    (report,) = stage.run(job)
    assert (report.items, report.successful, report.failed) == (0, 0, 0)
    assert stage.job(job)["status"] == "completed"
    assert stage.events() == ["started", "completed"]
    assert stage.journal("GET /v3/export-items") == []


def test_half_a_character_in_a_note_keeps_no_entry_out_of_the_books(stage: Stage) -> None:
    """JSON can write half of a pair; no file or database can."""
    serve(stage, document(stage, note="half \ud800 of it"))
    assert stage.export().successful == 1


# ---- answers that are no answers: nothing is guessed, the next run goes on


@pytest.mark.parametrize(
    ("kind", "words"),
    [("not_json", "is no JSON but a web page"), ("wrong_shape", "without `data` and `pagination`")],
)
@pytest.mark.parametrize("operation", [CONTROL, DATA])
@pytest.mark.parametrize("page", [0, 1])
def test_a_page_that_cannot_be_read_stops_the_run_with_a_sentence_and_the_next_run_goes_on(
    stage: Stage, operation: str, kind: str, words: str, page: int
) -> None:
    """The job stays in progress; what was booked is reported; the next run completes it without a second `started`."""
    stage.found(12)
    stage.changes = {"pleo": {"page_size": 4}}
    job = stage.press_export()
    stage.call("POST", "/faults", {"operation": operation, "kind": kind, "skip": page})
    (report,) = stage.run(job)
    assert report.event is None
    assert words in (report.note or "")
    assert "the next run goes on from here" in (report.note or "")
    assert stage.job(job)["status"] == "in_progress"
    reported = {entry for entry, outcome in stage.outcomes().items() if outcome.get("status") == "successful"}
    assert reported == {entry for entry, _ in stage.booked()}
    (report,) = stage.run(job)
    assert (report.items, report.successful) == (12, 12)
    assert len(stage.booked()) == 12
    assert stage.events() == ["started", "completed"]


def test_a_job_that_is_not_there_is_said_without_a_promise_to_go_on(stage: Stage) -> None:
    """There is nothing that a next run could take up."""
    (report,) = stage.run(COPY_ID)
    assert report.event is None
    assert "check the id" in (report.note or "")
    assert "the next run" not in (report.note or "")


# ---- texts on their way into a ledger


def test_notes_that_look_like_a_ledger_stay_notes_in_the_export(stage: Stage) -> None:
    """A thousand lines, quotes, backslashes, directives: Beancount and hledger accept the export, with no line more."""
    injection = (
        '2026-01-01 open Assets:Hacked\n" ; comment \\" \\\n2026-11-19 txn "x"\n'
        '  Assets:Hacked  1.00 DKK\ninclude "/etc/x"'
    )
    notes = [
        "\n".join(f"{number} {injection}" for number in range(1000)),
        injection,
        '"',
        "\\",
        "; |:#^~ @ {} \r\n\t\x00\x1b\x85\u2028",
        "-- end of note\n\ncomment\nend comment\napply account x",
    ]
    stage.add(*({"note": note, "supplier": {"name": note[:300]}} for note in notes))
    assert stage.export(vendor_based=True).successful == len(notes)
    tallybook = Command(stage.folder)
    assert tallybook("book", "export", "ledger").code == 0
    assert_accepted(stage.folder / "ledger")
    entries = program("hledger", "-f", stage.folder / "ledger" / "main.journal", "print", "-O", "json")
    assert len(json.loads(entries.stdout)) == len(notes)
    accounts = program("hledger", "-f", stage.folder / "ledger" / "main.journal", "accounts", "--used")
    assert len(accounts.stdout.splitlines()) == 2
    assert "Hacked" not in accounts.stdout
