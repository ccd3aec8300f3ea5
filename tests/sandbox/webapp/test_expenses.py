"""One expense on the pages: all of it, whatever its shape, and mending it."""

import json
import re
from typing import Any

import httpx
import pytest

from tallybook.sandbox import world
from tests.sandbox.webapp.conftest import Pages, text_of


def test_page_shows_lines_tax_tags_receipt_and_the_raw_item(pages: Pages) -> None:
    """The first expense of the demo company, to the last digit of its JSON."""
    pages.pleo.found(world="demo", items=1)
    entry = pages.pleo.ok(pages.pleo.http.get("/_sandbox/expenses"))["data"][0]["id"]
    page = pages.seen(f"/expenses/{entry}")
    assert "1 2020 Materials and samples I25 CC 130, PROJ P2611 1365.11 DKK 273.02 DKK 1365.11 DKK" in page
    assert "Save receipt 1 (application/pdf, 6364 bytes)" in page
    assert '"rate": 0.25,' in page
    assert "/files/" in page


def test_way_through_jobs_names_each_with_its_outcome_and_link(pages: Pages) -> None:
    """A failure, then a success with its number in the books."""
    (entry,) = pages.pleo.add({})
    pages.ended(pages.export(entry), "failed")
    done = {
        "accountingEntryId": entry,
        "status": "successful",
        "externalId": "JE-7",
        "externalUrl": "https://b.example/7",
    }
    pages.ended(pages.export(entry), "completed", done)
    page = pages.get(f"/expenses/{entry}")
    assert 'href="https://b.example/7" rel="noopener noreferrer"' in page
    assert text_of(page).index("Not exported") < text_of(page).index("JE-7")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "ftp://b.example", "//b.example", "http://", "x"]
)
def test_link_that_is_no_web_address_is_text(pages: Pages, url: str) -> None:
    """Only http and https can be followed."""
    (entry,) = pages.pleo.add({"files": [{"url": url, "type": "application/pdf", "size": 1}]})
    done = {"accountingEntryId": entry, "status": "successful", "externalId": "JE-7", "externalUrl": url}
    job = pages.export(entry)
    pages.ended(job, "completed", done)
    for path in (f"/expenses/{entry}", f"/jobs/{job}"):
        page = pages.get(path)
        assert f'href="{url}"' not in page
        assert re.search(f'<code [^>]*dir="auto">{re.escape(url)}</code>', page)


def test_receipt_is_saved_and_its_picture_can_do_nothing(pages: Pages) -> None:
    """The types are ours, whatever the item says, and the file is sandboxed."""
    (entry,) = pages.pleo.add(
        {"files": [{"receipt": 1, "type": "text/html"}, {"receipt": 2, "type": "image/jpeg", "size": 20_000}]}
    )

    def fetched(path: str) -> httpx.Response:
        answer: httpx.Response = pages.pleo.http.get(f"/expenses/{entry}/receipts/{path}")
        assert answer.headers["content-security-policy"].startswith("sandbox;")
        assert answer.headers["x-content-type-options"] == "nosniff"
        return answer

    file, photo, preview = fetched("1"), fetched("2"), fetched("1?preview")
    assert file.headers["content-type"] == "application/pdf"
    assert file.headers["content-disposition"] == 'attachment; filename="receipt-1.pdf"'
    assert photo.headers["content-type"] == preview.headers["content-type"] == "image/jpeg"
    assert preview.content.startswith(b"\xff\xd8")
    pages.get(f"/expenses/{entry}/receipts/3", 404)
    pages.get(f"/expenses/{entry}/receipts/one", 404)


@pytest.mark.parametrize(
    "document",
    [None, 7, "text", [], {}, {"accountingEntryLines": ["ab", 3], "files": [None, 5], "amount": [], "supplier": "x"},
     {"date": 5, "type": None, "note": {}, "accountingEntryLines": {}, "vendor": [], "user": {"name": ["x"]}},
     {"amount": {"inWalletCurrency": {"value": 1.5, "currency": "DKK"}}, "supplier": {"name": "\ud800"}},
     {"files": [{"receipt": -1}, {"receipt": "x"}], "subType": 9, "bookkeeping": 1}],
)  # fmt: skip
def test_document_of_any_shape_is_shown(pages: Pages, document: Any) -> None:
    """No shape a test may think of breaks a page."""
    body = json.dumps([{"raw": True, "document": document}])
    (entry,) = pages.pleo.ok(pages.pleo.http.post("/_sandbox/expenses", content=body))["ids"]
    job = pages.export(entry)
    pages.ended(job, "failed")
    for path in ("/", "/?text=x&category=none&receipt=missing", f"/expenses/{entry}", f"/jobs/{job}",
                 f"/jobs/{job}/errors", f"/expenses/{entry}/mend"):  # fmt: skip
        pages.get(path)
    form = {"line-1-category": "2010", "line-1-tax": "I25", "line-1-tag-CC": "110", "date": "2026-10-01"}
    assert pages.pleo.http.post(f"/expenses/{entry}/mend", data=form).status_code in {303, 400}


