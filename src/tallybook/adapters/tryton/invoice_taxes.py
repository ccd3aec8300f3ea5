"""Taxes of a bill: Tryton's own taxes on its lines wherever they fit, with the very amounts of the document.

Tryton computes the taxes of an invoice from those of its lines, and keeps an amount that stands there already as long
as tax, account, sign and base are what it computes. So a line shows its tax, the tax return is Tryton's own, and the
bill is to the cent what was paid. Where accounts or parts differ, a tax is written by hand, and its line shows none.

Source: Tryton 8.0, account_invoice, Invoice.update_taxes.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tallybook.accounting.entry import Document, Line, LineRole
from tallybook.adapters.tryton import wire
from tallybook.adapters.tryton.known import Facts, KnownTax

TAX_ROLES = frozenset({LineRole.TAX_IN, LineRole.TAX_OUT})
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Taxes:
    """`on_lines` are the codes that cost lines show; `values` are the invoice's taxes."""

    on_lines: frozenset[str]
    values: Sequence[Values]


def taxes_of(document: Document, facts: Facts) -> Taxes:
    """Lay out the taxes of a bill or credit note."""
    codes = sorted({line.tax_code for line in document.lines if line.role is LineRole.COST and line.tax_code})
    fitting: dict[str, list[Values]] = {}
    for code in codes:
        found = _by_tryton(code, document, facts)
        if found is not None:
            fitting[code] = found
    by_hand = [
        _by_hand(line, document, facts)
        for line in document.lines
        if line.role in TAX_ROLES and line.tax_code not in fitting
    ]
    return Taxes(frozenset(fitting), [*(values for each in fitting.values() for values in each), *by_hand])


def _by_tryton(code: str, document: Document, facts: Facts) -> list[Values] | None:
    """Write the taxes of a code as Tryton will compute them, None where it would compute others."""
    tax = facts.taxes[code]
    lines = [line for line in document.lines if line.tax_code == code]
    bases: dict[bool, int] = defaultdict(int)
    for line in lines:
        if line.role is LineRole.COST:
            bases[line.amount_minor >= 0] += line.amount_minor
    taxed = [line for line in lines if line.role in TAX_ROLES]
    if not all(leaf.plain for leaf in tax.leaves) or len(tax.leaves) > len({tax.ingoing, tax.outgoing}):
        return None
    found = []
    for positive, base in sorted(bases.items()):
        for leaf in tax.leaves:
            mine = [line for line in taxed if _sign(line) is positive and _leaf(line, tax) == leaf.id]
            account = leaf.account if positive else leaf.credit_note_account
            if account is None or any(facts.accounts[line.account].id != account for line in mine):
                return None
            found.append(_values(tax.description, account, base, sum(line.amount_minor for line in mine), document))
            found[-1] |= {"tax": leaf.id, "manual": False}
    signs = {_sign(line) for line in taxed}
    told_apart = tax.ingoing != tax.outgoing or all(line.role is LineRole.TAX_IN for line in taxed)
    return found if told_apart and signs <= bases.keys() else None


def _sign(line: Line) -> bool:
    return (line.tax_base_minor or 0) >= 0


def _leaf(line: Line, tax: KnownTax) -> int:
    return tax.outgoing if line.role is LineRole.TAX_OUT else tax.ingoing


def _by_hand(line: Line, document: Document, facts: Facts) -> Values:
    tax = facts.taxes[line.tax_code] if line.tax_code is not None else None
    account = facts.accounts[line.account].id
    shared = _values(line.tax_code or "Tax", account, line.tax_base_minor or 0, line.amount_minor, document)
    return shared | {"tax": _leaf(line, tax) if tax is not None else None, "manual": True}


def _values(text: str, account: int, base_minor: int, amount_minor: int, document: Document) -> Values:
    return {
        "description": text,
        "account": account,
        "base": wire.amount(base_minor, document.currency),
        "amount": wire.amount(amount_minor, document.currency),
    }


def base_lines(line: Line, facts: Facts) -> Iterator[int]:
    """Say which taxes a cost line of a plain entry is a base of."""
    if line.tax_code is not None:
        yield from (leaf.id for leaf in facts.taxes[line.tax_code].leaves)


def tax_of(line: Line, facts: Facts) -> int | None:
    """Say which tax a tax line of a plain entry is."""
    return _leaf(line, facts.taxes[line.tax_code]) if line.tax_code is not None else None
