"""Killed at every moment around the journal's commits; the books are the witness."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tallybook import app
from tallybook.accounting.entry import EntryKey
from tallybook.outcome import JobReport
from tallybook.postings.settling import settle
from tests.flow.conftest import Stage, stage
from tests.postings.daybook import Daybook
from tests.postings.dying import CORRECTION_POINTS, POINTS, export

__all__ = ["stage"]

ROOT = Path(__file__).parents[2]
ITEMS = 14  # a page and a half of what the daybook takes in one call


@pytest.fixture
def company(stage: Stage, url: str) -> Stage:
    """A company whose postings are kept in a database of either kind; without receipts."""
    stage.changes = {"database": {"url": url}, "books": {"attachments": "none"}}
    stage.settings()
    return stage


def killed(company: Stage, kind: str, point: str) -> None:
    """Run in a process of its own until it dies at the point."""
    company.settings()
    process = subprocess.run(
        [sys.executable, "-m", "tests.postings.dying", str(company.folder / "changed.toml"), kind, point],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert process.returncode == -signal.SIGKILL, process.stderr
    if (url := company.changes["database"]["url"]).startswith("postgresql"):
        with psycopg.connect(url) as connection:  # the time after which a silent run counts as dead goes by
            connection.execute("UPDATE worker_lease SET expires_at = now() - interval '1 hour'")


def finished(company: Stage, kind: str) -> JobReport:
    """Run to the end."""
    company.settings()
    (report,) = asyncio.run(export(company.folder / "changed.toml", kind))
    assert company.job(report.job_id)["status"] in {"completed", "completed_with_errors", "failed"}
    return report


@pytest.mark.parametrize("point", POINTS)
def test_books_that_can_be_searched_hold_every_entry_once(company: Stage, point: str) -> None:
    """The next run finds what the killed one wrote, and writes the rest."""
    ids = company.add(*[{}] * ITEMS)
    company.press_export()
    killed(company, "book", point)
    assert finished(company, "book").successful == ITEMS
    assert sorted(entry for entry, _ in company.booked()) == sorted(ids)
    assert {(entry, outcome["externalId"]) for entry, outcome in company.outcomes().items()} == set(company.booked())


async def settled(company: Stage, doubtful: Iterable[str], numbers: Mapping[str, str]) -> set[str]:
    """Settle entries by what the books hold; returns what was listed as open before."""
    settings = company.settings()
    async with app.posting_journal(settings) as journal:
        assert journal is not None
        listed = await journal.open_postings(settings.pleo.company_id)
        for entry in doubtful:
            await settle(journal, EntryKey(settings.pleo.company_id, entry), booked_as=numbers.get(entry))
    return {posting.key.entry_id for posting in listed}


@pytest.mark.parametrize("point", POINTS)
def test_books_that_cannot_be_searched_hold_no_entry_twice(company: Stage, point: str) -> None:
    """What is in doubt fails until a person has looked; then every entry is there once, and Pleo has its number."""
    ids = company.add(*[{}] * ITEMS)
    company.press_export()
    killed(company, "daybook", point)
    report = finished(company, "daybook")
    daybook = Daybook(company.folder / "daybook.jsonl")
    numbers = {row["entry_id"]: row["number"] for row in daybook.rows()}
    assert len(numbers) == len(daybook.rows())

    in_doubt = 0 if point in {"before the intent", "after the result"} else 10  # what one call carries, and no more
    assert (report.successful, report.failed) == (ITEMS - in_doubt, in_doubt)
    doubtful = {entry: out for entry, out in company.outcomes().items() if out["status"] == "failed"}
    assert all("tallybook uncertain settle" in outcome["failureReason"] for outcome in doubtful.values())
    assert asyncio.run(settled(company, doubtful, numbers)) == set(doubtful)
    if doubtful:
        company.press_export(only_failed=True)
        assert finished(company, "daybook").successful == len(doubtful)
    assert Counter(row["entry_id"] for row in daybook.rows()) == Counter(ids)
    expected = {row["entry_id"]: row["number"] for row in daybook.rows()}
    assert {entry: outcome["externalId"] for entry, outcome in company.outcomes().items()} == expected


def cost(company: Stage) -> int:
    """What the book's cost account holds."""
    with closing(sqlite3.connect(company.place.book)) as book:
        return int(book.execute("SELECT SUM(amount_minor) FROM lines WHERE role = 'cost'").fetchone()[0])


def change(company: Stage, entry: str, value: int) -> None:
    """Let an expense cost something else."""
    rows = company.call("GET", "/expenses?limit=100&documents=true")["data"]
    (document,) = [row["document"] for row in rows if row["id"] == entry]
    amount = {name: {"currency": "DKK", "value": value} for name in ("inSupplierCurrency", "inWalletCurrency")}
    lines = [line | {"lineAmount": amount, "netAmount": amount} for line in document["accountingEntryLines"]]
    company.call("PATCH", f"/expenses/{entry}", {"amount": amount, "accountingEntryLines": lines})


@pytest.mark.parametrize("point", CORRECTION_POINTS)
def test_a_correction_killed_anywhere_is_finished_once(company: Stage, point: str) -> None:
    """The first version, one reversal and one new version, and Pleo has the new number."""
    ids = company.add({}, {})
    company.export()
    before = dict(company.booked())
    for entry in ids:
        change(company, entry, 17500)
    company.changes["books"] = {"attachments": "none", "on_changed": "correct"}
    company.call("POST", "/exports", {"entryIds": ids})
    killed(company, "book", point)
    assert finished(company, "book").successful == 2
    assert len(company.booked()) == 6
    assert cost(company) == 2 * 17500
    with closing(sqlite3.connect(company.place.book)) as book:
        corrections = book.execute(
            "SELECT o.entry_id, o.number, printf('%06d', n.number) FROM corrections c"
            " JOIN entries o ON o.id = c.entry JOIN entries n ON n.entry_id = c.replaced_by"
        ).fetchall()
    assert {(entry, f"{number:06d}") for entry, number, _ in corrections} == set(before.items())
    reported = {entry: outcome["externalId"] for entry, outcome in company.outcomes().items()}
    assert reported == {entry: replacement for entry, _, replacement in corrections}
