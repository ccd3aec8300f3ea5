"""A document in Tryton's own form: bills and credit notes as invoices, everything else as entries of a journal.

Tryton's server computes nothing for a plain entry, and for an invoice only what is not given: taxes are written with
their own amounts, so that a bill is to the cent what was paid.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from tallybook.accounting.entry import Document, Entry, EntryKey, Line, LineRole
from tallybook.adapters.tryton import marks, wire
from tallybook.adapters.tryton.checks import is_bill
from tallybook.adapters.tryton.invoice_taxes import TAX_ROLES, Taxes, base_lines, tax_of, taxes_of
from tallybook.adapters.tryton.known import Company, Facts
from tallybook.adapters.tryton.texts import clean
from tallybook.money import exponent

NOTE_LENGTH_MAX = 4000
REFS_PREFIX = "tallybook settles: "
REVERSAL_OF = "reversal of "  # begins the one reference of a reversal
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One document of an entry; `number` counts from 1.

    Of a reversal: `takes_back` is the document it turns around, such as account.move,5, and `own_minor` what its lines
    come to in the company's currency, None where Tryton itself converts as it did then.
    """

    entry: Entry
    number: int
    takes_back: str | None = None
    own_minor: tuple[int, ...] | None = None

    @property
    def document(self) -> Document:
        """The document itself."""
        return self.entry.documents[self.number - 1]

    @property
    def key(self) -> EntryKey:
        """The entry's key."""
        return self.entry.key

    @property
    def description(self) -> str:
        """The mark, and what people read."""
        return marks.description(
            self.key, self.number, len(self.entry.documents), _text(self.entry), self.entry.content_hash
        )


def parts(entry: Entry) -> list[Part]:
    """Take an entry apart."""
    return [Part(entry, number) for number in range(1, len(entry.documents) + 1)]


def refs_text(refs: Sequence[str]) -> str:
    """Write the references that tie bills and payments together over time, for `read_refs`."""
    return REFS_PREFIX + json.dumps(list(refs))


def taken_back(refs: Iterable[str]) -> str | None:
    """Say which document a reversal turns around, by its references; None of any other."""
    return next((ref.removeprefix(REVERSAL_OF) for ref in refs if ref.startswith(REVERSAL_OF)), None)


def read_refs(text: object) -> frozenset[str]:
    """Read references from a text that somebody may have edited since; what is no list of texts is none."""
    for line in text.splitlines() if isinstance(text, str) else ():
        if line.startswith(REFS_PREFIX):
            try:
                found = json.loads(line.removeprefix(REFS_PREFIX))
            except (ValueError, RecursionError):
                continue
            if isinstance(found, list):
                return frozenset(ref for ref in found if isinstance(ref, str) and ref)
    return frozenset()


def values(part: Part, facts: Facts, company: Company) -> Values:
    """Write a document, checked before, as values of `account.invoice` or `account.move`."""
    return _invoice(part, facts, company) if is_bill(part.document) else _move(part, facts, company)


def _text(entry: Entry) -> str:
    details = entry.details
    paid = f" ({details.supplier_amount})" if details.supplier_amount else ""
    moved = f" (of {entry.original_on})" if entry.original_on != entry.posting_on else ""
    instead = f" (in place of {entry.replaces})" if entry.replaces else ""
    return f"{details.description}{paid}{moved}{instead}"


def _note(entry: Entry) -> str:
    """Everything else a reader may want to know, line by line."""
    details = entry.details
    told = {
        "Reference": details.reference,
        "Supplier": details.supplier,
        "Person": details.person,
        "Team": details.team,
        "Attendees": ", ".join(details.attendees),
        "Note": details.note,
        "Source": details.source_url,
    }
    return "\n".join(f"{name}: {clean(text, NOTE_LENGTH_MAX)}" for name, text in told.items() if text)


def _move(part: Part, facts: Facts, company: Company) -> Values:
    document, day = part.document, part.entry.posting_on
    period = facts.period(day)
    assert period is not None  # noqa: S101 - checked before
    amounts = part.own_minor or _in_company_currency(document, facts, company, day)
    return {
        "company": company.company,
        "journal": company.journal,
        "period": period.id,
        "date": wire.day(day),
        "description": part.description,
        "origin": part.takes_back,
        "lines": [
            [
                "create",
                [
                    _move_line(line, own, document, facts, company, day)
                    for line, own in zip(document.lines, amounts, strict=True)
                ],
            ]
        ],
    }


