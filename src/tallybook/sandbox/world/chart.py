"""What the company's accounting system holds: accounts, tax codes, dimensions, vendors, closed periods, roles."""

from dataclasses import dataclass
from typing import Any

from tallybook.sandbox.world.draws import named_uuid

# What an account is, by the first digit of its number.
KINDS = {"1": "income", "2": "expense", "3": "expense", "5": "asset", "6": "liability"}
# Number and name; an account's identifier, the accounting system's own id, is made from the number.
ACCOUNTS: dict[str, str] = {
    "1010": "Design fees, Denmark",
    "1020": "Design fees, EU",
    "1030": "Design fees, other countries",
    "2010": "Prototypes and models",
    "2020": "Materials and samples",
    "2030": "Freelancers and subcontractors",
    "2040": "Print production",
    "3110": "Staff catering and coffee",
    "3120": "Courses and conferences",
    "3130": "Staff gifts and events",
    "3140": "Mileage allowance",
    "3150": "Travel allowance per day",
    "3210": "Trains, taxis and parking",
    "3220": "Flights",
    "3230": "Hotels",
    "3240": "Meals while travelling",
    "3310": "Client entertainment",
    "3320": "Client gifts",
    "3410": "Advertising online",
    "3420": "Fairs and exhibitions",
    "3430": "Photography and stock images",
    "3510": "Rent of the studio",
    "3520": "Electricity and heating",
    "3530": "Cleaning and repairs",
    "3610": "Software subscriptions",
    "3620": "Cloud hosting",
    "3630": "Small equipment",
    "3640": "Office supplies",
    "3650": "Telephone and internet",
    "3660": "Books and magazines",
    "3670": "Postage and freight",
    "3680": "Insurance",
    "3690": "Accountant and lawyer",
    "3810": "Bank and card fees",
    "3820": "Interest on overdraft",
    "3830": "Exchange differences",
    "3840": "Cashback and discounts received",
    "5710": "Receivables from employees",
    "5720": "Deposits paid",
    "5810": "Bank, operating account",
    "5820": "Pleo wallet DKK",
    "5821": "Pleo wallet EUR",
    "5830": "Money in transit to and from Pleo",
    "6810": "Trade creditors",
    "6815": "Trade creditors, subcontractors",
    "6820": "Employees, out-of-pocket expenses",
    "6830": "Payroll clearing, reimbursements",
    "6902": "Output VAT",
    "6903": "Input VAT",
    "6904": "Output VAT, purchases abroad",
    "6905": "Input VAT, purchases abroad",
    "6910": "Foreign VAT to be refunded",
}

ROLES = {
    "wallet": "5820",
    "out_of_pocket": "6820",
    "contra": "5830",
    "accounts_payable": "6810",
    "reimbursement_contra": "6830",
    "employee_receivable": "5710",
    "tax_in": "6903",
    "tax_out": "6902",
}


@dataclass(frozen=True, slots=True)
class TaxCode:
    """A tax code: `percent` of the net amount, and how Pleo's net amount relates to it."""

    code: str
    name: str
    percent: int
    kind: str  # Pleo's tax type
    ingoing_account: str | None = None
    outgoing_account: str | None = None


TAX_CODES = {
    tax.code: tax
    for tax in (
        TaxCode("I25", "Purchases 25 %, amounts with VAT", 25, "inclusive", "6903"),
        TaxCode("X25", "Purchases 25 %, amounts without VAT", 25, "exclusive", "6903"),
        TaxCode("I0", "Purchases without VAT", 0, "inclusive"),
        TaxCode("DE19", "German VAT 19 %, to be refunded", 19, "inclusive", "6910"),
        TaxCode("GB20", "British VAT 20 %, to be refunded", 20, "inclusive", "6910"),
        TaxCode("SE25", "Swedish VAT 25 %, to be refunded", 25, "exclusive", "6910"),
        TaxCode("SE12", "Swedish VAT 12 %, to be refunded", 12, "inclusive", "6910"),
        TaxCode("REU25", "Purchases in the EU, reverse charge 25 %", 25, "reverse", "6905", "6904"),
        TaxCode("RW25", "Services from outside the EU, reverse charge 25 %", 25, "reverse", "6905", "6904"),
    )
}

