"""One export item, built from its parts: ids, amounts, lines, people, dates. Which parts, the kinds of entries decide.

Source: definition ExportItemV3 and the schemas it refers to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tallybook.sandbox.world import chart, choices
from tallybook.sandbox.world.amounts import converted, net_and_tax, step
from tallybook.sandbox.world.draws import between, new_uuid, pick, stream
from tallybook.sandbox.world.studio import Company, Employee, Wallet, company
from tallybook.sandbox.world.suppliers import Supplier

Json = dict[str, Any]

# The world ends the day before; entries are dated within the two months before it.
WORLD_DATE = datetime(2026, 11, 20, tzinfo=UTC)
DAYS = 61
FIRST_DAY = WORLD_DATE - timedelta(days=DAYS)

PDF_BYTES_MIN, PDF_BYTES_MAX = 4_000, 9_000
JPEG_BYTES_MIN, JPEG_BYTES_MAX = 14_000, 22_000

_FIRST_BOOK_ID = 4_100_000


@dataclass(frozen=True, slots=True)
class LinePlan:
    """What a line is to become: hundredths of the supplier's currency, account, tax code, tags ("CC/110")."""

    value: int
    account: str
    tax: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Paid:
    """In which currency it was priced, from which wallet it was paid, at which turn of the rate."""

    currency: str
    wallet: Wallet
    drift_thousandths: int