HOSTILE = ['<script>alert("x")</script>', "<b>&amp;", "\u202edrawkcab", "🧾" * 40, "long " * 2000, "x" * 10_000]


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_people_are_text(pages: Pages, text: str) -> None:
    """Names, notes and reasons are shown as they were typed, in an element that keeps their direction to itself."""
    (entry,) = pages.pleo.add({"note": text, "supplier": {"name": text}, "user": {"name": text}})
    job = pages.export(entry)
    failure = {"failureReason": text, "failureReasonType": "validation_failure", "externalId": text[:99]}
    pages.ended(job, "completed_with_errors", {"accountingEntryId": entry, "status": "failed"} | failure)
    for path in ("/", f"/expenses/{entry}", f"/jobs/{job}/errors"):
        page = pages.get(path)
        assert "<script>alert" not in page
        assert "<b>" not in page
        assert text.strip() in " ".join([text_of(page)] if "long" not in text else [page])


CHOICES = [
    {"line-1-category": "{category}"},
    {"line-1-category": "{category}"},
    {"line-1-tax": "I25"},
    {"date": "{date}"},
    {"line-1-tag-CC": "{centre}"},
    {"vendor": "V1011"},
]


@pytest.mark.parametrize("number", range(6), ids=world.TROUBLES)
def test_each_trouble_is_mended_by_the_choice_a_bookkeeper_makes(pages: Pages, number: int) -> None:
    """The mended expense is the one that would have been there without the trouble."""
    place = 3 * number + 2
    sound = list(world.expenses(1, 18, troubles=False))[place]
    line = sound.document["accountingEntryLines"][0]
    known = {
        "category": line["account"]["code"],
        "date": sound.document["date"][:10],
        "centre": line["tags"][0]["code"],
    }
    form = {name: value.format(**known) for name, value in CHOICES[number].items()}
    pages.pleo.found(world="demo", items=18)
    page = pages.post(f"/expenses/{sound.entry_id}/mend", **form)
    assert "The expense was changed." in page
    pages.pleo.export(sound.entry_id, vendorBasedBookkeeping=True)
    (document,) = pages.pleo.documents(pages.pleo.ok(pages.pleo.http.get("/_sandbox/jobs"))["data"][0]["id"])
    for file, kept in zip(document["files"] or [], sound.document["files"] or [], strict=True):
        file["url"] = kept.pop("receipt")
        kept["url"] = file["url"]
    del document["_links"]
    assert document == sound.document
    (change,) = pages.pleo.ok(pages.pleo.http.get("/_sandbox/mends"))["data"]
    assert change["id"] == sound.entry_id
    assert next(iter(form.values())) in change["what"]
    assert pages.pleo.ok(pages.pleo.http.post("/_sandbox/mend"))["mended"] != []  # the others' still stand
    assert len(pages.pleo.ok(pages.pleo.http.get("/_sandbox/mends"))["data"]) == 6


def test_form_left_as_it_is_changes_nothing(pages: Pages) -> None:
    """Every field is sent, none says anything new, and nothing is written down."""
    pages.pleo.found(world="demo", items=1)
    (state,) = pages.pleo.ok(pages.pleo.http.get("/_sandbox/expenses?documents=true"))["data"]
    form = {
        "line-1-category": "keep",
        "line-1-tax": "I25",
        "line-1-tag-CC": "keep",
        "vendor": "keep",
        "date": "2026-09-20",
    }
    assert "Nothing was changed" in pages.post(f"/expenses/{state['id']}/mend", **form)
    assert pages.pleo.ok(pages.pleo.http.get("/_sandbox/expenses?documents=true"))["data"] == [state]
    assert pages.pleo.ok(pages.pleo.http.get("/_sandbox/mends"))["data"] == []