def _move_line(line: Line, own_minor: int, document: Document, facts: Facts, company: Company, day: date) -> Values:
    account = facts.accounts[line.account]
    found: Values = {
        "account": account.id,
        **_sides(own_minor, company.currency),
        "tax_lines": [["create", list(_tax_lines(line, own_minor, facts, company))]],
        "analytic_lines": [
            [
                "create",
                [
                    {"account": number, **_sides(own_minor, company.currency), "date": wire.day(day)}
                    for _, number in _dimensions(line, facts)
                ],
            ]
        ],
    }
    if line.text:
        found["description"] = clean(line.text)
    if document.currency != company.currency:
        found["second_currency"] = facts.currencies[document.currency]
        found["amount_second_currency"] = wire.amount(line.amount_minor, document.currency)
    if account.party_required and document.vendor is not None:
        found["party"] = facts.parties[document.vendor].id
    if account.payable:
        found["maturity_date"] = wire.day(document.due_on or day)
        if document.open_item_refs:
            found["description"] = refs_text(document.open_item_refs)
    return found


def _sides(own_minor: int, currency: str) -> Values:
    return {
        "debit": wire.amount(max(own_minor, 0), currency),
        "credit": wire.amount(max(-own_minor, 0), currency),
    }


def _tax_lines(line: Line, own_minor: int, facts: Facts, company: Company) -> Iterator[Values]:
    """Say what goes onto the tax return: on cost lines the base, on tax lines the tax."""
    shown = wire.amount(own_minor, company.currency)
    if line.role is LineRole.COST:
        for leaf in base_lines(line, facts):
            yield {"type": "base", "tax": leaf, "amount": shown}
    elif line.role in TAX_ROLES and (tax := tax_of(line, facts)) is not None:
        yield {"type": "tax", "tax": tax, "amount": shown}


def _dimensions(line: Line, facts: Facts) -> list[tuple[int, int]]:
    return [facts.dimensions[each.group.casefold(), each.code.casefold()] for each in line.dimensions]


def _in_company_currency(document: Document, facts: Facts, company: Company, day: date) -> list[int]:
    """Convert a document's lines as Tryton does; what rounding leaves goes to the largest, so that it balances."""
    amounts = [line.amount_minor for line in document.lines]
    if document.currency == company.currency:
        return amounts
    ours, theirs = facts.rate(company.currency, day), facts.rate(document.currency, day)
    assert ours is not None  # noqa: S101 - checked before
    assert theirs is not None  # noqa: S101 - checked before
    scale = Decimal(1).scaleb(exponent(company.currency) - exponent(document.currency))
    found = [int((Decimal(a) * scale * ours / theirs).to_integral_value(ROUND_HALF_EVEN)) for a in amounts]
    largest = max(range(len(found)), key=lambda place: abs(found[place]))
    found[largest] -= sum(found)
    return found


def _invoice(part: Part, facts: Facts, company: Company) -> Values:
    entry, document = part.entry, part.document
    assert document.vendor is not None  # noqa: S101 - checked before
    party = facts.parties[document.vendor]
    shared = {"company": company.company, "currency": facts.currencies[document.currency], "party": party.id}
    payable = next(line.account for line in document.lines if line.role is LineRole.COUNTER)
    taxes = taxes_of(document, facts)
    comment = [_note(entry), *([refs_text(document.open_item_refs)] if document.open_item_refs else [])]
    return {
        **shared,
        "type": "in",
        "invoice_address": party.address,
        "journal": company.bill_journal,
        "account": facts.accounts[payable].id,
        "invoice_date": wire.day(document.invoice_on or entry.original_on),
        "accounting_date": wire.day(entry.posting_on),
        "payment_term_date": wire.day(document.due_on or document.invoice_on or entry.original_on),
        "reference": document.invoice_number and clean(document.invoice_number),
        "description": part.description,
        "comment": "\n".join(text for text in comment if text),
        "lines": [
            [
                "create",
                [
                    {**shared, **_invoice_line(line, part, facts, taxes)}
                    for line in document.lines
                    if line.role is LineRole.COST
                ],
            ]
        ],
        "taxes": [["create", list(taxes.values)]],
    }


def _invoice_line(line: Line, part: Part, facts: Facts, taxes: Taxes) -> Values:
    found: Values = {
        "type": "line",
        "invoice_type": "in",
        "account": facts.accounts[line.account].id,
        "description": clean(line.text or part.entry.details.description),
        "quantity": -1.0 if line.amount_minor < 0 else 1.0,
        "unit_price": wire.amount(abs(line.amount_minor), part.document.currency),
        "analytic_accounts": [
            ["create", [{"root": root, "account": number} for root, number in _dimensions(line, facts)]]
        ],
    }
    if line.tax_code in taxes.on_lines:
        found["taxes"] = [["add", [facts.taxes[line.tax_code].id]]]
    return found
