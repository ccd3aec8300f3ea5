"""A plain Pleo export: the guide followed line by line, one thing after the other, in one file.

    python export.py BASE_URL API_KEY COMPANY_ID [--books books.sqlite]

It is what most people would write first, and Tallybook is measured against it (see bench/run.py). It does its work
as long as nothing goes wrong midway; what it leaves out is what Tallybook is for. Needs httpx.

Source: Pleo guide, "Export integration workflow" and its how-to pages.
"""

import argparse
import json
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

ITEMS_PER_UPDATE = 100  # how-to "Update export items": up to 100 in one call

TABLES = """
CREATE TABLE IF NOT EXISTS entries (id TEXT PRIMARY KEY, day TEXT, type TEXT, reference TEXT, text TEXT);
CREATE TABLE IF NOT EXISTS postings (entry TEXT, account TEXT, currency TEXT, hundredths INTEGER, tax_code TEXT, tags TEXT);
CREATE TABLE IF NOT EXISTS receipts (entry TEXT, position INTEGER, path TEXT);
"""  # noqa: E501 - one table, one line

# Which side of the entry the wallet, the employee or the vendor is on, when it is not the credit.
MONEY_COMES_IN = {"refund", "chargeback", "cashback", "wallet_topup"}
MONEY_COMES_BACK = {"reimbursement_to_company", "reimbursement_to_employee_refund", "invoice_payment_returned"}
COUNTER_ACCOUNTS = {
    "out_of_pocket": "6820",
    "mileage": "6820",
    "per_diem": "6820",
    "external_reimbursement": "6830",
    "invoice": "6810",
}
WALLET = "5820"


class CannotBook(Exception):
    """An item that cannot be written to the books, with Pleo's reason for it."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def pages(pleo: httpx.Client, path: str, **query: str) -> Iterator[dict[str, Any]]:
    """Read all pages of a list, following the cursor."""
    while True:
        answer = pleo.get(path, params=query)
        answer.raise_for_status()
        page = answer.json()
        yield from page["data"]
        if not page["pagination"]["hasNextPage"]:
            return
        query["after"] = page["pagination"]["endCursor"]


def send_event(pleo: httpx.Client, job_id: str, event: str, **failure: str) -> None:
    """Move the job on."""
    pleo.post("/v3/export-job-events", json={"jobId": job_id, "event": event, **failure}).raise_for_status()


def open_books(path: Path) -> sqlite3.Connection:
    """Open our own books: SQLite with a write-ahead log, each commit safe on disk."""
    books = sqlite3.connect(path)
    books.execute("PRAGMA journal_mode=WAL")
    books.execute("PRAGMA synchronous=FULL")
    books.executescript(TABLES)
    return books


def postings(item: dict[str, Any]) -> list[tuple[str, str, int, str | None, str]]:
    """Make the postings of one item; they add up to zero."""
    made = []
    total = 0
    currency = item["amount"]["inWalletCurrency"]["currency"]
    sign = -1 if item["type"] in MONEY_COMES_IN or item.get("subType") in MONEY_COMES_BACK else 1
    for line in item["accountingEntryLines"]:
        if not line.get("account"):
            raise CannotBook("missing_configuration", "The expense has no category; choose one in Pleo.")
        amount = sign * line["lineAmount"]["inWalletCurrency"]["value"]
        tax = line.get("tax") or {}
        tags = ",".join(f"{tag['groupCode']}:{tag['code']}" for tag in line.get("tags") or [])
        share = sign * tax["amount"]["inWalletCurrency"]["value"] if tax else 0
        reverse = tax.get("type") == "reverse"
        made.append((line["account"]["code"], currency, amount if reverse else amount - share, tax.get("code"), tags))
        if share:
            made.append((tax.get("ingoingTaxAccount") or "6903", currency, share, tax.get("code"), ""))
        if share and reverse:
            made.append((tax.get("outgoingTaxAccount") or "6902", currency, -share, tax.get("code"), ""))
        total += amount
    contra = (item.get("contraAccount") or {}).get("code")
    made.append((contra or COUNTER_ACCOUNTS.get(item["type"], WALLET), currency, -total, None, ""))
    return made


def download(web: httpx.Client, item: dict[str, Any], folder: Path) -> list[Path]:
    """Fetch the receipts of one item, one after the other."""
    paths = []
    for position, file in enumerate(item.get("files") or [], start=1):
        answer = web.get(file["url"])
        answer.raise_for_status()
        path = folder / f"{item['accountingEntryId']}-{position}.{file['type'].rsplit('/', 1)[-1]}"
        path.write_bytes(answer.content)
        paths.append(path)
    return paths


def book(books: sqlite3.Connection, web: httpx.Client, item: dict[str, Any], folder: Path) -> str:
    """Write one item with its receipts to the books and return the entry's id there."""
    entry_id: str = item["accountingEntryId"]
    rows = postings(item)
    try:
        paths = download(web, item, folder)
    except httpx.HTTPError as error:
        raise CannotBook("receipt_download_failure", f"A receipt could not be downloaded: {error}") from error
    names = [(item.get("supplier") or {}).get("name"), (item.get("user") or {}).get("name"), item.get("note")]
    text = " · ".join(name for name in names if name)
    entry = (entry_id, item["date"][:10], item["type"], item["additionalInformation"]["reconciliationId"], text)
    try:
        with books:
            books.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", entry)
            books.executemany("INSERT INTO postings VALUES (?, ?, ?, ?, ?, ?)", [(entry_id, *row) for row in rows])
            books.executemany(
                "INSERT INTO receipts VALUES (?, ?, ?)", [(entry_id, n, str(path)) for n, path in enumerate(paths, 1)]
            )
    except sqlite3.Error as error:
        raise CannotBook("accounting_system_validation_failure", f"The books refused the entry: {error}") from error
    return entry_id