def test_another_tax_code_shares_the_amount_out_anew(pages: Pages) -> None:
    """Exclusive: the net amount no longer contains the tax; none: there is no tax."""
    (entry,) = pages.pleo.add({})

    def line(**chosen: Any) -> Any:
        body = {"lines": [{"line": 1} | chosen]}
        pages.pleo.ok(pages.pleo.http.post(f"/_sandbox/expenses/{entry}/mend", json=body))
        document = pages.pleo.ok(pages.pleo.http.get(f"/_sandbox/expenses/{entry}"))["document"]
        return document["accountingEntryLines"][0]

    mended = line(taxCode="X25", category=None, tags={"CC": "110"})
    assert mended["netAmount"]["inWalletCurrency"]["value"] == 8000
    assert mended["tax"]["amount"]["inWalletCurrency"]["value"] == 2000
    assert (mended["tax"]["type"], mended["account"], mended["tags"][0]["code"]) == ("exclusive", None, "110")
    mended = line(taxCode=None, tags={"CC": None, "PROJ": "P2601"})
    assert (mended["netAmount"], mended["tax"]) == (mended["lineAmount"], None)
    assert [tag["code"] for tag in mended["tags"]] == ["P2601"]


@pytest.mark.parametrize(
    "asked",
    [
        {"lines": [{"line": 2}]},
        {"lines": [{"line": 1, "category": "9999"}]},
        {"lines": [{"line": 1, "taxCode": "X"}]},
        {"lines": [{"line": 1, "tags": {"CC": "X"}}]},
        {"lines": [{"line": 1, "tags": {"X": "110"}}]},
        {"vendor": "V9"},
        {"date": "soon"},
        {"colour": "red"},
    ],
)
def test_what_the_books_do_not_have_cannot_be_chosen(pages: Pages, asked: Any) -> None:
    """The refusal names it, and the expense stays as it was."""
    (entry,) = pages.pleo.add({})
    before = pages.pleo.ok(pages.pleo.http.get(f"/_sandbox/expenses/{entry}"))
    answer = pages.pleo.http.post(f"/_sandbox/expenses/{entry}/mend", json=asked)
    assert (answer.status_code, answer.json()["type"]) == (400, "BAD_REQUEST")
    assert pages.pleo.ok(pages.pleo.http.get(f"/_sandbox/expenses/{entry}")) == before


def test_expense_is_mended_only_while_it_is_unexported(pages: Pages) -> None:
    """Queued, being exported, exported: the page offers nothing and the form is refused."""
    (entry,) = pages.pleo.add({})

    def refused() -> None:
        assert "/mend" not in pages.get(f"/expenses/{entry}")
        pages.get(f"/expenses/{entry}/mend", 409)
        pages.post(f"/expenses/{entry}/mend", 409, date="2026-10-01")
        answer = pages.pleo.http.post(f"/_sandbox/expenses/{entry}/mend", json={"date": "2026-10-01"})
        assert (answer.status_code, answer.json()["type"]) == (409, "EXPENSE_LOCKED")

    pages.post("/queue", into="queue", entry=entry)
    refused()
    pages.post("/export", what="queue")
    refused()
    job = pages.pleo.ok(pages.pleo.http.get("/_sandbox/jobs"))["data"][0]["id"]
    pages.ended(job, "completed", {"accountingEntryId": entry, "status": "successful"})
    refused()
    assert pages.pleo.ok(pages.pleo.http.get("/_sandbox/mends"))["data"] == []


def test_date_that_is_none_is_said_on_the_form(pages: Pages) -> None:
    """The form comes again, with what is wrong."""
    (entry,) = pages.pleo.add({})
    assert "The date is no day of the calendar" in pages.post(f"/expenses/{entry}/mend", 400, date="2026-02-30")


def test_mending_leads_back_to_the_errors_which_say_what_was_changed(pages: Pages) -> None:
    """The mended expense is ticked, to be exported again."""
    (entry,) = pages.pleo.add({})
    job = pages.export(entry)
    pages.ended(job, "failed", {"accountingEntryId": entry, "status": "failed", "failureReasonType": "account_unknown"})
    page = pages.post(f"/expenses/{entry}/mend", job=job, **{"line-1-category": "2010"})
    assert "Changed since Line 1: category 2010." in text_of(page)
    assert f'value="{entry}" checked>' in page
    pages.post(f"/expenses/{entry}/mend", 404, job="../../_sandbox", date="2026-10-01")
