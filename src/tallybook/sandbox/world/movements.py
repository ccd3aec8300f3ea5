"""Movements of the wallet itself: money in and out of it, cash, fees, rewards, private use."""

from tallybook.sandbox.world.chart import ROLES
from tallybook.sandbox.world.draws import pick
from tallybook.sandbox.world.frame import Frame, Json, LinePlan
from tallybook.sandbox.world.studio import Employee


def wallet_topup(frame: Frame) -> Json:
    """Money from the bank into one of the wallets."""
    return _transfer(frame, "wallet_topup", "Overførsel til Pleo")


def wallet_unload(frame: Frame) -> Json:
    """Money from one of the wallets back to the bank."""
    return _transfer(frame, "wallet_unload", "Back to the bank")


def fee(frame: Frame) -> Json:
    """A charge of Pleo's."""
    return _own_currency(frame, "fee", "3810", frame.price(900, 24_000, "DKK"), note="Currency fee")


def fee_given_back(frame: Frame) -> Json:
    """A charge Pleo took back: a negative value."""
    return _own_currency(frame, "fee", "3810", -frame.price(900, 24_000, "DKK"), note="Correction of a currency fee")


def interest(frame: Frame) -> Json:
    """Interest on the overdraft."""
    return _own_currency(frame, "fee", "3820", frame.price(1_500, 88_000, "DKK"), sub_type="interest", note="Renter")


def cashback(frame: Frame) -> Json:
    """A reward Pleo pays."""
    return _own_currency(frame, "cashback", "3840", frame.price(2_000, 65_000, "DKK"), note="Cashback 0,5 %")


def atm_withdrawal(frame: Frame) -> Json:
    """Cash a person took out and owes until there are receipts."""
    value = frame.price(2, 20, "DKK") * 10_000
    note = "Kontanter til loppemarked"
    return _own_currency(
        frame, "atm_withdrawal", ROLES["employee_receivable"], value, employee=frame.someone(), note=note
    )


def personal_spend(frame: Frame) -> Json:
    """Something private on the company's card, which the person owes."""
    value = frame.price(3_000, 74_000, "DKK")
    note = "Wrong card, sorry 🙈"
    return _own_currency(
        frame, "personal_spend", ROLES["employee_receivable"], value, employee=frame.someone(), note=note
    )


def _transfer(frame: Frame, kind: str, note: str) -> Json:
    wallet = pick(frame.chance, frame.company.wallets)
    value = frame.price(5, 90, wallet.currency) * 100_000
    return frame.document(
        kind, frame.paid(wallet.currency, wallet), [LinePlan(value, ROLES["contra"])], method="none", note=note
    )


def _own_currency(
    frame: Frame,
    kind: str,
    account: str,
    value: int,
    *,
    note: str,
    sub_type: str | None = None,
    employee: Employee | None = None,
) -> Json:
    return frame.document(
        kind,
        frame.paid("DKK"),
        [LinePlan(value, account)],
        sub_type=sub_type,
        employee=employee,
        supplier_name="Pleo" if kind in {"fee", "cashback"} else None,
        note=note,
        files=[],
    )
