"""The book as an hledger journal, for a second opinion and for hledger's reports.

hledger has no quoting: whatever follows a date or a `;` is read for marks of its own. So only text in which none is
left (`texts.journal_text`) is written, after a status and a number that end hledger's search for them.

Source: hledger.org/hledger.html, chapter "Journal"
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from tallybook.adapters.book.beancount import NOTICE
from tallybook.adapters.book.ledger_rows import LedgerAccount, LedgerDocument
from tallybook.adapters.book.reading import Balance
from tallybook.adapters.book.texts import journal_text, name_part
from tallybook.money import decimal_text, exponent


def main(
    accounts: Iterable[LedgerAccount],
    currencies: Iterable[str],
    closed: Sequence[tuple[date, Sequence[Balance]]],
    months: Iterable[str],
    ledger_names: Mapping[str, str],
) -> Iterator[str]:
    """The file that hledger opens: currencies, accounts, the months, and what closed periods must hold."""
    yield f"; {NOTICE}\n\n"
    for currency in sorted(currencies):
        yield f"commodity 1000.{'0' * exponent(currency)} {currency}\n"
    yield "\n"
    for account in accounts:
        yield f"account {account.ledger_name}\n    ; code: {journal_text(account.code)}\n"
        if name := journal_text(account.name):
            yield f"    ; name: {name}\n"
    yield "\n"
    for month in months:
        yield f"include {month}.journal\n"
    for to_on, balances in closed:
        # An assertion holds at its place in its day: the last of the day, as it comes after the months.
        yield f"\n{to_on} * (closed) closed until this day\n"
        for balance in balances:
            zero, amount = (decimal_text(minor, balance.currency) for minor in (0, balance.amount_minor))
            yield f"    {ledger_names[balance.account]}  {zero} {balance.currency} = {amount} {balance.currency}\n"


def transaction(document: LedgerDocument, ledger_names: Mapping[str, str]) -> Iterator[str]:
    """A document as one transaction."""
    mark = "*" if document.posted else "!"
    supplier = document.details.get("supplier")
    text = journal_text(f"{supplier} - {document.description}" if supplier else document.description)
    yield f"\n{document.posting_on} {mark} ({document.external_id}) {text}".rstrip() + "\n"
    yield f"    ; entry-id: {name_part(document.entry_id, also='_-.')}\n"
    yield f"    ; company-id: {name_part(document.company_id, also='_-.')}\n"
    yield f"    ; kind: {document.kind}\n"
    yield from (f"    ; {word}: {number}\n" for word, number in document.corrections.items())
    for line in document.lines:
        amount = decimal_text(line.amount_minor, document.currency)
        yield f"    {ledger_names[line.account]}  {amount} {document.currency}\n"
        if line.tax_code is not None:
            yield f"    ; tax-code: {journal_text(line.tax_code)}\n"
        for dimension, value in line.dimensions:
            yield f"    ; dim-{name_part(dimension, also='_')}: {journal_text(value)}\n"