TAG_GROUPS = {
    "CC": (
        "Cost centre",
        {
            "110": "Brand & Identity",
            "120": "Product Design",
            "130": "Workshop",
            "190": "Studio Operations",
        },
    ),
    "PROJ": (
        "Project",
        {
            "P2601": "Packaging for Bryggeriet Ø",
            "P2604": "Signs for the harbour bath",
            "P2607": "Chair no. 7",
            "P2611": "Website of the Göteborg city museum",
            "P2613": "Identity for Möbelhaus Groß",
            "P2615": "Annual report",
            "P2618": "Fair stand in Cologne",
            "P2620": "Café on Løvstræde",
            "P2699": "Not for a client",
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor of the accounting system; `shows` lists the keys Pleo's export items carry to find it by."""

    code: str
    name: str
    country: str
    currency: str
    tax_registration_number: str | None
    registration_number: str | None
    account: str | None = None
    shows: tuple[str, ...] = ("code", "externalId", "taxRegistrationNumber", "registrationNumber")


VENDORS = {
    vendor.code: vendor
    for vendor in (
        Vendor("V1001", "Brightpixel Software Inc.", "US", "USD", None, "US-5550142"),
        Vendor("V1002", "Nordhost Cloud Ltd", "IE", "EUR", "IE0000123A", "000123"),
        Vendor("V1003", "Trykkeriet på Holmen A/S", "DK", "DKK", "DK00445566", "00445566"),
        Vendor("V1004", "Göteborgs Materialbank AB", "SE", "SEK", "SE000000012301", "000000-0123"),
        Vendor(
            "V1005", "Möller & Söhne Modellbau GmbH", "DE", "EUR", "DE000012345", "HRB 00123", None, ("externalId",)
        ),
        Vendor("V1006", "Harbour & Lane Photography Ltd", "GB", "GBP", "GB000012345", "00001234", None, ("code",)),
        Vendor("V1007", 'Ejendomsselskabet "Løvstræde 8" K/S', "DK", "DKK", "DK00778899", "00778899"),
        Vendor("V1008", "Øresund Energi A/S", "DK", "DKK", "DK00990011", "00990011", None, ("registrationNumber",)),
        Vendor("V1009", "Freja Skov, illustration", "DK", "DKK", "DK00121314", "00121314", "6815"),
        Vendor("V1010", "Kilnwork Ceramics Ltd", "GB", "GBP", "GB000067890", "00006789", "6815"),
        Vendor("V1011", "Bogholderiet Nørrebro ApS", "DK", "DKK", "DK00151617", "00151617", None, ("code",)),
        Vendor("V1012", "Kontorhuset Danmark A/S", "DK", "DKK", "DK00181920", "00181920"),
        Vendor(
            "V1013", "Messe am Rhein GmbH", "DE", "EUR", "DE000067890", "HRB 00678", None, ("taxRegistrationNumber",)
        ),
        Vendor("V1014", "Linnéa Typfoundry AB", "SE", "SEK", "SE000000045601", "000000-0456"),
    )
}

# Both ends are closed days. The first is the last fiscal year, the second ends with the month last reported.
CLOSED_PERIODS = (("2025-01-01", "2025-12-31"), ("2026-01-01", "2026-08-31"))


def account_identifier(code: str) -> str:
    """Give the accounting system's own id of an account."""
    return f"acc_{code}"


def vendor_external_id(seed: int, code: str) -> str:
    """Give the accounting system's own id of a vendor."""
    return named_uuid(seed, f"vendor in the books {code}")


def books(seed: int) -> dict[str, Any]:
    """Give what the accounting system holds, as JSON.

    Shape: `accounts` [{code, name, identifier}], `taxCodes` [{code, name, ingoingAccount, outgoingAccount}] (account
    codes or None), `tagGroups` [{code, name, tags: [{code, name}]}], `vendors` [{code, name, externalId,
    taxRegistrationNumber, registrationNumber, account}], `closedPeriods` [{from, to}] (days, both closed), `roles`
    {role: account code}.

    Repeat: an equal, new object, which the caller may change.
    """
    return {
        "accounts": [
            {"code": code, "name": name, "identifier": account_identifier(code), "kind": KINDS[code[0]]}
            for code, name in ACCOUNTS.items()
        ],
        "taxCodes": [
            {
                "code": tax.code,
                "name": tax.name,
                "ingoingAccount": tax.ingoing_account,
                "outgoingAccount": tax.outgoing_account,
            }
            for tax in TAX_CODES.values()
        ],
        "tagGroups": [
            {"code": code, "name": name, "tags": [{"code": tag, "name": label} for tag, label in tags.items()]}
            for code, (name, tags) in TAG_GROUPS.items()
        ],
        "vendors": [
            {
                "code": vendor.code,
                "name": vendor.name,
                "externalId": vendor_external_id(seed, vendor.code),
                "taxRegistrationNumber": vendor.tax_registration_number,
                "registrationNumber": vendor.registration_number,
                "account": vendor.account,
            }
            for vendor in VENDORS.values()
        ],
        "closedPeriods": [{"from": first, "to": last} for first, last in CLOSED_PERIODS],
        "roles": dict(ROLES),
    }