class Frame:
    """Builds export items of one world in order; `number` counts them from 0.

    Repeat: builds the next item, never the same again; a new frame of the same seed starts over.
    """

    def __init__(self, seed: int, items: int) -> None:
        self.company: Company = company(seed)
        self.chance = stream(seed, "expenses")
        self.number = -1
        self.entry_id = ""
        self._items = items
        self._entry_ids = stream(seed, "entry ids")
        self._line_ids = stream(seed, "line ids")
        self._accounts = {code: choices.account(seed, code) for code in chart.ACCOUNTS}
        self._tags = {
            f"{group}/{code}": choices.tag(seed, group, code)
            for group, (_, tags) in chart.TAG_GROUPS.items()
            for code in tags
        }
        self._projects = [f"PROJ/{code}" for code in chart.TAG_GROUPS["PROJ"][1]]
        self._taxes = {code: choices.tax(seed, code) for code in chart.TAX_CODES}
        self._vendors = {code: choices.vendor(seed, code) for code in chart.VENDORS}
        self._days = [(FIRST_DAY + timedelta(days=day)).strftime("%Y-%m-%d") for day in range(DAYS)]

    def begin(self) -> None:
        """Turn to the next item and give it its id."""
        self.number += 1
        self.entry_id = new_uuid(self._entry_ids)

    @property
    def day(self) -> date:
        """The day of the present item; days only ever advance through a world."""
        return (FIRST_DAY + timedelta(days=self._day_number())).date()

    def _day_number(self) -> int:
        return self.number * DAYS // max(self._items, 1)

    def book_id(self, number: int | None = None) -> str:
        """Pleo's reconciliation id of the present item, or of another by its number; negative ones came earlier."""
        return str(_FIRST_BOOK_ID + (self.number if number is None else number))

    def someone(self) -> Employee:
        """Draw an employee."""
        return pick(self.chance, self.company.employees)

    def paid(self, currency: str, wallet: Wallet | None = None) -> Paid:
        """Say how something priced in `currency` is paid: from the given wallet, or the company's own."""
        return Paid(currency, wallet or self.company.wallets[0], between(self.chance, -9, 9))

    def price(self, low: int, high: int, currency: str) -> int:
        """Draw a price in hundredths, small ones more often than large ones."""
        unit = step(currency)
        portion = self.chance.random()
        return (low + int((high - low) * portion * portion)) // unit * unit

    def tags_of(self, employee: Employee) -> tuple[str, ...]:
        """Draw the tags of a spend: the team's cost centre, and mostly a project."""
        centre = f"CC/{employee.team.cost_centre}"
        return (centre, pick(self.chance, self._projects)) if self.chance.random() < 0.8 else (centre,)  # noqa: PLR2004

    def other_tags(self) -> tuple[str, ...]:
        """Draw a cost centre and a project without regard to a person."""
        return (f"CC/{pick(self.chance, self.company.teams).cost_centre}", pick(self.chance, self._projects))

    def receipts(self, count: int) -> list[Json]:
        """Declare `count` files: position from 1, media type, exact size; `receipt` renders them to that size."""
        files = []
        for position in range(1, count + 1):
            photo = self.chance.random() < 0.2  # noqa: PLR2004 - one in five is a photo
            kind, low, high = (
                ("image/jpeg", JPEG_BYTES_MIN, JPEG_BYTES_MAX)
                if photo
                else ("application/pdf", PDF_BYTES_MIN, PDF_BYTES_MAX)
            )
            files.append({"receipt": position, "type": kind, "size": between(self.chance, low, high)})
        return files

    def document(
        self,
        kind: str,
        paid: Paid,
        plans: Sequence[LinePlan],
        *,
        sub_type: str | None = None,
        touches_wallet: bool = True,
        employee: Employee | None = None,
        supplier: Supplier | None = None,
        supplier_name: str | None = None,
        vendor: str | None = None,
        method: str | None = "journal",
        note: str | None = None,
        files: list[Json] | None = None,
        attendees: list[str] | None = None,
        reconciled: list[str] | None = None,
        invoice: Json | None = None,
        service_period: Json | None = None,
    ) -> Json:
        """Build the present item as JSON.

        `bookkeeping` and `vendor` are always there, None when the entry has none; `subType` only when it has one,
        because the definition does not let it be null. The header amount is the sum of the lines in both currencies.
        `_links` are not there: they lead to where the item is kept and served.
        """
        lines = [self._line(paid, plan) for plan in plans]
        document: Json = {
            "accountingEntryId": self.entry_id,
            "accountingEntryLines": lines,
            "additionalInformation": {
                "attendees": attendees,
                "invoiceInformation": invoice,
                "reconciledEntries": reconciled,
                "reconciliationId": self.book_id(),
            },
            "amount": _money(
                paid,
                sum(plan.value for plan in plans),
                sum(line["lineAmount"]["inWalletCurrency"]["value"] for line in lines),
            ),
            "bookkeeping": {"method": method} if method else None,
            "companyId": self.company.id,
            "contraAccount": dict(self._accounts[paid.wallet.account]) if touches_wallet else None,
            "date": f"{self._days[self._day_number()]}T{self._time_of_day()}Z",
            "files": files,
            "note": note,
            "servicePeriod": service_period,
            "supplier": _supplier(supplier, supplier_name),
            "team": None,
            "type": kind,
            "user": None,
            "vendor": dict(self._vendors[vendor]) if vendor else None,
        }
        if employee:
            team = employee.team
            document["team"] = {"code": team.code, "id": team.id, "name": team.name}
            document["user"] = {"code": employee.code, "id": employee.id, "name": employee.name}
        if sub_type:
            document["subType"] = sub_type
        return document

    def _line(self, paid: Paid, plan: LinePlan) -> Json:
        value = plan.value
        wallet_value = converted(value, paid.currency, paid.wallet.currency, paid.drift_thousandths)
        net, wallet_net, tax = value, wallet_value, None
        if plan.tax:
            code = chart.TAX_CODES[plan.tax]
            net, tax_value = net_and_tax(value, paid.currency, code.percent, code.kind)
            wallet_net, wallet_tax = net_and_tax(wallet_value, paid.wallet.currency, code.percent, code.kind)
            tax = {
                "amount": _money(paid, tax_value, wallet_tax),
                **self._taxes[plan.tax],
            }
        return {
            "account": dict(self._accounts[plan.account]),
            "accountingEntryLineId": new_uuid(self._line_ids),
            "lineAmount": _money(paid, value, wallet_value),
            "netAmount": _money(paid, net, wallet_net),
            "tags": [dict(self._tags[tag]) for tag in plan.tags],
            "tax": tax,
        }

    def _time_of_day(self) -> str:
        second = 21_600 + int(self.chance.random() * 54_000)  # from six in the morning to nine at night
        return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def _money(paid: Paid, value: int, wallet_value: int) -> Json:
    return {
        "inSupplierCurrency": {"currency": paid.currency, "value": value},
        "inWalletCurrency": {"currency": paid.wallet.currency, "value": wallet_value},
    }


def _supplier(supplier: Supplier | None, name: str | None) -> Json | None:
    if supplier:
        return {
            "account": None,
            "categoryCode": supplier.category,
            "code": None,
            "country": supplier.country,
            "name": supplier.name,
            "taxIdentifier": supplier.tax_identifier,
        }
    if name is None:
        return None
    return {"account": None, "categoryCode": None, "code": None, "country": None, "name": name, "taxIdentifier": None}
