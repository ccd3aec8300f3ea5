"""Tax codes: whether the books know the code a line names."""

from tallybook.accounting.errors import TaxCodeUnknown
from tallybook.accounting.system import TaxCode
from tallybook.bookkeeping.books import Books
from tallybook.bookkeeping.mapping import CodeMapping, both, mapped, mend
from tallybook.pleo.models import Tax


def tax_code_of(tax: Tax | None, books: Books, mapping: CodeMapping) -> TaxCode | None:
    """Find the tax code of a line, None where it names none.

    Raises:
        TaxCodeUnknown: the books lack it; also where the tax is zero, since the code goes onto the tax return.
    Source: Pleo guide "Data mapping": the tax code is the line's `tax.code`.
    """
    if tax is None or not tax.code:
        return None
    to = mapped(mapping.tax_codes, tax.code)
    found = books.tax_code(to or tax.code)
    if found is None:
        how = mend("tax_codes", to, "choose another Tax code in Pleo, or add this one to the accounting system")
        raise TaxCodeUnknown(
            f"The Tax code {both(tax.code, to)} is not in the accounting system; {how}.", sought=to or tax.code
        )
    return found
