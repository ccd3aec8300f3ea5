"""What the company owes its people, and how it is paid back: reimbursements name the entries they settle."""

# ruff: noqa: RUF001 - names and notes are written as people write them

from dataclasses import dataclass, field

from tallybook.sandbox.world import suppliers
from tallybook.sandbox.world.chart import ROLES
from tallybook.sandbox.world.draws import between, pick
from tallybook.sandbox.world.frame import Frame, Json, LinePlan
from tallybook.sandbox.world.studio import Employee

# Entries of one person that one reimbursement settles at most; what lies open longer is settled in another job.
_OPEN_MAX = 12
_MILEAGE_PER_KM = 223  # hundredths of a krone
_PER_DIEM = 59_700  # hundredths of a krone for a day away


@dataclass(slots=True)
class Claims:
    """What lies open for each person: pairs of reconciliation id and hundredths of the company's currency."""

    by_person: dict[Employee, list[tuple[str, int]]] = field(default_factory=dict)

    def out_of_pocket(self, frame: Frame) -> Json:
        """Something a person paid for the company."""
        person = frame.someone()
        supplier = pick(frame.chance, suppliers.PAID_PRIVATELY)
        value = frame.price(supplier.low, supplier.high, supplier.currency)
        plan = LinePlan(value, supplier.account, supplier.tax, frame.tags_of(person))
        document = frame.document(
            "out_of_pocket",
            frame.paid(supplier.currency),
            [plan],
            touches_wallet=False,
            employee=person,
            supplier=supplier,
            note=pick(frame.chance, supplier.notes),
            files=frame.receipts(1),
        )
        return self._owe(frame, person, value, document)

    def mileage(self, frame: Frame) -> Json:
        """Kilometres in a person's own car."""
        person = frame.someone()
        kilometres = between(frame.chance, 8, 420)
        return self._allowance(
            frame, person, "mileage", kilometres * _MILEAGE_PER_KM, "3140", f"{kilometres} km, client visit"
        )

    def per_diem(self, frame: Frame) -> Json:
        """Days away on business."""
        person = frame.someone()
        days = between(frame.chance, 1, 4)
        return self._allowance(frame, person, "per_diem", days * _PER_DIEM, "3150", f"Köln, {days} × Tagegeld")

    def paid_from_wallet(self, frame: Frame) -> Json:
        """A person's open entries paid back from the wallet."""
        return self._reimbursement(frame, "direct_reimbursement")

    def paid_with_salary(self, frame: Frame) -> Json:
        """A person's open entries paid back outside Pleo."""
        return self._reimbursement(frame, "external_reimbursement")

    def bounced(self, frame: Frame) -> Json:
        """A payout to a person that the bank sent back."""
        return self._back_to_wallet(frame, "reimbursement_to_employee_refund", "Account closed, money came back")

    def paid_by_employee(self, frame: Frame) -> Json:
        """Money a person gives back to the company."""
        return self._back_to_wallet(frame, "reimbursement_to_company", "Private part of the phone bill")

    def _owe(self, frame: Frame, person: Employee, value: int, document: Json) -> Json:
        claims = self.by_person.setdefault(person, [])
        if len(claims) < _OPEN_MAX:
            claims.append((frame.book_id(), value))
        return document

    def _allowance(self, frame: Frame, person: Employee, kind: str, value: int, account: str, note: str) -> Json:
        document = frame.document(
            kind,
            frame.paid(frame.company.currency),
            [LinePlan(value, account, None, frame.tags_of(person))],
            touches_wallet=False,
            employee=person,
            note=note,
            files=[],
        )
        return self._owe(frame, person, value, document)

    def _reimbursement(self, frame: Frame, kind: str) -> Json:
        if self.by_person:
            person = next(iter(self.by_person))  # who waits longest
            claims = self.by_person.pop(person)
        else:
            person = frame.someone()
            claims = [
                (frame.book_id(-between(frame.chance, 1, 900)), frame.price(4_000, 210_000, frame.company.currency))
            ]
        return self._settlement(
            frame,
            kind,
            "reimbursement_to_employee",
            person,
            sum(value for _, value in claims),
            f"Udlæg, {len(claims)} bilag",
            [book_id for book_id, _ in claims],
        )

    def _back_to_wallet(self, frame: Frame, sub_type: str, note: str) -> Json:
        value = frame.price(4_000, 95_000, frame.company.currency)
        return self._settlement(frame, "direct_reimbursement", sub_type, frame.someone(), value, note, None)

    @staticmethod
    def _settlement(
        frame: Frame, kind: str, sub_type: str, person: Employee, value: int, note: str, reconciled: list[str] | None
    ) -> Json:
        return frame.document(
            kind,
            frame.paid(frame.company.currency),
            [LinePlan(value, ROLES["out_of_pocket"])],
            sub_type=sub_type,
            touches_wallet=kind == "direct_reimbursement",
            employee=person,
            note=note,
            reconciled=reconciled,
        )
