"""A small company to keep books for: its chart of accounts, its settings and the items Pleo sends it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tallybook.accounting.entry import Document, DocumentKind, LineRole
from tallybook.accounting.system import Account, ClosedPeriod, ReferenceData, TaxCode, Vendor
from tallybook.bookkeeping.plan import Books, Plan, plan
from tallybook.bookkeeping.rules import AccountRoles, Rules
from tallybook.money import decimal_text
from tallybook.pleo.models import ExportItem

COMPANY_ID = "0b0e2f5e-54a5-4f2b-9f0c-1d1b2a3c4d5e"
ENTRY_ID = "8a1b2c3d-1111-4222-8333-944455556666"
UUID = "11111111-2222-4333-8444-555555555555"
TODAY = date(2026, 3, 20)

ACCOUNTS = {
    "6110": "Office supplies",
    "6071": "Meals",
    "1930": "Wallet",
    "1931": "Wallet EUR",
    "1940": "Bank in transit",
    "2890": "Out of pocket",
    "2891": "Payroll clearing",
    "2440": "Payables",
    "2441": "Payables ACME",
    "1610": "Employees",
    "2641": "Tax in",
    "2614": "Tax out",
    "2645": "Tax in RC",
    "2615": "Tax out RC",
}
ROLES = AccountRoles(
    wallet="1930",
    out_of_pocket="2890",
    contra="1940",
    accounts_payable="2440",
    reimbursement_contra="2891",
    employee_receivable="1610",
    tax_in="2641",
    tax_out="2614",
)
BOOKS = ReferenceData(
    accounts=[
        *(Account(code, name, identifier=f"id-{code}") for code, name in ACCOUNTS.items()),
        Account("6999", "Old account", open=False),
        Account("6111", "Office supplies abroad", currency="USD"),
    ],
    tax_codes=[TaxCode("VAT25"), TaxCode("RC25", ingoing_account="2645", outgoing_account="2615")],
    dimensions={"CostCentre": frozenset({"Sales", "IT"}), "Project": frozenset({"P1"})},
    vendors=[
        Vendor("V1", "Paper Ltd", external_id="x-1", tax_registration_number="DE 123", registration_number="HRB 9"),
        Vendor("V2", "ACME", account="2441"),
        Vendor("V3", "Gone Ltd", blocked=True),
        Vendor("V4", "Twin", registration_number="TWIN"),
        Vendor("V5", "Twin", registration_number="TWIN"),
    ],
    closed_periods=[
        ClosedPeriod(date(2026, 1, 1), date(2026, 1, 31)),
        ClosedPeriod(date(2026, 2, 1), date(2026, 2, 28)),
    ],
)


def money(value: Any, currency: str = "EUR", *, supplier: tuple[Any, str] | None = None) -> dict[str, Any]:
    """An amount on the wire."""
    in_supplier, supplier_currency = supplier or (value, currency)
    return {
        "inWalletCurrency": {"currency": currency, "value": value},
        "inSupplierCurrency": {"currency": supplier_currency, "value": in_supplier},
    }


def line(
    value: Any = 10000,
    net: Any = None,
    *,
    account: str | dict[str, Any] | None = "6110",
    currency: str = "EUR",
    **fields: Any,
) -> dict[str, Any]:
    """A line on the wire; `net` is the amount unless given."""
    return {
        "accountingEntryLineId": UUID,
        "lineAmount": money(value, currency),
        "netAmount": money(value if net is None else net, currency),
        "account": ledger_account(account) if isinstance(account, str) else account,
    } | fields


def ledger_account(code: str, identifier: str | None = None) -> dict[str, Any]:
    """An account on the wire, by its name in the books."""
    return {"id": UUID, "name": ACCOUNTS.get(code, "Nowhere"), "code": code, "identifier": identifier}


def tax(value: Any, kind: str = "exclusive", code: str | None = "VAT25", **fields: Any) -> dict[str, Any]:
    """A tax on the wire."""
    return {"amount": money(value), "id": UUID, "rate": 0, "type": kind, "code": code} | fields


def vendor(name: str = "Paper Ltd", **keys: str) -> dict[str, Any]:
    """A vendor on the wire; known as V1 unless keys are given."""
    return {"id": UUID, "name": name, "defaultCurrency": "EUR"} | (keys or {"code": "V1"})


class Desk:
    """A bookkeeper's desk: items come in, plans go out."""

    money = staticmethod(money)
    line = staticmethod(line)
    tax = staticmethod(tax)
    vendor = staticmethod(vendor)
    ledger_account = staticmethod(ledger_account)
    rules = Rules(accounts=ROLES)
    known = BOOKS

    def wire(self, item_type: str = "card_purchase", *lines: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        """An item as Pleo sends it; its total is the sum of its lines unless given."""
        rows = lines or (line(),)
        first = rows[0]["lineAmount"]["inWalletCurrency"]
        total = sum(row["lineAmount"]["inWalletCurrency"]["value"] for row in rows)
        return {
            "_links": {},
            "accountingEntryId": ENTRY_ID,
            "accountingEntryLines": list(rows),
            "additionalInformation": {"reconciliationId": "B-17"},
            "amount": money(total, first["currency"]),
            "companyId": COMPANY_ID,
            "date": "2026-03-10T09:30:00Z",
            "type": item_type,
        } | fields

    def item(self, item_type: str = "card_purchase", *lines: Mapping[str, Any], **fields: Any) -> ExportItem:
        """As `wire`, read by the model."""
        return ExportItem.model_validate(self.wire(item_type, *lines, **fields))

    def plan(self, item: ExportItem, *, known: ReferenceData | None = None, **rules: Any) -> Plan:
        """Plan an item with some rules changed."""
        return plan(item, replace(self.rules, **rules), Books(known or self.known), today=TODAY)

    def payable(self, item_type: str, *lines: Mapping[str, Any], **fields: Any) -> Plan:
        """Plan an item of a vendor based job that asks for accounts payable."""
        asked = {"vendor": vendor(), "bookkeeping": {"method": "accounts_payable"}} | fields
        return self.plan(self.item(item_type, *lines, **asked), vendor_based=True)

    @staticmethod
    def told(planned: Plan) -> list[str]:
        """Write the documents of a plan as an accountant would, one string each."""
        return [_told(document) for document in planned.entry.documents]


def _told(document: Document) -> str:
    postings = []
    for row in document.lines:
        side = "Cr" if row.amount_minor < 0 else "Dr"
        amount = decimal_text(abs(row.amount_minor), document.currency)
        base = (
            "" if row.role not in {LineRole.TAX_IN, LineRole.TAX_OUT} else f" ({row.tax_code} on {row.tax_base_minor})"
        )
        postings.append(f"{side} {ACCOUNTS[row.account]} {amount}{base}")
    head = "" if document.kind is DocumentKind.JOURNAL_ENTRY else f"{document.kind} {document.vendor}: "
    return head + ", ".join(postings)


@pytest.fixture
def desk() -> Desk:
    """A desk of its own for each test."""
    return Desk()
