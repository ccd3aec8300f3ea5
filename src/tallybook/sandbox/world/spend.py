"""Card spend and money that comes back: one function for each sort of entry."""

# ruff: noqa: RUF001 - names and notes are written as people write them

from random import Random

from tallybook.sandbox.world import suppliers
from tallybook.sandbox.world.amounts import step
from tallybook.sandbox.world.chart import VENDORS
from tallybook.sandbox.world.draws import Weighted, between, pick
from tallybook.sandbox.world.frame import Frame, Json, LinePlan
from tallybook.sandbox.world.studio import Employee, Wallet
from tallybook.sandbox.world.suppliers import Supplier

_EVERYDAY = Weighted(suppliers.EVERYDAY)
_IN_EURO = Weighted(suppliers.IN_EURO)
_GUESTS = (
    "Henrik Nørgaard",
    "Ingrid Åström",
    "Dr. Klaus Möbius",
    "Fatima El-Sayed",
    'Tom "Tommo" O\'Brien',
    "Yuki Tanaka",
)
_SPLIT_ACCOUNTS = ("2020", "3640", "3630", "3110", "3670")


def card_purchase(frame: Frame) -> Json:
    """An everyday purchase from the company's own wallet, in whatever currency the supplier takes."""
    return _card(frame, _EVERYDAY.pick(frame.chance))


def card_purchase_taxed(frame: Frame) -> Json:
    """A purchase with Danish VAT and tags."""
    return _card(frame, pick(frame.chance, suppliers.TAXED_IN_DENMARK))


def card_purchase_untaxed(frame: Frame) -> Json:
    """A purchase whose tax is zero."""
    return _card(frame, pick(frame.chance, suppliers.WITHOUT_TAX))


def card_purchase_abroad(frame: Frame) -> Json:
    """A purchase from a vendor abroad, with reverse charge."""
    return _card(frame, pick(frame.chance, suppliers.ABROAD_WITH_VENDOR), method="accounts_payable")


def card_purchase_in_yen(frame: Frame) -> Json:
    """A purchase in a currency without cents."""
    return _card(frame, pick(frame.chance, suppliers.IN_YEN))


def card_purchase_in_euro(frame: Frame) -> Json:
    """A purchase from the second wallet."""
    return _card(frame, _IN_EURO.pick(frame.chance), wallet=frame.company.wallets[1])


def card_purchase_undecided(frame: Frame) -> Json:
    """A purchase for which Pleo names no bookkeeping method."""
    return _card(frame, pick(frame.chance, suppliers.TAXED_IN_DENMARK), method=None)


def card_purchase_reversed(frame: Frame) -> Json:
    """A purchase with a negative amount: the merchant took an earlier one back on the card."""
    return _card(frame, pick(frame.chance, suppliers.TAXED_IN_DENMARK), sign=-1, note="Reversal, charged twice")


def card_purchase_split(frame: Frame) -> Json:
    """A purchase shared out over two to four lines with accounts, taxes and tags of their own."""
    supplier = pick(frame.chance, suppliers.SPLIT_PURCHASES)
    total = frame.price(supplier.low * 2, supplier.high, supplier.currency)
    count = between(frame.chance, 2, 4)
    return _split(frame, supplier, shares(frame.chance, total, count, step(supplier.currency)))


