import csv
import hashlib
import io
import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tallybook.accounting.entry import Attachment, Entry, Recorded
from tallybook.accounting.errors import AccountingUnreachable
from tallybook.adapters.book import reference
from tallybook.adapters.book.database import opened
from tallybook.adapters.book.export import Exported, export
from tallybook.adapters.book.folder import ExportFolder
from tallybook.adapters.book.reading import balances
from tallybook.adapters.book.system import Book
from tallybook.errors import SettingsError
from tallybook.money import Money, decimal_text

Program = Callable[..., CompletedProcess[str]]


def _export(book_path: Path, folder: Path) -> Exported:
    with opened(book_path) as file:
        return export(file, folder)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _assert_accepted(program: Program, folder: Path) -> None:
    for command in (
        ("bean-check", "--no-cache", folder / "main.beancount"),
        ("hledger", "-f", folder / "main.journal", "check", "--strict"),
    ):
        done = program(*command)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def rows(done: CompletedProcess[str]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(done.stdout)))[1:]


def _totals(program: Program, folder: Path) -> list[set[tuple[str, str, str]]]:
    """Account, currency and total, as Beancount and as hledger see them, without what is zero."""
    query = "SELECT account, currency, sum(number) AS total GROUP BY account, currency"
    beans = program("bean-query", "-f", "csv", folder / "main.beancount", query)
    hledger = program(
        "hledger", "-f", folder / "main.journal", "balance", "--no-total", "--flat", "-O", "csv", "--layout", "bare"
    )
    return [
        {
            (account, currency, total.strip())
            for account, currency, total in list(csv.reader(io.StringIO(done.stdout)))[1:]
        }
        for done in (beans, hledger)
    ]


@pytest.fixture
async def full(book: Book, make: Any, tmp_path: Path, book_path: Path) -> Path:
    """Fill the book: every kind of document, three exponents, receipts, drafts, posted entries, closed months."""
    with opened(book_path) as file:
        reference.update(file, reference.Reference(accounts=(reference.AccountRow(code="new", currency="BHD"),)))
    entries: list[Entry] = [
        make.entry(make.purchase(123_45), on=date(2026, 1, 5)),
        make.entry(make.purchase(-50_01), on=date(2026, 1, 31)),
        make.entry(make.purchase(7, "JPY"), make.purchase(1234, "BHD", "new"), on=date(2026, 1, 31)),
        make.entry(make.purchase(2**62, account="6072/b c"), on=date(2026, 2, 1)),
        make.entry(make.bill(100_00, "a"), make.payment(100_00, "a"), on=date(2026, 2, 28)),
        make.entry(make.bill(-30_00, "b"), on=date(2026, 3, 1)),
        make.entry(make.payment(-30_00, "b"), on=date(2026, 3, 2)),
        make.entry(make.purchase(0), on=date(2026, 3, 2)),
        make.entry(make.purchase(2**62), on=date(2099, 12, 31)),
    ]
    entries[0] = replace(
        entries[0],
        original_on=date(2025, 12, 31),
        details=replace(
            entries[0].details,
            supplier_amount=Money(99, "XTS"),
            service_from_on=date(2026, 1, 1),
            service_to_on=date(1, 1, 1),
            attendees=("Åsa", "Bo; Ek"),
        ),
    )
    answers = [answer for answer in await book.record(entries) if isinstance(answer, Recorded)]
    assert len(answers) == len(entries)
    spooled = tmp_path / "receipt"
    spooled.write_bytes(b"%PDF-")
    sha256 = hashlib.sha256(b"%PDF-").hexdigest()
    files = [(answers[0], Attachment(n, spooled, kind, sha256, 5)) for n, kind in ((1, "application/pdf"), (2, "x/y"))]
    assert await book.attach(files) == []
    await book.post(answers[:6])
    with opened(book_path) as file:
        reference.close(file, date(2026, 1, 1), date(2026, 1, 31))
        reference.close(file, date(2026, 2, 1), date(2026, 2, 28))
    return book_path


def test_accepted_with_the_same_totals(full: Path, tmp_path: Path, program: Program) -> None:
    """Beancount and hledger accept the ledger and agree with the book on every account and currency."""
    done = _export(full, tmp_path / "ledger")
    assert done == Exported(documents=11, receipts=2, months=4)
    _assert_accepted(program, tmp_path / "ledger")
    with opened(full) as file:
        names = dict(file.execute("SELECT code, kind FROM accounts").fetchall())
        own = {
            (balance.account, balance.currency, decimal_text(balance.amount_minor, balance.currency))
            for balance in balances(file)
            if balance.amount_minor
        }
    assert len(own) >= 10
    assert set(names.values()) == {"asset", "liability", "expense"}
    roots = {"asset": "Assets", "liability": "Liabilities", "expense": "Expenses"}
    escaped = {"6072/b c": "6072-2f-b-20-c"}
    expected = {
        (f"{roots[names[code]]}:Account-{escaped.get(code, code)}", currency, total) for code, currency, total in own
    }
    for seen in _totals(program, tmp_path / "ledger"):
        assert {row for row in seen if row[2].strip("0.")} == expected


