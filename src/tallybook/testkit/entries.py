"""Entries of every shape for a test company, each under a key of its own."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from tallybook.accounting.entry import (
    Details,
    Dimension,
    Document,
    DocumentKind,
    Entry,
    EntryKey,
    Line,
    LineRole,
    PostingState,
)
from tallybook.money import Money
from tallybook.testkit.bench import TrialCompany
from tallybook.testkit.verdict import not_applicable

VERY_LARGE_MINOR = 98_765_432_101  # more than 32 bits hold, less than any ledger's ten digits before the point
CONTENT_HASH, OTHER_HASH = "ab" * 32, "cd" * 32


@dataclass(frozen=True)
class Entries:
    """Makes entries for the test company's books."""

    company: TrialCompany

    def entry(self, *documents: Document, on: date | None = None) -> Entry:
        """One entry, by default a purchase without tax on the open day."""
        day = on or self.company.open_on
        entry_id = str(uuid.uuid4())
        return Entry(
            key=EntryKey(self.company.company_id, entry_id),
            content_hash=CONTENT_HASH,
            documents=documents or (self.purchase(12_34),),
            posting_on=day,
            original_on=day,
            posting=PostingState.DRAFT,
            details=Details(
                description="Lunch with the auditors",
                reference=f"R-{entry_id[:8]}",
                sort="card_purchase",
                supplier="Bäckerei Öl & Søn",
                person="Ada Lovelace",
                person_code="E-1",
            ),
        )

    def batch(self, count: int) -> list[Entry]:
        """Purchases of different amounts."""
        return [self.entry(self.purchase(10_00 + place)) for place in range(count)]

    def purchase(self, *amounts_minor: int, currency: str | None = None) -> Document:
        """A journal entry with a cost line for each amount, on both cost accounts in turn."""
        costs = [
            Line(self.company.cost_accounts[place % 2], amount, LineRole.COST, text=f"Line {place + 1}")
            for place, amount in enumerate(amounts_minor)
        ]
        return self._journal(costs, self.company.wallet_account, currency)

    def taxed(self, net_minor: int, *, reverse: bool = False) -> Document:
        """A journal entry with input tax; under reverse charge the tax is owed and reclaimed at once."""
        return self._journal(self._taxed_lines(net_minor, reverse=reverse), self.company.wallet_account)

    def tagged(self, amount_minor: int) -> Document:
        """A journal entry split in two: one cost line with all dimensions, one with none."""
        if not self.company.dimensions:
            not_applicable("the books have no dimensions")
        cost = Line(self.company.cost_accounts[0], amount_minor, LineRole.COST, dimensions=self.company.dimensions)
        return self._journal([cost, replace(cost, dimensions=(), amount_minor=1)], self.company.wallet_account)

    def bill(self, net_minor: int, *, taxed: bool = False, vendor: str | None = None, number: str = "") -> Document:
        """A bill, or a credit note for a negative amount."""
        costs = (
            self._taxed_lines(net_minor, reverse=False)
            if taxed
            else [Line(self.company.cost_accounts[0], net_minor, LineRole.COST)]
        )
        kind = DocumentKind.BILL if net_minor >= 0 else DocumentKind.CREDIT_NOTE
        number = number or f"INV-{uuid.uuid4().hex[:10]}"
        return replace(
            self._journal(costs, self.company.payable_account),
            kind=kind,
            vendor=vendor or self.vendor,
            open_item_refs=(f"invoice:{number}",),
            invoice_number=number,
            invoice_on=self.company.open_on,
            due_on=self.company.open_on + timedelta(days=30),
        )

    def payment(self, amount_minor: int, *refs: str) -> Document:
        """A payment to the vendor, from the vendor for a negative amount."""
        lines = (
            Line(self.company.payable_account, amount_minor, LineRole.COUNTER),
            Line(self.company.wallet_account, -amount_minor, LineRole.COUNTER),
        )
        return Document(DocumentKind.PAYMENT, self.company.currency, lines, self.vendor, refs)

    @property
    def vendor(self) -> str:
        """The vendor's code."""
        return self.company.vendor or not_applicable("the books have no vendors")

    def _taxed_lines(self, net_minor: int, *, reverse: bool) -> list[Line]:
        company = self.company
        if company.tax_code is None or company.tax_in_account is None:
            not_applicable("the books have no tax code with an account")
        tax = net_minor * company.tax_percent // 100
        lines = [
            Line(company.cost_accounts[0], net_minor, LineRole.COST, company.tax_code),
            Line(company.tax_in_account, tax, LineRole.TAX_IN, company.tax_code, net_minor),
        ]
        if reverse:
            owed = company.tax_out_account or not_applicable("the books have no account for tax we owe ourselves")
            lines.append(Line(owed, -tax, LineRole.TAX_OUT, company.tax_code, net_minor))
        return lines

    def _journal(self, lines: Sequence[Line], counter: str, currency: str | None = None) -> Document:
        total = sum(line.amount_minor for line in lines)
        return Document(
            DocumentKind.JOURNAL_ENTRY,
            currency or self.company.currency,
            (*lines, Line(counter, -total, LineRole.COUNTER)),
        )

    def foreign(self) -> Entry:
        """Bought in yen, booked in the wallet's currency."""
        entry = self.entry(self.purchase(6_17))
        return replace(entry, details=replace(entry.details, supplier_amount=Money(1_000, "JPY")))

    def in_other_currency(self) -> Entry:
        """Booked in the books' second currency."""
        currency = self.company.other_currency or not_applicable("the books take one currency only")
        return self.entry(self.purchase(45_60, currency=currency))

    def first_line(self, document: Document | None = None, **changes: object) -> Entry:
        """A purchase, or another document, whose first line is changed."""
        document = document or self.purchase(12_34)
        first = replace(document.lines[0], **changes)  # type: ignore[arg-type]
        return self.entry(replace(document, lines=(first, *document.lines[1:])))

    def dimension(self, group: str | None = None, code: str = "no-such-value") -> Entry:
        """A purchase with a dimension the books do not know."""
        if not self.company.dimensions:
            not_applicable("the books have no dimensions")
        return self.first_line(dimensions=(Dimension(group or self.company.dimensions[0].group, code),))


