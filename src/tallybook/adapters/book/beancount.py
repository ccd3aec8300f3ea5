"""The book as Beancount text. Beancount itself is never imported; the format is its published syntax.

Every text from outside stands inside a quoted string on one line (`texts.beancount_string`), every name is built from
escaped codes, so no text can end its string or begin a directive.

Source: beancount.github.io/docs/beancount_language_syntax.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from tallybook.adapters.book.ledger_rows import LedgerAccount, LedgerDocument, LedgerLine
from tallybook.adapters.book.reading import Balance
from tallybook.adapters.book.texts import beancount_string, link_part, name_part, tag_part
from tallybook.money import MoneyError, decimal_text

NOTICE = "written by `tallybook book export`; changes are overwritten by the next export"


def main(
    title: str,
    first_day: str,
    accounts: Iterable[LedgerAccount],
    currencies: Sequence[str],
    closed: Sequence[tuple[date, Sequence[Balance]]],
    months: Iterable[str],
    ledger_names: Mapping[str, str],
) -> Iterator[str]:
    """The file that Beancount opens: options, accounts, what closed periods must hold, and the months.

    `first_day` is a day no entry comes before; `currencies` come in the order of their use.
    """
    yield f"; {NOTICE}\n"
    yield f"option {beancount_string('title')} {beancount_string(title)}\n"
    for currency in currencies[:3]:  # a viewer gives each of these a column
        yield f'option "operating_currency" "{currency}"\n'
    # No imbalance is small enough to be overlooked.
    yield 'option "tolerance_multiplier" "0"\noption "inferred_tolerance_default" "*:0"\n\n'
    for currency in sorted(currencies):
        yield f"{first_day} commodity {currency}\n"
    yield "\n"
    for account in accounts:
        yield f"{first_day} open {account.ledger_name}{' ' + account.currency if account.currency else ''}\n"
        yield _metadata("  ", "code", account.code)
        yield _metadata("  ", "name", account.name)
        if account.identifier is not None:
            yield _metadata("  ", "identifier", account.identifier)
        if not account.open:
            yield "  open: FALSE\n"
    yield "\n"
    for to_on, balances in closed:
        yield f"; closed until {to_on}\n"
        for balance in balances:
            amount = decimal_text(balance.amount_minor, balance.currency)
            # A balance holds at the beginning of its day; `~ 0` because it would else forgive a cent.
            day = to_on + timedelta(days=1)
            yield f"{day} balance {ledger_names[balance.account]} {amount} ~ 0 {balance.currency}\n"
    yield "\n"
    for month in months:
        yield f'include "{month}.beancount"\n'


def transaction(document: LedgerDocument, ledger_names: Mapping[str, str]) -> Iterator[str]:
    """A document as one transaction, and the receipts of its entry."""
    details = document.details
    link = link_part(document.entry_id)
    words = [document.posting_on, "*" if document.posted else "!"]
    if details.get("supplier"):
        words.append(beancount_string(details["supplier"]))
    words.append(beancount_string(document.description))
    words += [f"#{tag_part(text)}" for text in dict.fromkeys((document.sort, details.get("sub_sort"))) if text]
    links = [link, *(f"settles-{link_part(bill)}" for bill in document.settles)]
    if document.corrects is not None:
        links.append(link_part(document.corrects))  # so that an entry's link shows what became of it
    words += [f"^{name}" for name in dict.fromkeys(links)]
    yield "\n" + " ".join(words) + "\n"
    for key, value in _facts(document):
        yield _metadata("  ", key, value)
    for line in document.lines:
        amount = decimal_text(line.amount_minor, document.currency)
        yield f"  {ledger_names[line.account]}  {amount} {document.currency}\n"
        for key, value in _line_facts(line, document.currency):
            yield _metadata("    ", key, value)
    if document.files:
        cost = next((line for line in document.lines if line.amount_minor > 0), document.lines[0])
        for file in document.files:
            yield f'{document.posting_on} document {ledger_names[cost.account]} "{file.path}" ^{link}\n'


def _metadata(indent: str, key: str, value: str) -> str:
    return f"{indent}{key}: {beancount_string(value)}\n"


def _facts(document: LedgerDocument) -> Iterator[tuple[str, str]]:
    """What a reader may want to know of a document, as (key, text); what is not there is left out."""
    details = document.details
    facts: dict[str, Any] = {
        "number": document.external_id,
        "entry-id": document.entry_id,
        "company-id": document.company_id,
        "kind": document.kind,
        "reference": document.reference,
        **document.corrections,
        "vendor": document.vendor,
        "invoice-number": document.invoice_number,
        "invoice-on": document.invoice_on,
        "due-on": document.due_on,
        "original-on": document.original_on if document.original_on != document.posting_on else None,
        "supplier-amount": amount_text(details.get("supplier_amount")),
        "service-from": details.get("service_from_on"),
        "service-to": details.get("service_to_on"),
        "person": details.get("person"),
        "person-code": details.get("person_code"),
        "team": details.get("team"),
        "team-code": details.get("team_code"),
        "attendees": "; ".join(details.get("attendees") or ()),
        "reconciled": "; ".join(details.get("reconciled_references") or ()),
        "source-url": details.get("source_url"),
        "note": details.get("note"),
    }
    yield from ((key, str(value)) for key, value in facts.items() if value)


def amount_text(amount: Mapping[str, Any] | None) -> str | None:
    """Write the supplier's amount out of an entry's details; details are not checked, so it may be in any currency."""
    if amount is None:
        return None
    try:
        return f"{decimal_text(amount['amount_minor'], amount['currency'])} {amount['currency']}"
    except MoneyError:
        return f"{amount['amount_minor']} minor units of {amount['currency']}"


def _line_facts(line: LedgerLine, currency: str) -> Iterator[tuple[str, str]]:
    if line.tax_code is not None:
        yield "tax-code", line.tax_code
    if line.tax_base_minor is not None:
        yield "tax-base", decimal_text(line.tax_base_minor, currency)
    values: dict[str, list[str]] = {}
    for dimension, value in line.dimensions:
        values.setdefault(dimension, []).append(value)
    for dimension, codes in values.items():
        yield f"dim-{name_part(dimension, also='_')}", ", ".join(codes)
    if line.text:
        yield "text", line.text
