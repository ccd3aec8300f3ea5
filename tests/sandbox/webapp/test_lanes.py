"""The three lanes: what is shown, found, moved and exported."""

import re
from typing import Any

import pytest

from tests.sandbox.webapp.conftest import Pages, text_of

LINE = {"lineAmount": {side: {"currency": "DKK", "value": 100} for side in ("inSupplierCurrency", "inWalletCurrency")}}


def expense(supplier: str, **more: Any) -> dict[str, Any]:
    return {"supplier": {"name": supplier}, "files": [{"receipt": 1}]} | more


@pytest.fixture
def shop(pages: Pages) -> Pages:
    """Three expenses that differ in everything one can look for."""
    category = {"code": "2010", "name": "Prototypes"}
    pages.pleo.add(
        expense("Åkjær", date="2026-10-01T08:00:00Z", accountingEntryLines=[LINE | {"account": category}]),
        expense("Nordlys", date="2026-10-15T08:00:00Z", accountingEntryLines=[LINE | {"account": None}]),
        expense("Sundets", date="2026-10-31T23:00:00Z", files=[], user={"name": "Élise"}, note="To the client"),
    )
    return pages


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Åkjær", "Nordlys", "Sundets"]),
        ("from=2026-10-15", ["Nordlys", "Sundets"]),
        ("from=2026-10-02&to=2026-10-31", ["Nordlys", "Sundets"]),
        ("to=2026-10-14", ["Åkjær"]),
        ("category=2010", ["Åkjær"]),
        ("category=none", ["Nordlys"]),
        ("receipt=missing", ["Sundets"]),
        ("text=ÅKJ", ["Åkjær"]),
        ("text=élise", ["Sundets"]),
        ("text=client", ["Sundets"]),
        ("text=client&receipt=missing&from=2026-11-01", []),
        ("from=soon&page=99999999999", ["Åkjær", "Nordlys", "Sundets"]),
    ],
)
def test_lane_shows_what_is_looked_for(shop: Pages, query: str, found: list[str]) -> None:
    """By date, category, missing receipt and text, alone and together; nonsense is passed over."""
    assert shop.suppliers(query) == found


def test_selected_expenses_move_to_the_queue_and_back(shop: Pages) -> None:
    """The queue says it is locked, and offers to take back."""
    first, second, _ = [row["id"] for row in shop.pleo.ok(shop.pleo.http.get("/_sandbox/expenses"))["data"]]
    page = text_of(shop.post("/queue", into="queue", what="selected", entry=[first, second]))
    assert "2 expenses were moved to the export queue." in page
    assert "2 expenses, locked" in page
    assert shop.suppliers("lane=queue") == ["Åkjær", "Nordlys"]
    page = text_of(shop.post("/queue", into="unexported", entry=first))
    assert "1 expense was taken back" in page
    assert shop.suppliers("lane=queue") == ["Nordlys"]


def test_all_shown_are_moved_on_every_page_and_no_other(pages: Pages) -> None:
    """Pages hold fifty; the button for all means all that match."""
    pages.pleo.add(*[expense("Papirgården")] * 60, expense("Fjordnet"))
    assert len(pages.suppliers()) == 50
    assert len(pages.suppliers("page=2")) == 11
    pages.post("/queue", into="queue", what="shown", text="papir")
    assert pages.suppliers() == ["Fjordnet"]
    assert len(pages.suppliers("lane=queue&page=2")) == 10


def press(shop: Pages, query: str, button: str) -> str:
    """Send the form of a lane with all its hidden fields, as a browser does, by its button for all that is shown."""
    page = shop.get(f"/?{query}")
    (inside,) = re.findall(r'<form[^>]* id="selection" action="/queue">(.*?)</form>', page, re.DOTALL)
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', inside)
    names = [name for name, _ in fields]
    assert len(names) == len(set(names))  # of a field sent twice one is lost
    assert re.search(f'value="shown"[^>]*>{button}<', inside)
    return text_of(shop.post("/queue", **dict(fields), what="shown"))


@pytest.mark.parametrize("query", ["to=2026-10-15", "from=2026-10-01&to=2026-10-16&receipt="])
def test_all_up_to_a_day_move_and_no_other(shop: Pages, query: str) -> None:
    """As many as the lane shows, and as its button names; taking all back keeps to the day as well."""
    assert len(shop.suppliers(query)) == 2
    assert "2 expenses were moved to the export queue." in press(shop, query, "Move all 2")
    assert shop.suppliers() == ["Sundets"]
    shop.post("/queue", into="queue", what="shown")
    assert "1 expense was taken back" in press(shop, "lane=queue&to=2026-10-14", "Take all back")
    assert shop.suppliers("lane=queue") == ["Nordlys", "Sundets"]


