"""Whole exports into books that hand entries over in import files: the file is there when Pleo hears of the end."""

import asyncio
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from tallybook import app
from tallybook.outcome import JobReport
from tallybook.pleo.models import JobEvent
from tests.flow.conftest import Stage

TAX_CODES = ["I25", "X25", "I0", "DE19", "GB20", "SE25", "SE12", "REU25", "RW25"]


def hands_over(stage: Stage, name: str = "csv", **section: Any) -> Path:
    """Set the stage for an adapter of import files."""
    into = stage.folder / "import"
    common = {"path": str(stage.place.book), "import_dir": str(into)}
    csv = {
        "templates": ["economic"],
        "tag_groups": ["CC", "PROJ"],
        "tax_names": {code: {"name": code} for code in TAX_CODES},
    }
    stage.changes = {"books": {"adapter": name, name: common | (csv if name == "csv" else {}) | section}}
    return into


def handed_over(into: Path) -> Counter[str]:
    """How often each entry is in a set, by the manifests."""
    return Counter(
        entry["entry_id"] for path in into.glob("*/manifest.json") for entry in json.loads(path.read_bytes())["entries"]
    )


def test_what_pleo_shows_as_exported_is_in_the_files_once(stage: Stage) -> None:
    """Every successful item is in one set of import files, and a second export of the same items adds none."""
    stage.found(60, troubles=True)
    into = hands_over(stage)
    first = stage.export(vendor_based=True)
    done = {entry_id for entry_id, outcome in stage.outcomes().items() if outcome["status"] == "successful"}
    assert first.failed > 0
    assert handed_over(into) == Counter(done)
    assert {number for (number,) in ((outcome["externalId"],) for outcome in stage.outcomes().values()) if number} == {
        number for entry_id, number in stage.booked() if entry_id in done
    }
    job = stage.call("POST", "/exports", {"entryIds": sorted(done), "vendorBasedBookkeeping": True})
    stage.run(job["id"])
    assert handed_over(into) == Counter(done)


def test_a_job_ends_when_its_files_are_written(stage: Stage) -> None:
    """While the files cannot be written the job is not completed; the next run writes them and completes it."""
    into = hands_over(stage)
    stage.add(*({"date": "2026-10-14T10:00:00Z"} for _ in range(3)))
    in_the_way = into / "csv-000001-2026-10"
    in_the_way.mkdir(parents=True)
    (interrupted,) = stage.run(stage.press_export())
    assert interrupted.event is None
    assert f"{in_the_way} is in the way" in (interrupted.note or "")
    in_the_way.rmdir()
    (report,) = stage.run()
    assert report.event is not None
    assert report.event.event is JobEvent.COMPLETED
    assert sum(handed_over(into).values()) == 3
    assert stage.events() == ["started", "completed"]


def test_a_refused_receipt_is_logged_without_the_books_words(stage: Stage) -> None:
    """Under best effort the entry stays; its class is told, and its sentence is not, which may quote people."""
    hands_over(stage)
    stage.changes["books"]["attachments"] = "best_effort"
    (entry_id,) = stage.add({"files": [{"receipt": 1}]})
    stage.call("POST", "/faults", {"operation": "files", "kind": "status", "status": 404, "times": 10})
    stage.export()
    stage.call("DELETE", "/faults")
    with structlog.testing.capture_logs() as log:
        stage.run(stage.call("POST", "/exports", {"entryIds": [entry_id]})["id"])
    (left_out,) = [line for line in log if line["event"] == "left_out"]
    assert (left_out["entry_id"], left_out["what"]) == (entry_id, "AttachmentNotStored")


def test_a_job_that_cannot_begin_still_ends(stage: Stage) -> None:
    """Without a book there is nothing to hand over, and Pleo hears that the job failed."""
    hands_over(stage, path=str(stage.folder / "nowhere.sqlite"))
    stage.add({})
    report = stage.export()
    assert report.event is not None
    assert report.event.event is JobEvent.FAILED
    assert stage.events() == ["started", "failed"]


