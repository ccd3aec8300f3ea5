"""Tryton: a complete accounting system on a server of its own, spoken to over HTTP."""

from tallybook.accounting.system import Adapter
from tallybook.adapters.tryton.system import open_tryton

ADAPTER = Adapter(
    name="tryton",
    summary="Tryton 8.0: journal entries, supplier bills, payments and receipts on a Tryton server",
    open=open_tryton,
    commands="tallybook.adapters.tryton.commands:app",
)
