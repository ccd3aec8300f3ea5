"""The dry run: that it says what the export then does, and that it writes nothing; and exports held to a plan."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from tallybook import app, dry_run
from tallybook.dry_run import Fate, JobPlan, PlannedItem
from tests.engine.conftest import postgres_server, shared_url
from tests.flow.command import Command
from tests.flow.conftest import Stage
from tests.flow.test_import_files import hands_over
from tests.flow.test_posting_journal import change_book
from tests.postings.test_killed import change

__all__ = ["postgres_server", "shared_url"]


def planned(stage: Stage, job: str) -> tuple[JobPlan, dict[str, PlannedItem]]:
    """Plan a job; its items by entry id."""

    async def plan() -> tuple[JobPlan, dict[str, PlannedItem]]:
        items: list[PlannedItem] = []
        async with app.onlooker(stage.settings(), clock=stage.clock) as company:
            found = await dry_run.plan_job(company, job, planned=items.append)
        assert len(items) == len({item.entry_id for item in items})
        return found, {item.entry_id: item for item in items}

    return asyncio.run(plan())


def lines_booked(stage: Stage) -> dict[str, list[tuple[str, int, str | None]]]:
    """Account, amount and tax code of every line in the book, by entry id, read with sqlite3."""
    found: dict[str, list[tuple[str, int, str | None]]] = {}
    with closing(sqlite3.connect(f"file:{stage.place.book}?mode=ro", uri=True)) as book:
        for entry_id, *line in book.execute(
            "SELECT e.entry_id, l.account, l.amount_minor, l.tax_code FROM entries e JOIN documents d ON d.entry = e.id"
            " JOIN lines l ON l.document = d.id ORDER BY d.id, l.position"
        ):
            found.setdefault(entry_id, []).append((line[0], line[1], line[2]))
    return found


def everything(stage: Stage) -> list[object]:
    """What there is to be changed.

    That is Pleo's effects, and what it was sent by us that was no question; every table of the book and of our
    database; and every other file in the company's folder, receipts and import files among them.
    """
    tables: dict[str, list[str]] = {}
    files: dict[str, str] = {}
    for path in sorted(path for path in stage.folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(stage.folder))
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                tables[name] = list(database.iterdump())
        elif not name.endswith(("-wal", "-shm")) and name != "changed.toml":
            files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    sent = [
        call for call in stage.journal() if call["method"] not in {"GET", "HEAD"} and "/_sandbox" not in call["path"]
    ]
    return [stage.call("GET", "/effects")["data"], [call["path"] for call in sent], tables, files]


def test_the_plan_is_what_is_then_booked_and_told_to_pleo(stage: Stage) -> None:
    """Lines, reasons with their texts, and the final event, with bills and items that fail among them."""
    stage.found(25, troubles=True)
    job = stage.press_export(vendor_based=True)
    plan, items = planned(stage, job)
    (report,) = stage.run(job)
    assert report.event is not None
    assert (plan.final.event, plan.fates[Fate.RECORD]) == (report.event.event, report.successful)
    would_be_booked = {
        entry_id: [
            (line.account, line.amount_minor, line.tax_code) for one in item.entry.documents for line in one.lines
        ]
        for entry_id, item in items.items()
        if item.entry is not None
    }
    assert would_be_booked == lines_booked(stage)
    refused = {entry: (item.result.reason, item.result.text) for entry, item in items.items() if not item.entry}
    outcomes = stage.outcomes()
    assert refused
    assert refused == {
        entry: (outcomes[entry]["failureReasonType"], outcomes[entry]["failureReason"]) for entry in refused
    }


def test_a_plan_writes_nothing_anywhere_and_fetches_no_receipt(stage: Stage) -> None:
    """Not to Pleo, the book, its receipts or the import files, nor to the database, whether there is one yet or not.

    The first job has everything to record, the second links, corrects, posts, completes and refuses.
    """
    stage.found(20, troubles=True)
    hands_over(stage)
    stage.changes["books"] |= {"on_changed": "correct", "posting": "draft", "attachments": "none"}
    first = stage.press_export()
    assert Fate.RECORD in planned_without_a_trace(stage, first)[0].fates
    stage.run(first)
    done = sorted(entry for entry, outcome in stage.outcomes().items() if outcome["status"] == "successful")
    for entry in done[::2]:
        stage.call("PATCH", f"/expenses/{entry}", {"note": "Again"})
    stage.changes["books"] |= {"posting": "posted", "attachments": "required"}
    change_book(stage, "UPDATE accounts SET open = 0 WHERE code = (SELECT account FROM lines LIMIT 1)")
    plan, items = planned_without_a_trace(stage, stage.call("POST", "/exports", {"entryIds": done})["id"])
    assert set(plan.fates) == {Fate.LINK, Fate.CORRECT, Fate.REFUSE}
    assert any(item.posts and item.files for item in items.values())


def planned_without_a_trace(stage: Stage, job: str) -> tuple[JobPlan, dict[str, PlannedItem]]:
    """Plan a job, and find everything as it was."""
    before = everything(stage)
    found = planned(stage, job)
    assert everything(stage) == before
    assert stage.job(job)["status"] == "pending"
    assert stage.journal("/files/") == []
    return found


def test_a_plan_writes_nothing_into_a_shared_database(stage: Stage, shared_url: str) -> None:
    """Every table that is in PostgreSQL has the rows it had."""
    stage.changes = {"database": {"url": shared_url}}
    (entry,) = stage.add({})
    stage.export()
    stage.changes["books"] = {"on_changed": "correct"}
    stage.call("PATCH", f"/expenses/{entry}", {"note": "Again"})
    job = stage.call("POST", "/exports", {"entryIds": [entry]})["id"]

    def rows() -> dict[str, list[str]]:
        with psycopg.connect(shared_url) as database:
            tables = database.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            return {name: sorted(str(row) for row in database.execute(f"SELECT * FROM {name}")) for (name,) in tables}

    before = rows()
    assert any(before.values())
    assert planned_without_a_trace(stage, job)[1][entry].fate is Fate.CORRECT
    assert rows() == before


def test_receipts_over_the_limit_are_refused_or_said_to_be_left_out(stage: Stage, tallybook: Command) -> None:
    """By the rule for attachments; what Pleo announces is all that is known of them."""
    (entry,) = stage.add({"files": [{"receipt": 1, "size": 900}, {"receipt": 2, "size": 90_000}]})
    job = stage.press_export()
    text = stage.place.config.read_text(encoding="utf-8")
    limited = text.replace("[pleo]", "[pleo]\nreceipt_size_bytes_max = 1000", 1)
    stage.place.config.write_text(limited, encoding="utf-8")
    refused = tallybook("plan", job)
    assert refused.code == 1
    assert "would be refused: " in refused.out
    assert "at most 1000 are allowed" in refused.told
    best_effort = limited.replace("[books]", '[books]\nattachments = "best_effort"', 1)
    stage.place.config.write_text(best_effort, encoding="utf-8")
    shown = tallybook("plan", job)
    assert (shown.code, shown.err) == (0, "")
    assert "receipt 1 would be stored: " in shown.out
    assert "left out: Attachment 2 has 90000 bytes, but at most 1000 are allowed" in shown.out
    item = json.loads(tallybook("plan", job, "--json").out.splitlines()[0])
    assert item["accountingEntryId"] == entry
    assert [each["position"] for each in item["attachments"]] == [1]
    assert "90000 bytes" in item["attachmentsLeftOut"][0]


def test_the_hash_is_the_same_for_any_size_of_page_and_at_any_time(stage: Stage) -> None:
    """And another one as soon as anything is other than it was."""
    stage.found(12, troubles=True)
    job = stage.press_export()
    first = planned(stage, job)[0].hash
    stage.changes = {"pleo": {"page_size": 5}}
    assert planned(stage, job)[0].hash == first
    stage.changes = {"books": {"posting": "draft"}}
    assert planned(stage, job)[0].hash != first


def test_the_hash_covers_whether_a_linked_draft_would_be_posted_and_the_rules_for_receipts(stage: Stage) -> None:
    """The items show neither, where the entry is in the books already."""
    stage.changes = {"books": {"posting": "draft"}}
    (entry,) = stage.add({})
    stage.export()
    job = stage.call("POST", "/exports", {"entryIds": [entry]})["id"]
    hashes = set()
    for rules in (
        {"posting": "draft"},
        {"posting": "posted"},
        {"posting": "posted", "attachments": "best_effort"},
        {"posting": "posted", "attachments_office": "refuse"},
    ):
        stage.changes = {"books": rules}
        plan, items = planned(stage, job)
        hashes.add(plan.hash)
        assert plan.untried.drafts == (rules["posting"] == "posted")
        assert (items[entry].fate, items[entry].posts) == (Fate.LINK, rules["posting"] == "posted")
    assert len(hashes) == 4


def test_the_order_of_items_does_not_count(stage: Stage) -> None:
    """The same items in another order have the same hash, one item less another."""
    stage.found(6)
    _, items = planned(stage, stage.press_export())

    def printed(some: list[PlannedItem]) -> str:
        prints = dry_run._Prints()
        for item in some:
            prints.add(item)
        return prints.text({})

    every = list(items.values())
    assert printed(every) == printed(every[::-1])
    assert printed(every) != printed(every[1:])


def test_what_is_booked_already_is_linked_and_what_changed_is_corrected(stage: Stage) -> None:
    """With the number it has, and the day its reversal would have."""
    kept, changed = stage.add({}, {"date": "2026-10-02T12:00:00Z"})
    stage.export()
    change(stage, changed, 17500)
    stage.changes = {"books": {"on_changed": "correct"}}
    numbers = dict(stage.booked())
    plan, items = planned(stage, stage.call("POST", "/exports", {"entryIds": [kept, changed]})["id"])
    assert (items[kept].fate, items[kept].result.external_id) == (Fate.LINK, numbers[kept])
    assert (items[changed].fate, items[changed].corrects) == (Fate.CORRECT, numbers[changed])
    assert str(items[changed].reversal_on) == "2026-10-02"
    assert plan.final.event == "completed"


def test_a_job_that_cannot_be_begun_would_fail_as_a_whole(stage: Stage) -> None:
    """With the reason that the export would give."""
    stage.add({})
    stage.changes = {"accounts": {"contra": None}}
    job = stage.press_export()
    plan, items = planned(stage, job)
    (report,) = stage.run(job)
    assert (plan.final, items) == (report.event, {})
    assert plan.final.reason == "missing_configuration"


@pytest.fixture
def tallybook(stage: Stage) -> Command:
    """The command, in the company's folder."""
    return Command(stage.folder)