def card_purchase_discounted(frame: Frame) -> Json:
    """A split purchase of which one line is a discount: negative."""
    supplier = pick(frame.chance, suppliers.SPLIT_PURCHASES)
    full = frame.price(supplier.low * 2, supplier.high, supplier.currency)
    return _split(frame, supplier, [full, -(full // 10)], note="Rabat 10 %")


def client_dinner(frame: Frame) -> Json:
    """A meal with guests, who are named."""
    guests = [guest for guest in _GUESTS if frame.chance.random() < 0.5]  # noqa: PLR2004 - half of them come
    host = frame.someone()
    return _card(frame, suppliers.LUNCH, employee=host, attendees=[host.name, *(guests or _GUESTS[:1])])


def subscription(frame: Frame) -> Json:
    """A month of a service: it carries the period it was rendered in."""
    first = frame.day.replace(day=1)
    last = (first.replace(day=28) + (frame.day.resolution * 4)).replace(day=1) - frame.day.resolution
    return _card(
        frame,
        pick(frame.chance, suppliers.SUBSCRIPTIONS),
        service_period={"from": f"{first}T00:00:00Z", "to": f"{last}T00:00:00Z"},
    )


def card_invoice(frame: Frame) -> Json:
    """A vendor's invoice paid by card at once: one entry for both."""
    biller = pick(frame.chance, suppliers.PAID_BY_CARD_ON_INVOICE)
    currency = VENDORS[biller.vendor].currency
    employee = frame.someone()
    value = frame.price(biller.low, biller.high, currency)
    return frame.document(
        "card_invoice",
        frame.paid(currency),
        [LinePlan(value, biller.account, biller.tax, frame.tags_of(employee))],
        employee=employee,
        supplier_name=VENDORS[biller.vendor].name,
        vendor=biller.vendor,
        method="accounts_payable",
        note=biller.note,
        files=frame.receipts(1),
        invoice={
            "dueDate": None,
            "invoiceDate": f"{frame.day}T00:00:00Z",
            "invoiceNumber": f"K{frame.number:06d}",
            "paymentDate": f"{frame.day}T00:00:00Z",
            "status": "paid",
            "supplierBankAccount": None,
        },
    )


def refund(frame: Frame) -> Json:
    """A supplier pays back: a vendor's as a credit note, others' in the journal."""
    return _card(frame, pick(frame.chance, suppliers.SENDS_MONEY_BACK), kind="refund", note="Returned", receipts=1)


def chargeback(frame: Frame) -> Json:
    """The card network returned a disputed payment."""
    supplier = pick(frame.chance, (suppliers.SOFTWARE, suppliers.TOOLS))
    return _card(frame, supplier, kind="chargeback", note="Never delivered – disputed", receipts=0)


def shares(chance: Random, total: int, count: int, unit: int) -> list[int]:
    """Cut `total` into `count` positive parts, each a multiple of `unit`, that add up to it exactly."""
    parts = []
    left = total
    for remaining in range(count - 1, 0, -1):
        part = int(left * (0.2 + 0.5 * chance.random())) // unit * unit or unit
        part = min(part, left - remaining * unit)
        parts.append(part)
        left -= part
    return [*parts, left]


def _card(
    frame: Frame,
    supplier: Supplier,
    *,
    kind: str = "card_purchase",
    sign: int = 1,
    wallet: Wallet | None = None,
    employee: Employee | None = None,
    method: str | None = "",
    note: str | None = None,
    attendees: list[str] | None = None,
    service_period: Json | None = None,
    receipts: int | None = None,
) -> Json:
    buyer = employee or frame.someone()
    value = sign * frame.price(supplier.low, supplier.high, supplier.currency)
    return frame.document(
        kind,
        frame.paid(supplier.currency, wallet),
        [LinePlan(value, supplier.account, supplier.tax, frame.tags_of(buyer))],
        employee=buyer,
        supplier=supplier,
        vendor=supplier.vendor,
        method=_method(frame, supplier) if method == "" else method,
        note=note or pick(frame.chance, supplier.notes),
        files=frame.receipts(_receipts(frame) if receipts is None else receipts),
        attendees=attendees,
        service_period=service_period,
    )


def _split(frame: Frame, supplier: Supplier, values: list[int], note: str | None = None) -> Json:
    buyer = frame.someone()
    plans = [
        LinePlan(
            value,
            supplier.account if position == 0 else pick(frame.chance, _SPLIT_ACCOUNTS),
            # The last line of a longer split is one without tax: a deposit, a tip, a stamp.
            supplier.tax if position < 2 else "I0",  # noqa: PLR2004
            frame.tags_of(buyer) if position == 0 else frame.other_tags(),
        )
        for position, value in enumerate(values)
    ]
    return frame.document(
        "card_purchase",
        frame.paid(supplier.currency),
        plans,
        employee=buyer,
        supplier=supplier,
        vendor=supplier.vendor,
        method=_method(frame, supplier),
        note=note or pick(frame.chance, supplier.notes),
        files=frame.receipts(_receipts(frame)),
    )


def _method(frame: Frame, supplier: Supplier) -> str | None:
    if frame.chance.random() < 0.05:  # noqa: PLR2004 - one in twenty is left to the integration
        return None
    return "accounts_payable" if supplier.vendor else "journal"


def _receipts(frame: Frame) -> int:
    draw = frame.chance.random()
    return 0 if draw < 0.08 else 1 if draw < 0.95 else 2  # noqa: PLR2004 - some lose theirs, some have two
