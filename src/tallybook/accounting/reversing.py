"""What reverses an entry: the same in the same accounts, with every amount turned around.

A bill is reversed by a credit note and a credit note by a bill; every other document by one of its own kind.
"""

from dataclasses import replace

from tallybook.accounting.entry import Document, DocumentKind, Entry, Reversal

_KIND = {DocumentKind.BILL: DocumentKind.CREDIT_NOTE, DocumentKind.CREDIT_NOTE: DocumentKind.BILL}


def reversed_entry(entry: Entry, reversal: Reversal) -> Entry:
    """Turn an entry around, under the key and on the day of its reversal."""
    return replace(
        entry,
        key=reversal.key,
        documents=tuple(map(_reversed, entry.documents)),
        posting_on=reversal.posting_on,
        details=replace(
            entry.details, description=f"Reversal of {reversal.of.external_id}: {entry.details.description}"
        ),
    )


def _reversed(document: Document) -> Document:
    lines = tuple(
        replace(
            line,
            amount_minor=-line.amount_minor,
            tax_base_minor=None if line.tax_base_minor is None else -line.tax_base_minor,
        )
        for line in document.lines
    )
    # Without references: a reversal settles what it reverses and nothing else.
    return replace(document, kind=_KIND.get(document.kind, document.kind), lines=lines, open_item_refs=())
