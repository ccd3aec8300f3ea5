"""The embedded book: double entry in one SQLite file, with a ledger export that independent programs verify."""

from tallybook.accounting.system import Adapter
from tallybook.adapters.book.system import open_book

ADAPTER = Adapter(
    name="book",
    summary="the embedded book: one SQLite file, exported as a Beancount ledger and an hledger journal",
    open=open_book,
    commands="tallybook.adapters.book.commands:app",
)
