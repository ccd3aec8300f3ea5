"""Which side of the books each type of item debits and credits: the table an accountant would ask to see.

Derived from the meaning of the types and from which of them carry Pleo's contra account; Pleo publishes no such table.

Source: Pleo guides "Accounts mapping" and "How to determine accounts mapping"; definition ExportItemTypeV3,
ExportItemSubTypeV3.
"""

from dataclasses import dataclass
from enum import StrEnum

from tallybook.accounting.errors import EntryInvalid
from tallybook.bookkeeping.wording import shown
from tallybook.pleo.models import ItemSubType, ItemType


class Side(StrEnum):
    """What an amount is booked against."""

    CATEGORY = "category"  # the accounts the item's lines name
    WALLET = "wallet"
    OUT_OF_POCKET = "out_of_pocket"
    CONTRA = "contra"
    PAYABLE = "accounts_payable"
    REIMBURSEMENT_CONTRA = "reimbursement_contra"


@dataclass(frozen=True, slots=True)
class Sides:
    """What a positive amount debits and credits; a negative amount does the opposite.

    `receivable_without_category`: a line without a category is what the employee owes the company.
    """

    debit: Side
    credit: Side
    receivable_without_category: bool = False

    @property
    def is_spend(self) -> bool:
        """Whether the item's lines say what was bought; otherwise money only moves between accounts."""
        return Side.CATEGORY in {self.debit, self.credit}

    @property
    def counter(self) -> Side:
        """The other side of a spend: where the money came from, or whom it is owed to."""
        return self.credit if self.debit is Side.CATEGORY else self.debit


# fmt: off
_SIDES: dict[str, Sides] = {  #                  debit                credit
    ItemType.CARD_PURCHASE:          Sides(Side.CATEGORY,      Side.WALLET),
    ItemType.CARD_INVOICE:           Sides(Side.CATEGORY,      Side.WALLET),
    ItemType.FEE:                    Sides(Side.CATEGORY,      Side.WALLET),
    ItemType.ATM_WITHDRAWAL:         Sides(Side.CATEGORY,      Side.WALLET, receivable_without_category=True),
    ItemType.PERSONAL_SPEND:         Sides(Side.CATEGORY,      Side.WALLET, receivable_without_category=True),
    ItemType.REFUND:                 Sides(Side.WALLET,        Side.CATEGORY),
    ItemType.CHARGEBACK:             Sides(Side.WALLET,        Side.CATEGORY),
    ItemType.CASHBACK:               Sides(Side.WALLET,        Side.CATEGORY),
    ItemType.OUT_OF_POCKET:          Sides(Side.CATEGORY,      Side.OUT_OF_POCKET),
    ItemType.MILEAGE:                Sides(Side.CATEGORY,      Side.OUT_OF_POCKET),
    ItemType.PER_DIEM:               Sides(Side.CATEGORY,      Side.OUT_OF_POCKET),
    ItemType.DIRECT_REIMBURSEMENT:   Sides(Side.OUT_OF_POCKET, Side.WALLET),
    ItemType.EXTERNAL_REIMBURSEMENT: Sides(Side.OUT_OF_POCKET, Side.REIMBURSEMENT_CONTRA),
    ItemType.INVOICE:                Sides(Side.CATEGORY,      Side.PAYABLE),
    ItemType.INVOICE_PAYMENT:        Sides(Side.PAYABLE,       Side.WALLET),
    ItemType.WALLET_TOPUP:           Sides(Side.WALLET,        Side.CONTRA),
    ItemType.WALLET_UNLOAD:          Sides(Side.CONTRA,        Side.WALLET),
}

_REIMBURSEMENTS = frozenset({ItemType.DIRECT_REIMBURSEMENT, ItemType.EXTERNAL_REIMBURSEMENT})
_SUB_TYPES: dict[str, tuple[frozenset[ItemType], bool]] = {  # which types it refines, whether it reverses them
    ItemSubType.REIMBURSEMENT_TO_EMPLOYEE:        (_REIMBURSEMENTS,                         False),
    ItemSubType.REIMBURSEMENT_TO_COMPANY:         (_REIMBURSEMENTS,                         True),
    ItemSubType.REIMBURSEMENT_TO_EMPLOYEE_REFUND: (_REIMBURSEMENTS,                         True),
    ItemSubType.INVOICE_PAYMENT_SENT:             (frozenset({ItemType.INVOICE_PAYMENT}),   False),
    ItemSubType.INVOICE_PAYMENT_RETURNED:         (frozenset({ItemType.INVOICE_PAYMENT}),   True),
    ItemSubType.INTEREST:                         (frozenset({ItemType.FEE}),               False),
}
# fmt: on


def sides_of(item_type: str, sub_type: str | None) -> Sides:
    """Look up debit and credit of a type, turned round where the subType says so.

    Raises:
        EntryInvalid: a type or subType of Pleo's that is new, or a subType that does not belong to the type;
            which way the money went would be a guess.
    Source: docs/decisions.md 13 and 17.
    """
    sides = _SIDES.get(item_type)
    if sides is None:
        raise EntryInvalid(f"The type {shown(item_type)} is not known here; book this expense by hand.")
    if sub_type is None:
        return sides
    known = _SUB_TYPES.get(sub_type)
    if known is None:
        raise EntryInvalid(
            f"The sub-type {shown(sub_type)} of the type {shown(item_type)} is not known here; "
            "book this expense by hand."
        )
    types, reverses = known
    if item_type not in types:
        raise EntryInvalid(
            f"The sub-type {shown(sub_type)} does not belong to the type {shown(item_type)}; book this expense by hand."
        )
    return Sides(debit=sides.credit, credit=sides.debit) if reverses else sides