def _bill_and_payment(entries: Entries) -> Entry:
    bill = entries.bill(80_00, taxed=True)
    owed = -bill.lines[-1].amount_minor
    return entries.entry(bill, entries.payment(owed, *bill.open_item_refs))


JOURNAL_SHAPES: Mapping[str, Callable[[Entries], Entry]] = {
    "one cost line": lambda make: make.entry(make.purchase(12_34)),
    "one cent": lambda make: make.entry(make.purchase(1)),
    "a very large amount": lambda make: make.entry(make.purchase(VERY_LARGE_MINOR)),
    "a split over two accounts": lambda make: make.entry(make.purchase(10_01, 20_02)),
    "a split into many lines": lambda make: make.entry(make.purchase(*range(1, 21))),
    "a split with a returned part": lambda make: make.entry(make.purchase(30_00, -5_00)),
    "a refund": lambda make: make.entry(make.purchase(-12_34)),
    "input tax": lambda make: make.entry(make.taxed(40_00)),
    "a refund with input tax": lambda make: make.entry(make.taxed(-40_00)),
    "reverse charge": lambda make: make.entry(make.taxed(40_00, reverse=True)),
    "dimensions": lambda make: make.entry(make.tagged(15_50)),
    "a foreign supplier amount": Entries.foreign,
    "another currency": Entries.in_other_currency,
}
PAYABLE_SHAPES: Mapping[str, Callable[[Entries], Entry]] = {
    "a bill": lambda make: make.entry(make.bill(50_00)),
    "a bill with tax": lambda make: make.entry(make.bill(50_00, taxed=True)),
    "a credit note": lambda make: make.entry(make.bill(-50_00)),
    "a credit note with tax": lambda make: make.entry(make.bill(-50_00, taxed=True)),
    "a payment": lambda make: make.entry(make.payment(50_00)),
    "a returned payment": lambda make: make.entry(make.payment(-50_00)),
    "a bill and its payment": _bill_and_payment,
}