def changed_to_an_account_the_files_cannot_hold(stage: Stage) -> tuple[Path, dict[str, Any], str, str]:
    """Export an expense that changes then; gives folder, the column for accounts, the entry, and the job of it."""
    account: dict[str, Any] = {"name": "Account", "value": "{account}", "length_max": 4}
    columns = [account, {"name": "Amount", "value": "{amount}"}]
    into = hands_over(stage, templates=["mine"], template={"mine": {"columns": columns}})
    stage.changes["books"] |= {"on_changed": "correct", "posting": "posted"}
    (entry, *_) = stage.add({})
    stage.export()
    with closing(sqlite3.connect(stage.place.book)) as book, book:
        book.execute("INSERT INTO accounts (code, name, kind, open) VALUES ('311000', '', 'expense', 1)")
    (row,) = stage.call("GET", "/expenses?limit=100&documents=true")["data"]
    long = {"code": "311000", "identifier": "acc_311000"}
    lines = [line | {"account": line["account"] | long} for line in row["document"]["accountingEntryLines"]]
    stage.call("PATCH", f"/expenses/{entry}", {"accountingEntryLines": lines})
    (other,) = stage.add({})
    return into, account, entry, stage.call("POST", "/exports", {"entryIds": [entry, other]})["id"]


def test_nothing_is_taken_back_for_a_version_that_would_be_refused(stage: Stage) -> None:
    """While the files cannot hold the new version the old one stands; then it is reversed and corrected."""
    into, account, _, job = changed_to_an_account_the_files_cannot_hold(stage)
    (report,) = stage.run(job)
    assert (report.successful, report.failed) == (1, 1)
    assert states(stage) == ["posted", "posted"]
    account["length_max"] = 6
    assert stage.export(only_failed=True).successful == 1
    assert sum(handed_over(into).values()) == 4
    assert states(stage) == ["posted"] * 4


def test_a_reversal_waits_for_the_version_that_replaces_what_it_takes_back(stage: Stage) -> None:
    """In books that refuse the new version only when it is recorded, its reversal is neither posted nor handed over."""
    into, account, entry, job = changed_to_an_account_the_files_cannot_hold(stage)

    async def export() -> JobReport:
        async with app.company(stage.settings(), clock=stage.clock) as company:
            can = company.books.capabilities
            company.books.capabilities = replace(can, rehearses=False, rehearses_reversals=False)
            (report,) = await app.export_pending(company, job_id=job)
            return report

    report = asyncio.run(export())
    assert (report.successful, report.failed) == (1, 1)
    assert sum(handed_over(into).values()) == 2
    assert handed_over(into)[entry] == 1
    assert states(stage) == ["posted", "draft", "posted"]
    account["length_max"] = 6
    assert stage.export(only_failed=True).successful == 1
    assert sum(handed_over(into).values()) == 4
    assert states(stage) == ["posted"] * 4


def states(stage: Stage) -> list[str]:
    """The state of every entry of the book, by number."""
    with closing(sqlite3.connect(stage.place.book)) as book:
        return [state for (state,) in book.execute("SELECT state FROM entries ORDER BY number")]


@pytest.mark.parametrize(
    ("name", "section"),
    [
        (
            "datev",
            {
                "currency": "DKK", "consultant_number": 1001, "client_number": 1, "cost_1": "CC", "cost_2": "PROJ",
                "tax_keys": {code: {"own_rows": True} for code in TAX_CODES},
            },
        ),
        ("sie", {"currency": "DKK", "dimensions": {"CC": 1, "PROJ": 6}}),
    ],
)  # fmt: skip
def test_entries_in_another_currency_fail_alone(stage: Stage, name: str, section: dict[str, Any]) -> None:
    """A format of one currency takes what is in it; the others fail with a sentence, and the file has the rest."""
    stage.found(60)
    into = hands_over(stage, name, **section)
    report = stage.export(vendor_based=True)
    outcomes = stage.outcomes()
    assert report.successful > 40
    failed = [outcome for outcome in outcomes.values() if outcome["status"] == "failed"]
    assert all("The entry is in EUR" in outcome["failureReason"] for outcome in failed)
    assert handed_over(into) == Counter(key for key, each in outcomes.items() if each["status"] == "successful")
