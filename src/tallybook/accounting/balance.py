"""Whether a document adds up: the check that every set of books makes before it records one."""

from tallybook.accounting.entry import Document
from tallybook.accounting.errors import EntryInvalid
from tallybook.money import MoneyError, decimal_text, exponent

LINES_MIN = 2


def require_balance(document: Document, *, amount_minor_max: int, too_large: str) -> None:
    """Find out whether debits equal credits, in amounts the books can hold, of a currency there is.

    `too_large` ends the sentence "The amounts in EUR are larger than ...".

    Repeat: safe; pure.
    Raises:
        EntryInvalid: the document does not add up, with the figures.
    """
    try:
        exponent(document.currency)
    except MoneyError as error:
        raise EntryInvalid(str(error)) from error
    if len(document.lines) < LINES_MIN:
        raise EntryInvalid(f"A {document.kind} needs two lines at least, and has {len(document.lines)}")
    amounts = [line.amount_minor for line in document.lines]
    debits, credits_ = sum(a for a in amounts if a > 0), -sum(a for a in amounts if a < 0)
    if debits != credits_:
        raise EntryInvalid(
            f"The {document.kind} is not balanced: debits of {decimal_text(debits, document.currency)} and credits of "
            f"{decimal_text(credits_, document.currency)} {document.currency} differ"
        )
    bases = [abs(line.tax_base_minor) for line in document.lines if line.tax_base_minor is not None]
    if max(debits, *bases, 0) > amount_minor_max:
        raise EntryInvalid(f"The amounts in {document.currency} are larger than {too_large}")