def account_mapped(stage: Stage) -> None:
    text = stage.place.config.read_text(encoding="utf-8")
    stage.place.config.write_text(f'{text}\n[mapping.accounts]\n"3640" = "3110"\n', encoding="utf-8")


def account_closed(stage: Stage) -> None:
    change_book(stage, "UPDATE accounts SET open = 0 WHERE code = '3640'")


def drafts_wanted(stage: Stage) -> None:
    text = stage.place.config.read_text(encoding="utf-8")
    stage.place.config.write_text(text.replace('posting = "posted"', 'posting = "draft"'), encoding="utf-8")


@pytest.mark.parametrize(
    ("meanwhile", "told"),
    [
        (account_mapped, "in accounts"),
        (account_closed, "in the items, or what becomes of them"),
        (drafts_wanted, "in days, or in what is posted"),
    ],
)
def test_an_export_that_would_differ_from_its_plan_is_not_begun(
    stage: Stage, tallybook: Command, meanwhile: Callable[[Stage], None], told: str
) -> None:
    """Exit code 3, what kind of thing differs, nothing written, and the job waits."""
    stage.add({})
    job = stage.press_export()
    agreed = planned(stage, job)[0].hash
    meanwhile(stage)
    ended = tallybook("run", "--job", job, "--plan", agreed)
    assert (ended.code, ended.out) == (3, "")
    assert told in ended.told
    assert "nothing was sent or written" in ended.told
    assert (stage.job(job)["status"], stage.booked(), stage.call("GET", "/effects")["data"]) == ("pending", [], [])


