"""Export items: the content of the entries, and documents served exactly as they were given."""

import json
from typing import Any

import pytest

UNKNOWN = "11111111-1111-4111-8111-111111111111"
JSON = {"content-type": "application/json"}


def add_raw(pleo: Any, *documents: str) -> list[str]:
    body = "[" + ",".join(f'{{"raw": true, "document": {document} }}' for document in documents) + "]"
    ids: list[str] = pleo.ok(pleo.http.post("/_sandbox/expenses", content=body, headers=JSON))["ids"]
    return ids


def test_documents_are_readable_while_pending_and_in_progress_only(pleo: Any) -> None:
    """After the end the content cannot be read."""
    job_id, ids = pleo.job_of(2)
    assert [document["accountingEntryId"] for document in pleo.documents(job_id)] == ids
    pleo.event(job_id, "started")
    assert len(pleo.documents(job_id)) == 2
    pleo.event(job_id, "completed")
    answer = pleo.http.get("/v3/export-items", params={"job_id": job_id})
    assert (answer.status_code, answer.json()["type"]) == (422, "EXPORT_JOB_STATUS_UNPROCESSABLE")


def test_without_job_id_the_unfinished_job_is_read(pleo: Any) -> None:
    """No job named means the one that is unfinished; with none the page is empty."""
    assert pleo.ok(pleo.http.get("/v3/export-items"))["data"] == []
    _, ids = pleo.job_of(1)
    assert [document["accountingEntryId"] for document in pleo.ok(pleo.http.get("/v3/export-items"))["data"]] == ids


def test_unknown_job_is_a_404(pleo: Any) -> None:
    """An empty page for a job that never was would pass for a job without items."""
    answer = pleo.http.get("/v3/export-items", params={"job_id": UNKNOWN})
    assert (answer.status_code, answer.json()["type"]) == (404, "EXPORT_NOT_FOUND")


def test_missing_contra_accounts_are_a_400_on_reading(pleo: Any) -> None:
    """A mapping lost after the job was made stops the reading."""
    job_id, _ = pleo.job_of(1)
    pleo.ok(pleo.http.patch("/_sandbox/world", json={"contraAccounts": False}))
    answer = pleo.http.get("/v3/export-items", params={"job_id": job_id})
    assert (answer.status_code, answer.json()["type"]) == (400, "MISSING_CONTRA_ACCOUNTS")


@pytest.mark.parametrize("vendor_based", [True, False])
def test_vendor_and_bookkeeping_only_in_a_vendor_based_job(pleo: Any, vendor_based: bool) -> None:
    """The two members are there when the job asks for them, and else absent."""
    pleo.add({"vendor": {"id": UNKNOWN, "name": "V", "defaultCurrency": "EUR"}, "bookkeeping": {"method": "journal"}})
    (document,) = pleo.documents(pleo.export(vendorBasedBookkeeping=vendor_based)["id"])
    assert ("vendor" in document, "bookkeeping" in document) == (vendor_based, vendor_based)


def test_partial_expense_is_filled_in(pleo: Any) -> None:
    """A test names what it is about; the rest is a sound card purchase in which lines and header agree."""
    money = {"currency": "EUR", "value": 4200}
    pleo.add({"type": "refund", "amount": {"inSupplierCurrency": money, "inWalletCurrency": money}, "note": None})
    (document,) = pleo.documents(pleo.export()["id"])
    assert document["type"] == "refund"
    assert document["companyId"] == pleo.company_id
    (line,) = document["accountingEntryLines"]
    assert line["lineAmount"] == document["amount"]
    assert line["account"]["code"]


def test_header_follows_given_lines(pleo: Any) -> None:
    """Lines without a header amount are added up."""

    def line(value: int) -> dict[str, Any]:
        money = {"currency": "EUR", "value": value}
        return {"lineAmount": {"inSupplierCurrency": money, "inWalletCurrency": money}}

    pleo.add({"accountingEntryLines": [line(100), line(-30)]})
    (document,) = pleo.documents(pleo.export()["id"])
    assert document["amount"]["inWalletCurrency"] == {"currency": "EUR", "value": 70}


def test_numbers_of_a_filled_in_expense_survive_exactly(pleo: Any) -> None:
    """Neither beyond 2^53 nor behind the point is a digit lost."""
    body = '[{"x": 9007199254740993, "y": 1.10, "z": 1E+400, "w": -0.0000000000000000000000012345678901234567890}]'
    pleo.ok(pleo.http.post("/_sandbox/expenses", content=body, headers=JSON))
    pleo.export()
    text = pleo.http.get("/v3/export-items").text
    for member in ('"x":9007199254740993', '"y":1.10', '"z":1E+400', '"w":-1.2345678901234567890E-24'):
        assert member in text


@pytest.mark.parametrize(
    "document",
    [
        '{"type" : 7, "amount":9007199254740993000000000000000000001, "rate": 1.10, "e": 1e400}',
        '"only a text with \\u0000 and \\ud800 in it"',
        "null",
        "[ [ ], {} ]",
        '{"accountingEntryId": "not a uuid", "accountingEntryId": "twice"}',
        '{"note": "quotes \\" backslash \\\\ brackets ]}{[ and, commas: æøå €"}',
    ],
)
def test_raw_document_is_served_byte_for_byte(pleo: Any, document: str) -> None:
    """What a hostile server could send, the sandbox sends, exactly."""
    add_raw(pleo, document)
    pleo.export()
    answer = pleo.http.get("/v3/export-items")
    assert document in answer.text
    assert answer.text.startswith('{"data":[' + document + '],"pagination":')


def test_entry_twice_in_one_page(pleo: Any) -> None:
    """A raw document may repeat an entry: one item, two documents."""
    (entry,) = pleo.add({})
    add_raw(pleo, json.dumps({"accountingEntryId": entry, "second": True}))
    job = pleo.export()
    assert job["numberOfItems"] == 1
    documents = pleo.documents(job["id"])
    assert [document["accountingEntryId"] for document in documents] == [entry, entry]
    assert pleo.ok(pleo.http.get("/v3/export-items"))["pagination"]["total"] == 2


def test_document_added_to_an_entry_of_a_running_job_is_served(pleo: Any) -> None:
    """Also a page that changes while it is read can be had."""
    _, (entry,) = pleo.job_of(1)
    add_raw(pleo, json.dumps({"accountingEntryId": entry}))
    page = pleo.ok(pleo.http.get("/v3/export-items"))
    assert (len(page["data"]), page["pagination"]["total"]) == (2, 2)


def test_documents_come_in_pleos_order_not_the_jobs(pleo: Any) -> None:
    """Items and documents are joined by id, never by place."""
    ids = pleo.add({}, {})
    job_id = pleo.export(ids[1], ids[0])["id"]
    assert list(pleo.items(job_id)) == [ids[1], ids[0]]
    assert [document["accountingEntryId"] for document in pleo.documents(job_id)] == ids


def test_type_nobody_knows_is_served(pleo: Any) -> None:
    """The type is an open string."""
    pleo.add({"type": "time_travel"})
    assert pleo.documents(pleo.export()["id"])[0]["type"] == "time_travel"
