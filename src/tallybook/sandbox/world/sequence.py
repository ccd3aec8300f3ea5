"""The stream of expenses: which sort of entry comes when. Small worlds show everything, large ones real proportions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tallybook.sandbox.world import movements, spend
from tallybook.sandbox.world.draws import Weighted
from tallybook.sandbox.world.frame import Frame, Json
from tallybook.sandbox.world.payables import Payables
from tallybook.sandbox.world.people import Claims
from tallybook.sandbox.world.troubles import TROUBLES, UNKNOWN_VENDOR, troubled


@dataclass(frozen=True, slots=True)
class Expense:
    """One entry ready for export.

    `document` is a complete export item of version 3, except that an element of `files` is {"receipt": position,
    "type": media type, "size": bytes} and wants a `url` when it is read; nothing in it is shared with another
    expense. `trouble` is one of `TROUBLES` or None; then `mend` is the JSON merge patch (RFC 7396) that makes it
    exportable and `mend_note` says what the bookkeeper did.
    """

    entry_id: str
    document: Json
    trouble: str | None = None
    mend: Json | None = None
    mend_note: str | None = None


_Sort = Callable[[Frame], Json]

# Every third place among the first 18 is kept for a trouble, later the 58th of each hundred.
_TROUBLE_EVERY, _TROUBLES_FIRST = 3, len(TROUBLES)
_TROUBLE_IN_HUNDRED = 57


def _opening(claims: Claims, payables: Payables) -> tuple[_Sort, ...]:
    """What every world begins with, the most ordinary first: all types and subtypes, and what is rare."""
    return (
        spend.card_purchase_taxed,
        claims.out_of_pocket,
        spend.card_purchase_abroad,
        spend.card_purchase_split,
        payables.invoice_paid,
        payables.payment_sent,
        claims.mileage,
        movements.wallet_topup,
        claims.paid_from_wallet,
        spend.refund,
        movements.fee,
        claims.per_diem,
        spend.card_invoice,
        claims.paid_with_salary,
        spend.card_purchase_in_yen,
        movements.cashback,
        movements.atm_withdrawal,
        movements.personal_spend,
        spend.chargeback,
        movements.wallet_unload,
        movements.interest,
        claims.paid_by_employee,
        payables.invoice_bounced,
        payables.payment_sent,
        payables.payment_returned,
        claims.bounced,
        spend.card_purchase_untaxed,
        spend.card_purchase_in_euro,
        spend.card_purchase_undecided,
        spend.card_purchase_reversed,
        spend.card_purchase_discounted,
        spend.client_dinner,
        spend.subscription,
        payables.payment_of_earlier,
    )


def _usual(claims: Claims, payables: Payables) -> Weighted[_Sort]:
    """What comes after: in a thousand entries of a company that lives on its cards."""
    return Weighted(
        (
            (spend.card_purchase, 560),
            (spend.card_purchase_in_euro, 62),
            (spend.card_purchase_split, 48),
            (spend.card_purchase_in_yen, 6),
            (spend.card_purchase_discounted, 5),
            (spend.card_purchase_reversed, 2),
            (spend.client_dinner, 22),
            (spend.subscription, 28),
            (claims.out_of_pocket, 68),
            (claims.mileage, 31),
            (claims.per_diem, 9),
            (payables.invoice, 44),
            (payables.payment_sent, 33),
            (payables.payment_of_earlier, 3),
            (payables.payment_returned, 1),
            (claims.paid_from_wallet, 21),
            (claims.paid_with_salary, 5),
            (claims.paid_by_employee, 2),
            (claims.bounced, 1),
            (spend.refund, 13),
            (movements.fee, 12),
            (movements.fee_given_back, 1),
            (movements.interest, 2),
            (spend.card_invoice, 6),
            (spend.chargeback, 2),
            (movements.cashback, 2),
            (movements.atm_withdrawal, 3),
            (movements.wallet_topup, 4),
            (movements.wallet_unload, 1),
            (movements.personal_spend, 5),
        )
    )


class _World:
    """The sorts of entries a world is made of, and what they remember of each other."""

    def __init__(self) -> None:
        claims, self._payables = Claims(), Payables()
        self._opening = _opening(claims, self._payables)
        self._usual = _usual(claims, self._payables)

    def write(self, frame: Frame, trouble: str | None) -> Json:
        """Write the present entry of the frame, of a sort that can bear the trouble planned for it."""
        if trouble:
            host = self._payables.invoice_open if trouble == UNKNOWN_VENDOR else spend.card_purchase_taxed
            return host(frame)
        ordinary = frame.number - min(frame.number // _TROUBLE_EVERY, _TROUBLES_FIRST)
        sort = self._opening[ordinary] if ordinary < len(self._opening) else self._usual.pick(frame.chance)
        return sort(frame)


def expenses(seed: int, items: int, *, troubles: bool = True) -> Iterator[Expense]:
    """Stream the expenses of a world, oldest first, in memory that does not grow with `items`.

    From 40 items on every type and subtype is there; below, as many as fit, the most ordinary first. Of a hundred
    entries about one is in trouble, but always one of each of `TROUBLES` from 18 items on. Without `troubles` the
    same entries come, sound.

    Repeat: the same expenses, byte for byte.
    """
    frame, world = Frame(seed, items), _World()
    for number in range(items):
        frame.begin()
        planned = _planned_trouble(number)
        document = world.write(frame, planned)
        if planned and troubles:
            broken, mend, note = troubled(document, planned)
            yield Expense(frame.entry_id, broken, planned, mend, note)
        else:
            yield Expense(frame.entry_id, document)


def _planned_trouble(number: int) -> str | None:
    if number < _TROUBLE_EVERY * _TROUBLES_FIRST:
        return TROUBLES[number // _TROUBLE_EVERY] if number % _TROUBLE_EVERY == _TROUBLE_EVERY - 1 else None
    if number % 100 == _TROUBLE_IN_HUNDRED and number // 100 >= _TROUBLES_FIRST:
        return TROUBLES[number // 100 % _TROUBLES_FIRST]
    return None