def test_all_on_the_page_can_be_selected_without_scripts(shop: Pages) -> None:
    """A link shows the lane with every box ticked; another takes the ticks away."""
    assert shop.get("/?select=all").count("checked>") == 3 + 1  # and the box of the Export button
    assert shop.get("/?select=none").count("checked>") == 1


def test_nothing_selected_is_said_and_changes_nothing(shop: Pages) -> None:
    """Neither lane nor job comes of an empty selection."""
    assert "Nothing was selected." in text_of(shop.post("/queue", into="queue"))
    assert "Nothing was selected." in text_of(shop.post("/export", what="queue"))
    assert shop.pleo.ok(shop.pleo.http.get("/_sandbox/jobs"))["data"] == []


def test_export_makes_a_pending_job_of_the_queue_in_the_bookkeepers_name(shop: Pages) -> None:
    """As the control does, with who pressed; and a subscriber is told."""
    address = {"endpointUrl": "http://127.0.0.1:9/hook", "eventTypes": ["v1.export-job.created"]}
    shop.pleo.ok(shop.pleo.http.post("/v1/subscriptions", json=address))
    shop.post("/queue", into="queue", what="shown")
    page = text_of(shop.post("/export", what="queue", vendor_based="yes"))
    assert "Waiting to be started" in page
    (job,) = shop.pleo.ok(shop.pleo.http.get("/v3/export-jobs"))["data"]
    assert (job["status"], job["numberOfItems"], job["vendorBasedBookkeeping"]) == ("pending", 3, True)
    assert "Maja Østergaard" in shop.seen("/jobs")
    (delivery,) = shop.pleo.ok(shop.pleo.http.get("/_sandbox/webhooks/deliveries"))["data"]
    assert delivery["jobId"] == job["id"]


def test_what_is_being_exported_cannot_be_moved_or_exported_again(shop: Pages) -> None:
    """The queue shows it without a box to tick; a form made by hand is refused."""
    (entry, *_) = [row["id"] for row in shop.pleo.ok(shop.pleo.http.get("/_sandbox/expenses"))["data"]]
    shop.export(entry)
    page = shop.get("/?lane=queue")
    assert "being exported" in page
    assert 'name="entry"' not in page
    shop.post("/queue", 409, into="unexported", entry=entry)
    assert "is not finished" in text_of(shop.post("/export", 409, lane="exported", entry=entry))


def test_taking_all_back_leaves_what_is_being_exported(shop: Pages) -> None:
    """The queue holds both; only what waits for the next export returns."""
    first, second, _ = [row["id"] for row in shop.pleo.ok(shop.pleo.http.get("/_sandbox/expenses"))["data"]]
    shop.export(first)
    shop.post("/queue", into="queue", entry=second)
    assert "1 expense was taken back" in text_of(shop.post("/queue", into="unexported", what="shown"))
    assert (shop.pleo.lane(first), shop.pleo.lane(second)) == ("queue", "unexported")


def test_exported_expense_is_locked_and_can_be_exported_again(pages: Pages) -> None:
    """A second job carries it; the first stays as it is."""
    (entry,) = pages.pleo.add(expense("Fjordnet"))
    done = {"accountingEntryId": entry, "status": "successful", "externalId": "JE-1"}
    pages.ended(pages.export(entry), "completed", done)
    assert "1 expense, locked" in pages.seen("/?lane=exported")
    pages.post("/queue", 409, into="queue", entry=entry)
    pages.post("/export", lane="exported", what="selected", entry=entry)
    assert pages.pleo.lane(entry) == "queue"
    assert len(pages.pleo.ok(pages.pleo.http.get("/_sandbox/jobs"))["data"]) == 2


@pytest.mark.parametrize(
    ("form", "status"),
    [({"into": "queue", "entry": "x' OR 1=1"}, 400), ({"into": "exported"}, 400), ({"into": "limbo"}, 404)],
)
def test_form_made_by_hand_is_refused_in_words(pages: Pages, form: dict[str, str], status: int) -> None:
    """What no page of ours sends gets one sentence."""
    assert "Back to the export page" in pages.post("/queue", status, **form)


def test_no_page_renders_a_whole_large_world(pages: Pages) -> None:
    """Ten thousand expenses are shown fifty at a time."""
    pages.pleo.found(world="demo", items=10_000, troubles=False)
    page = pages.get("/")
    assert "Page 1 of 200" in page
    assert len(re.findall('name="entry"', page)) == 50
    assert len(page) < 200_000
    assert "Page 1 of" in pages.get("/?text=papirg")