def test_same_bytes(full: Path, tmp_path: Path) -> None:
    """The same book gives the same bytes in another folder, and a second export touches no file of the first."""
    _export(full, tmp_path / "one")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*") if path.is_file()}
    _export(full, tmp_path / "one")
    _export(full, tmp_path / "other")
    assert _files(tmp_path / "one") == _files(tmp_path / "other")
    ledger_files = {path: at for path, at in before.items() if not path.name.startswith(".")}
    assert {path: path.stat().st_mtime_ns for path in ledger_files} == ledger_files


@pytest.mark.parametrize("name", ["2026-02", "main"])
@pytest.mark.parametrize("kind", ["beancount", "journal"])
def test_one_cent_is_found(full: Path, tmp_path: Path, program: Program, name: str, kind: str) -> None:
    """A cent changed in a transaction, or in what a closed period must hold, is found by either program."""
    folder = tmp_path / "ledger"
    _export(full, folder)
    path = folder / f"{name}.{kind}"
    text = path.read_text(encoding="utf-8")
    amount = "100.00 EUR" if name == "2026-02" else ("-73.44 ~ 0 EUR" if kind == "beancount" else "= -73.44 EUR")
    assert amount in text
    path.unlink()
    path.write_text(text.replace(amount, amount.replace("0.00", "0.01").replace("3.44", "3.45"), 1), encoding="utf-8")
    command = ("bean-check", "--no-cache") if kind == "beancount" else ("hledger", "check", "--strict", "-f")
    done = program(*command, folder / f"main.{kind}")
    assert done.returncode == 1
    assert "alance" in done.stderr


@pytest.mark.parametrize("kind", ["beancount", "journal"])
def test_late_entry_is_found(full: Path, tmp_path: Path, program: Program, kind: str) -> None:
    """A balanced transaction that is slipped into a closed month contradicts the balances asserted there."""
    folder = tmp_path / "ledger"
    _export(full, folder)
    with (folder / f"2026-01.{kind}").open("a", encoding="utf-8") as file:
        quotes = '"late"' if kind == "beancount" else "late"
        file.write(f"\n2026-01-31 * {quotes}\n  Assets:Account-1920  1 JPY\n  Expenses:Account-6071  -1 JPY\n")
    command = ("bean-check", "--no-cache") if kind == "beancount" else ("hledger", "check", "--strict", "-f")
    done = program(*command, folder / f"main.{kind}")
    assert done.returncode == 1
    assert "alance" in done.stderr


def test_details_in_the_ledger(full: Path, tmp_path: Path, program: Program) -> None:
    """A reader finds number, keys, dates, tax, dimensions, the supplier's amount, receipts and ties in the ledger."""
    _export(full, tmp_path / "ledger")
    text = (tmp_path / "ledger" / "2026-01.beancount").read_text(encoding="utf-8")
    for expected in (
        '2026-01-05 * "Café" "Lunch" #card_purchase ^',
        '  number: "000001"',
        '  original-on: "2025-12-31"',
        '  supplier-amount: "99 minor units of XTS"',
        '  service-to: "0001-01-01"',
        '  attendees: "Åsa; Bo; Ek"',
        '    tax-code: "25"',
        '    tax-base: "98.76"',
        '    dim-Cost-20-Centre: "Zürich"',
        '    text: "soup"',
        '2026-01-05 document Expenses:Account-6071 "documents/2026-01/000001-1-',
    ):
        assert expected in text
    drafts = (tmp_path / "ledger" / "2026-03.beancount").read_text(encoding="utf-8")
    assert '2026-03-02 ! "Café"' in drafts
    query = "SELECT count(*) AS n FROM #documents"
    assert program("bean-query", "-f", "csv", tmp_path / "ledger" / "main.beancount", query).stdout.split() == [
        "n",
        "2",
    ]
    links = "SELECT count(*) AS n WHERE joinstr(links) ~ 'settles-'"
    assert program("bean-query", "-f", "csv", tmp_path / "ledger" / "main.beancount", links).stdout.split() == [
        "n",
        "8",
    ]


