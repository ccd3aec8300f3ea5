"""The export item on the wire, for /openapi.json: the accounting content of one entry.

Source: definition ExportItemV3 and the schemas it refers to. Documents added raw are served as they are, whatever
this says.
"""

from typing import Annotated

from pydantic import Field, WithJsonSchema

from tallybook.sandbox.api.schemas import Count32, CursorPageInfo, DateTime, OptionalText, UuidText, Wire

Currency = Annotated[str, Field(pattern=r"^(UNDEFINED|[A-Z]{3})$")]
Country = Annotated[str, Field(pattern=r"^(UNDEFINED|[A-Z]{2})$")]
Number = Annotated[float, WithJsonSchema({"type": "number"})]


class MoneyModel(Wire):
    """An amount in hundredths: 89696 stands for 896.96."""

    currency: Currency
    value: Number


class ExportItemAmountV3(Wire):
    """Total of the entry."""

    in_supplier_currency: MoneyModel
    in_wallet_currency: MoneyModel


class ExportItemLineAmountV3(ExportItemAmountV3):
    """Amount of the line."""


class ExportItemNetAmountV3(ExportItemAmountV3):
    """With or without tax, depending on `tax.type` of the line."""


class TaxAmountV3(ExportItemAmountV3):
    """Tax share of the line."""


class AccountV3(Wire):
    """General ledger account of a line."""

    code: str | None = None
    id: UuidText
    identifier: str | None = None
    name: str


class ContraAccount(AccountV3):
    """Accounting-system account standing for the Pleo account the money moved on."""


class TagV3(Wire):
    """A tag and its group."""

    code: str
    group_code: str
    id: UuidText


class TaxV3(Wire):
    """Tax of a line; `rate` is a fraction."""

    amount: TaxAmountV3
    code: str | None = None
    id: UuidText
    ingoing_tax_account: OptionalText = None
    outgoing_tax_account: OptionalText = None
    rate: Number
    type: str


class ExportItemLineV3(Wire):
    """One line of the entry."""

    account: AccountV3 | None = None
    accounting_entry_line_id: UuidText
    line_amount: ExportItemLineAmountV3
    net_amount: ExportItemNetAmountV3
    tags: list[TagV3 | None] | None = None
    tax: TaxV3 | None = None


class SupplierBankAccount(Wire):
    """Where an invoice was paid to."""

    account_number: str | None = None
    bank_code: str | None = None
    bank_name: str
    bic: str | None = None
    country: Country
    iban: str | None = None


class InvoiceInformationV3(Wire):
    """The invoice behind an entry."""

    due_date: DateTime | None = None
    invoice_date: DateTime
    invoice_number: str
    payment_date: DateTime | None = None
    status: str
    supplier_bank_account: SupplierBankAccount | None = None


class ExportItemAdditionalInformationV3(Wire):
    """What helps to reconcile."""

    attendees: list[str | None] | None = None
    invoice_information: InvoiceInformationV3 | None = None
    reconciled_entries: list[str | None] | None = None
    reconciliation_id: str


class BookkeepingV3(Wire):
    """How the company wants the entry booked."""

    method: str


class ExportItemFile(Wire):
    """An attachment; the link works for 24 hours after the item was read."""

    size: Count32
    type: str
    url: str


class ServicePeriodV3(Wire):
    """When the service was rendered."""

    from_: DateTime = Field(alias="from")
    to: DateTime


class SupplierV3(Wire):
    """Merchant as seen on the spend."""

    account: str | None = None
    category_code: str | None = None
    code: str | None = None
    country: Country | None = None
    name: str | None = None
    tax_identifier: str | None = None


class TeamV3(Wire):
    """Team of the person."""

    code: str | None = None
    id: UuidText
    name: str


class ExportItemUserV3(Wire):
    """Person behind the spend."""

    code: str | None = None
    id: UuidText
    name: str


class VendorV3(Wire):
    """Vendor chosen for the entry."""

    code: OptionalText = None
    country: Annotated[Country | None, WithJsonSchema({"type": "string", "pattern": "^(UNDEFINED|[A-Z]{2})$"})] = None
    default_currency: Annotated[str, Field(min_length=3, max_length=3)]
    external_id: OptionalText = None
    id: UuidText
    name: str
    registration_number: OptionalText = None
    tax_registration_number: OptionalText = None


class LinksResponse(Wire):
    """Links to the entry in Pleo."""

    api: dict[str, str] = Field(default_factory=dict)
    mobile: dict[str, str] = Field(default_factory=dict)
    web: dict[str, str] = Field(default_factory=dict)


class ExportItemV3(Wire):
    """The accounting content of one entry; `bookkeeping` and `vendor` only in a vendor based job."""

    links: LinksResponse = Field(alias="_links")
    accounting_entry_id: UuidText
    accounting_entry_lines: list[ExportItemLineV3]
    additional_information: ExportItemAdditionalInformationV3
    amount: ExportItemAmountV3
    bookkeeping: BookkeepingV3 | None = None
    company_id: UuidText
    contra_account: ContraAccount | None = None
    date: DateTime
    files: list[ExportItemFile | None] | None = None
    note: str | None = None
    service_period: ServicePeriodV3 | None = None
    sub_type: str | None = None
    supplier: SupplierV3 | None = None
    team: TeamV3 | None = None
    type: str
    user: ExportItemUserV3 | None = None
    vendor: VendorV3 | None = None


class CursorPaginatedResponseExportItemV3(Wire):
    """A page of export items."""

    data: list[ExportItemV3]
    pagination: CursorPageInfo
