"""Exporting the book: a Beancount ledger and an hledger journal in one folder, the same bytes for the same book.

main.beancount    main.journal        opened by bean-check, bean-query and Fava, and by hledger
2026-01.beancount 2026-01.journal     one of each for every month with entries
documents/2026-01/000123-1-<sha256>.pdf

Everything is read from one moment of the book. The month files come first and the two main files last.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tallybook.adapters.book import beancount, journal, ledger_rows
from tallybook.adapters.book.database import BookFile
from tallybook.adapters.book.folder import ExportFolder
from tallybook.adapters.book.ledger_rows import LedgerDocument
from tallybook.adapters.book.reading import balances, closed_periods
from tallybook.adapters.book.receipts import Store

Writer = Callable[[LedgerDocument, Mapping[str, str]], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    documents: int
    receipts: int
    months: int


def export(file: BookFile, folder: Path) -> Exported:
    """Write the whole book to a folder, which is new, empty, or an earlier export.

    Repeat: safe; files that would get the same bytes are not touched, files of an earlier export that are no longer
    part of it are removed.
    Raises:
        SettingsError: the folder is not ours to write to, or a stranger's file is in the way.
        AccountingError: a receipt or the folder cannot be read or written.
    """
    with file.reading(), ExportFolder(folder, file.counts) as into:
        accounts = ledger_rows.accounts(file)
        names = {code: account.ledger_name for code, account in accounts.items()}
        months = ledger_rows.months(file)
        receipts = {receipt.path: receipt.sha256 for receipt in ledger_rows.files(file)}
        into.announce([*_text_files(months), *receipts])
        store = Store.beside(file.path)
        for path, sha256 in receipts.items():
            into.keep(path, store.path(sha256))
        written = 0
        for month in months:
            written += _write_month(file, into, month, names)
        into.settle()
        _write_main(file, into, accounts, months)
        into.settle()
        into.finish()
    return Exported(written, len(receipts), len(months))


def _text_files(months: list[str]) -> list[str]:
    return [f"{stem}.{kind}" for kind in ("beancount", "journal") for stem in ("main", *months)]


def _write_month(file: BookFile, into: ExportFolder, month: str, names: Mapping[str, str]) -> int:
    written = 0

    def parts(transaction: Writer) -> Iterator[str]:
        nonlocal written
        written = 0
        yield f"; {beancount.NOTICE}\n"
        for document in ledger_rows.documents(file, month):
            written += 1
            yield from transaction(document, names)

    into.write(f"{month}.journal", parts(journal.transaction))
    into.write(f"{month}.beancount", parts(beancount.transaction))
    return written


def _write_main(
    file: BookFile, into: ExportFolder, accounts: Mapping[str, ledger_rows.LedgerAccount], months: list[str]
) -> None:
    names = {code: account.ledger_name for code, account in accounts.items()}
    ends = sorted({period.to_on for period in closed_periods(file)})
    closed = [(to_on, held) for to_on in ends if (held := balances(file, to_on))]
    currencies = [
        currency
        for (currency,) in file.execute(
            "SELECT currency FROM documents GROUP BY currency ORDER BY COUNT(*) DESC, currency"
        )
    ]
    title = file.execute("SELECT name FROM company").fetchone()
    first_day = file.value("SELECT ifnull(min(posting_on), '1900-01-01') FROM entries")
    into.write("main.journal", journal.main(accounts.values(), currencies, closed, months, names))
    into.write(
        "main.beancount",
        beancount.main(
            title[0] if title else "Tallybook", first_day, accounts.values(), currencies, closed, months, names
        ),
    )