def test_empty_book(book_path: Path, tmp_path: Path, program: Program) -> None:
    """A book without entries gives a ledger both programs accept."""
    assert _export(book_path, tmp_path / "ledger") == Exported(0, 0, 0)
    _assert_accepted(program, tmp_path / "ledger")


def test_stale_files_go_and_strangers_stay(full: Path, tmp_path: Path, stranger: sqlite3.Connection) -> None:
    """What an earlier export wrote and this one does not is removed; a stranger's file is not."""
    folder = tmp_path / "ledger"
    _export(full, folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "documents" / "mine.pdf").write_text("mine")
    stranger.execute("DELETE FROM entries WHERE posting_on = '2099-12-31'")
    _export(full, folder)
    left = _files(folder)
    assert "2099-12.beancount" not in left
    assert "2099-12.journal" not in left
    assert "2026-03.beancount" in left
    assert left["notes.txt"] == left["documents/mine.pdf"] == b"mine"


def test_folder_of_others(book_path: Path, tmp_path: Path) -> None:
    """A folder with anything in it that is no earlier export is refused and left as it is."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "main.beancount").write_text("mine")
    with pytest.raises(SettingsError, match="not empty"):
        _export(book_path, folder)
    assert _files(folder) == {"main.beancount": b"mine"}


@pytest.mark.parametrize("name", ["2026-02.beancount", "documents"])
def test_stranger_in_the_way(full: Path, tmp_path: Path, name: str) -> None:
    """A stranger's file where a file of ours would go is refused before anything is written."""
    folder, elsewhere = tmp_path / "ledger", tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.mkdir()
    (folder / ".tallybook-export.json").write_text('{"files": []}')
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(SettingsError, match="in the way"):
        _export(full, folder)
    assert list(elsewhere.iterdir()) == []
    assert sorted(path.name for path in folder.iterdir()) == [".tallybook-export.json", name]


@pytest.mark.parametrize("listed", ['{"files": ["../../precious"]}', '{"files": ["/etc/passwd"]}', "[]", "{", "\x00"])
def test_forged_list(book_path: Path, tmp_path: Path, listed: str) -> None:
    """A list that names what no export writes is not believed; nothing is removed."""
    folder = tmp_path / "a" / "ledger"
    folder.mkdir(parents=True)
    (tmp_path / "precious").write_text("keep")
    (folder / ".tallybook-export.json").write_text(listed)
    with pytest.raises(SettingsError, match="not the list"):
        _export(book_path, folder)
    assert (tmp_path / "precious").read_text() == "keep"


def test_two_exports_at_once(book_path: Path, tmp_path: Path) -> None:
    """While one export writes to a folder another is refused, and works when the first is done."""
    with (
        opened(book_path) as file,
        ExportFolder(tmp_path / "ledger", file.counts),
        pytest.raises(SettingsError, match="another export"),
    ):
        _export(book_path, tmp_path / "ledger")
    _export(book_path, tmp_path / "ledger")


def test_broken_off_export(full: Path, tmp_path: Path, program: Program) -> None:
    """An export that breaks off leaves the earlier main file whole, and the next one completes it."""
    folder = tmp_path / "ledger"
    with opened(full) as file:
        sha256 = file.value("SELECT sha256 FROM attachments")
    stored = Path(f"{full}.files") / sha256[:2] / sha256
    content = stored.read_bytes()
    stored.unlink()
    with pytest.raises(AccountingUnreachable, match=sha256):
        _export(full, folder)
    assert "main.beancount" not in _files(folder)
    stored.write_bytes(content)
    _export(full, folder)
    _assert_accepted(program, folder)
    assert json.loads((folder / ".tallybook-export.json").read_text())["files"] == sorted(
        name for name in _files(folder) if not name.startswith(".")
    )


def test_rest_of_a_killed_export(full: Path, tmp_path: Path) -> None:
    """What a killed export left under the passing name does no harm, not even if it became a link elsewhere."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("keep")
    (folder / ".tallybook-export.part").symlink_to(precious)
    _export(full, folder)
    assert precious.read_text() == "keep"
    assert ".tallybook-export.part" not in _files(folder)


def test_seen_at_one_moment(full: Path, stranger: sqlite3.Connection) -> None:
    """What others change while the book is read for an export is not seen, so no export has half of it."""
    with opened(full) as file, file.reading():
        assert file.value("SELECT COUNT(*) FROM entries") == 9
        stranger.execute("DELETE FROM entries WHERE state = 'draft'")
        assert file.value("SELECT COUNT(*) FROM entries") == 9