def test_a_plan_on_the_command_line_ends_with_the_hash_that_run_takes(stage: Stage, tallybook: Command) -> None:
    """As JSON an item a line; and once the job is final there is nothing to plan."""
    (entry,) = stage.add({"note": "<b>=1+1</b>\u202e"})
    job = stage.press_export()
    shown = tallybook("plan", job)
    told = [json.loads(line) for line in tallybook("plan", job, "--json").out.splitlines()]
    assert shown.code == 0
    assert [one.get("accountingEntryId") for one in told] == [entry, None]
    assert [line["amount"] for line in told[0]["entry"]["documents"][0]["lines"]] == ["100.00", "-100.00"]
    assert f"--plan {told[1]['plan']}" in shown.told
    assert tallybook("run", "--job", job, "--plan", told[1]["plan"]).code == 0
    again = tallybook("plan", job)
    assert (again.code, again.out) == (1, "")
    assert "is final already (completed)" in again.told


def test_a_plan_is_of_one_job(tallybook: Command) -> None:
    """Exit code 2: which job is to be named."""
    ended = tallybook("run", "--plan", "0" * 64)
    assert (ended.code, ended.out) == (2, "")
    assert "name it with --job" in ended.told


def test_what_is_no_hash_is_no_difference(tallybook: Command) -> None:
    """A hash that was not copied whole does not look like books that changed: exit code 2."""
    ended = tallybook("run", "--job", "00000000-0000-4000-8000-000000000000", "--plan", "abc")
    assert (ended.code, ended.out) == (2, "")
    assert "takes the whole hash" in ended.told
