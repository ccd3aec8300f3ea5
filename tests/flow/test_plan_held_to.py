"""Exports held to a plan: whatever is other than it was when somebody agreed, the job is not begun."""

import asyncio
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tallybook import app
from tallybook.dry_run import PlanDiffers, require_plan
from tests.flow.conftest import Stage
from tests.flow.test_plan import planned
from tests.flow.test_posting_journal import change_book

Document = dict[str, Any]


def bill(stage: Stage) -> Document:
    """An expense with a vendor, tax, tags and a receipt, as Pleo shows it."""
    stage.found(14)
    rows = stage.call("GET", "/expenses?limit=100&documents=true")["data"]
    return next(
        deepcopy(document)
        for document in (row["document"] for row in rows)
        if document.get("vendor") and document["files"] and document["accountingEntryLines"][0].get("tax")
    )


def told(stage: Stage, job: str, agreed: str) -> str:
    """What an export held to the plan `agreed` says before anything is begun."""

    async def held() -> str:
        async with app.onlooker(stage.settings(), clock=stage.clock) as company:
            with pytest.raises(PlanDiffers) as differs:
                await require_plan(company, job, agreed)
        return str(differs.value)

    return asyncio.run(held())


def line(document: Document) -> Document:
    found: Document = document["accountingEntryLines"][0]
    return found


def another_category(document: Document) -> None:
    line(document)["account"] |= {"code": "3640", "identifier": "acc_3640"}


def another_tax_code(document: Document) -> None:
    line(document)["tax"] |= {"code": "RW25"}


def another_tag(document: Document) -> None:
    line(document)["tags"][0]["code"] = "130"


def another_vendor(document: Document) -> None:
    document["vendor"] |= {
        "code": "V1008",
        "externalId": None,
        "taxRegistrationNumber": None,
        "registrationNumber": None,
    }


def another_date(document: Document) -> None:
    document["date"] = "2026-10-04T20:22:53Z"


def another_amount(document: Document) -> None:
    for amount in (document["amount"], line(document)["lineAmount"], line(document)["netAmount"]):
        amount["inWalletCurrency"]["value"] += 1


def another_receipt(document: Document) -> None:
    document["files"][0]["size"] += 1


def another_note(document: Document) -> None:
    document["note"] = "Desktop licence alone"


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (another_category, "accounts"),
        (another_tax_code, "tax codes"),
        (another_tag, "tags or vendors"),
        (another_vendor, "tags or vendors"),
        (another_date, "days, or in what is posted"),
        (another_amount, "amounts"),
        (another_receipt, "receipts"),
        (another_note, "descriptions or other details"),
    ],
)
def test_what_pleo_changed_meanwhile_is_named(stage: Stage, change: Callable[[Document], None], kinds: str) -> None:
    """The same job of the same company, of which one thing is other than it was: that thing is named, and no other."""
    document = bill(stage)
    agreed = []
    for prepare in (lambda _: None, change):
        stage.found()  # as new, so that the job has the id it had
        prepare(document)
        stage.add(document)
        job = stage.press_export(vendor_based=True)
        plan, items = planned(stage, job)
        assert [item.entry is None for item in items.values()] == [False]
        agreed.append((job, plan.hash))
    ((first, hash_then), (second, _)) = agreed
    assert first == second
    assert f"differ from the plan in {kinds};" in told(stage, second, hash_then)


def settings_changed(section: str, name: str, value: object) -> Callable[[Stage], None]:
    """Change a setting."""

    def change(stage: Stage) -> None:
        stage.changes.setdefault(section, {})[name] = value

    return change


def book_changed(statement: str) -> Callable[[Stage], None]:
    """Change what the book knows."""
    return lambda stage: change_book(stage, statement)


CLOSED = "INSERT INTO closed_periods VALUES ('2026-10-01', '2026-10-31')"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (settings_changed("mapping", "accounts", {"3610": "3640"}), "accounts"),
        (settings_changed("mapping", "tax_codes", {"REU25": "RW25"}), "tax codes"),
        (settings_changed("mapping", "tags", {"CC": {"120": "130"}}), "tags or vendors"),
        (settings_changed("mapping", "vendors", {"V1014": "V1008"}), "tags or vendors"),
        (settings_changed("accounts", "accounts_payable", "6820"), "accounts"),
        (settings_changed("books", "posting", "draft"), "days, or in what is posted"),
        (settings_changed("books", "attachments", "none"), "receipts"),
        (settings_changed("books", "attachments", "best_effort"), "the rules for posting and receipts"),
        (settings_changed("books", "on_changed", "correct"), None),
        (settings_changed("pleo", "receipt_size_bytes_max", 100), "the items, or what becomes of them"),
        (book_changed(CLOSED), "what Pleo is told"),
        (book_changed("UPDATE vendors SET blocked = 1 WHERE code = 'V1014'"), "what Pleo is told"),
        (book_changed("UPDATE accounts SET open = 0 WHERE code = '3610'"), "what Pleo is told"),
        (
            book_changed("UPDATE accounts SET open = 0 WHERE code = '5820'"),
            "no open account for accounts.wallet = 5820",
        ),
    ],
)
def test_what_changed_here_meanwhile_is_named(stage: Stage, change: Callable[[Stage], None], kind: str | None) -> None:
    """A mapping, a setting, what the books know; a setting that makes no difference to this job does not count."""
    document = bill(stage)
    stage.found()
    stage.add(document)
    job = stage.press_export(vendor_based=True)
    agreed = planned(stage, job)[0].hash
    change(stage)
    if kind is None:
        assert planned(stage, job)[0].hash == agreed
    else:
        assert kind in told(stage, job, agreed)
    assert (stage.job(job)["status"], stage.booked(), stage.call("GET", "/effects")["data"]) == ("pending", [], [])


def test_a_closed_period_that_moves_an_entry_is_a_difference_of_days(stage: Stage) -> None:
    """Where the settings let it be booked on the next open day."""
    document = bill(stage)
    stage.found()
    stage.add(document)
    stage.changes = {"books": {"closed_period": "next_open"}}
    job = stage.press_export(vendor_based=True)
    agreed = planned(stage, job)[0].hash
    change_book(stage, CLOSED)
    assert "differ from the plan in days, or in what is posted;" in told(stage, job, agreed)


def test_what_is_in_the_books_meanwhile_is_a_difference(stage: Stage) -> None:
    """Another job exported the entry since: it would be linked, not recorded."""
    (entry,) = stage.add({})
    first = stage.press_export()
    agreed = planned(stage, first)[0].hash
    stage.run(first)
    second = stage.call("POST", "/exports", {"entryIds": [entry]})["id"]
    assert "the items, or what becomes of them" in told(stage, second, agreed)
