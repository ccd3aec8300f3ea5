"""Invoices and their payments, which find each other by vendor and invoice number."""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from tallybook.sandbox.world import suppliers
from tallybook.sandbox.world.chart import ROLES, VENDORS
from tallybook.sandbox.world.draws import between, pick
from tallybook.sandbox.world.frame import Frame, Json, LinePlan, Paid
from tallybook.sandbox.world.suppliers import Biller

_FATES = ("paid", "scheduled", "failed_payment")
# Invoices waiting for their payment in this world; beyond this the oldest are paid in another job.
_WAITING_MAX = 200


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice that is to be paid: what its payment needs to know."""

    biller: Biller
    number: str
    invoiced_on: date
    value: int  # hundredths of the vendor's currency
    paid: Paid  # invoice and payment are exported after the payment, at its rate
    status: str


@dataclass(slots=True)
class Payables:
    """The invoices of a world that wait for their payment, oldest first, and the payments that came back."""

    waiting: deque[Bill] = field(default_factory=lambda: deque(maxlen=_WAITING_MAX))
    bouncing: deque[Bill] = field(default_factory=lambda: deque(maxlen=_WAITING_MAX))

    def invoice_paid(self, frame: Frame) -> Json:
        """An invoice whose payment follows."""
        return self._invoice(frame, "paid")

    def invoice_open(self, frame: Frame) -> Json:
        """An invoice not yet paid."""
        return self._invoice(frame, "scheduled")

    def invoice_bounced(self, frame: Frame) -> Json:
        """An invoice whose payment follows and comes back."""
        return self._invoice(frame, "failed_payment")

    def invoice(self, frame: Frame) -> Json:
        """An invoice, mostly paid."""
        draw = frame.chance.random()
        return self._invoice(frame, _FATES[0 if draw < 0.7 else 1 if draw < 0.97 else 2])  # noqa: PLR2004

    def payment_sent(self, frame: Frame) -> Json:
        """The payment of the invoice that waits longest, or of one from an earlier job."""
        bill = self.waiting.popleft() if self.waiting else _earlier(frame)
        if bill.status == "failed_payment":
            self.bouncing.append(bill)
        return _payment(frame, bill, "invoice_payment_sent")

    def payment_of_earlier(self, frame: Frame) -> Json:
        """The payment of an invoice that is in no entry of this world."""
        return _payment(frame, _earlier(frame), "invoice_payment_sent")

    def payment_returned(self, frame: Frame) -> Json:
        """A payment that came back: one of this world, or one of an earlier job."""
        bill = self.bouncing.popleft() if self.bouncing else _earlier(frame, "failed_payment")
        return _payment(frame, bill, "invoice_payment_returned")

    def _invoice(self, frame: Frame, status: str) -> Json:
        biller = pick(frame.chance, suppliers.BILLERS)
        bill = _bill(frame, biller, status)
        if status != "scheduled":
            self.waiting.append(bill)
        half = bill.value // 2
        # Rent and freelancers are shared out over two teams, the rest goes to one.
        values = [half, bill.value - half] if biller.account in {"3510", "2030"} else [bill.value]
        return frame.document(
            "invoice",
            bill.paid,
            [LinePlan(value, biller.account, biller.tax, frame.other_tags()) for value in values],
            touches_wallet=False,
            employee=frame.someone(),
            supplier_name=VENDORS[biller.vendor].name,
            vendor=biller.vendor,
            method="accounts_payable",
            note=biller.note,
            files=frame.receipts(1),
            invoice=_information(bill, frame.day),
        )


def _bill(frame: Frame, biller: Biller, status: str) -> Bill:
    return Bill(
        biller,
        f"{biller.vendor[-2:]}-{frame.day.year}-{frame.number:05d}",
        frame.day - timedelta(days=between(frame.chance, 1, 9)),
        frame.price(biller.low, biller.high, VENDORS[biller.vendor].currency),
        frame.paid(VENDORS[biller.vendor].currency),
        status,
    )


def _earlier(frame: Frame, status: str = "paid") -> Bill:
    biller = pick(frame.chance, suppliers.BILLERS)
    bill = _bill(frame, biller, status)
    return replace(bill, number=f"E{bill.number}", invoiced_on=bill.invoiced_on - timedelta(days=40))


def _payment(frame: Frame, bill: Bill, sub_type: str) -> Json:
    vendor = VENDORS[bill.biller.vendor]
    return frame.document(
        "invoice_payment",
        bill.paid,
        [LinePlan(bill.value, ROLES["accounts_payable"])],
        sub_type=sub_type,
        supplier_name=vendor.name,
        vendor=bill.biller.vendor,
        method="accounts_payable",
        note=f"{vendor.name} {bill.number}",
        invoice=_information(bill, frame.day),
    )


def _information(bill: Bill, paid_on: date) -> Json:
    # Declared date-time with a date-only template: midnight is what both readings accept.
    vendor = VENDORS[bill.biller.vendor]
    paid = bill.status == "paid"
    return {
        "dueDate": f"{bill.invoiced_on + timedelta(days=30)}T00:00:00Z",
        "invoiceDate": f"{bill.invoiced_on}T00:00:00Z",
        "invoiceNumber": bill.number,
        "paymentDate": f"{paid_on}T00:00:00Z" if paid else None,
        "status": bill.status,
        "supplierBankAccount": {
            "accountNumber": f"00{vendor.code[1:]}0000",
            "bankCode": None,
            "bankName": "Sparekassen Sundet" if vendor.country == "DK" else "Bank of the Example",
            "bic": None,
            "country": vendor.country,
            "iban": None,
        },
    }