def result_of(books: sqlite3.Connection, web: httpx.Client, item: dict[str, Any], folder: Path) -> dict[str, str]:
    """Book one item and say in Pleo's words how it went."""
    result = {"accountingEntryId": item["accountingEntryId"]}
    try:
        external_id = book(books, web, item, folder)
    except CannotBook as error:
        return result | {"status": "failed", "failureReasonType": error.reason, "failureReason": str(error)}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return result | {"status": "successful", "externalId": external_id, "exportedAt": now}


def export(pleo: httpx.Client, job: dict[str, Any], books: sqlite3.Connection, folder: Path) -> tuple[str, int, int]:
    """Carry one job from start to end: the final event, items booked, items failed."""
    job_id = job["id"]
    send_event(pleo, job_id, "started")
    open_ids = {
        item["accountingEntryId"]
        for item in pages(pleo, f"/v3/export-jobs/{job_id}/items")
        if item["status"] in {"pending", "in_progress"}
    }
    items = [i for i in pages(pleo, "/v3/export-items", job_id=job_id) if i["accountingEntryId"] in open_ids]
    with httpx.Client(timeout=30) as web:  # the links to receipts need no key
        results = [result_of(books, web, item, folder) for item in items]
    for first in range(0, len(results), ITEMS_PER_UPDATE):
        some = results[first : first + ITEMS_PER_UPDATE]
        pleo.put(f"/v3/export-jobs/{job_id}/items", json=some).raise_for_status()
    failed = sum(result["status"] == "failed" for result in results)
    if results and failed == len(results):
        reason = "None of the expenses could be booked; each of them says why."
        send_event(pleo, job_id, "failed", failureReasonType="validation_failure", failureReason=reason)
        return "failed", 0, failed
    event = "completed_with_errors" if failed else "completed"
    send_event(pleo, job_id, event)
    return event, len(results) - failed, failed


def main() -> int:
    """Export the oldest pending job."""
    parser = argparse.ArgumentParser(description="Export the oldest pending Pleo job into books of our own.")
    parser.add_argument("base_url")
    parser.add_argument("api_key")
    parser.add_argument("company_id")
    parser.add_argument("--books", type=Path, default=Path("books.sqlite"))
    arguments = parser.parse_args()
    folder = arguments.books.with_name("receipts")
    folder.mkdir(parents=True, exist_ok=True)
    with httpx.Client(base_url=arguments.base_url, auth=(arguments.api_key, ""), timeout=30) as pleo:
        pending = list(pages(pleo, "/v3/export-jobs", company_id=arguments.company_id, statuses="pending"))
        if not pending:
            print("Nothing is waiting to be exported.")
            return 0
        books = open_books(arguments.books)
        try:
            event, booked, failed = export(pleo, min(pending, key=lambda job: job["createdAt"]), books, folder)
        finally:
            books.close()
    print(json.dumps({"event": event, "successful": booked, "failed": failed}))
    return 0 if event == "completed" else 1


if __name__ == "__main__":
    sys.exit(main())
