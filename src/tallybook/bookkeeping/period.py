"""Accounting period: the day an entry is posted on when its own day is closed."""

from datetime import date, timedelta

from tallybook.accounting.errors import PeriodClosed
from tallybook.accounting.system import ClosedPeriod
from tallybook.bookkeeping.books import Books
from tallybook.bookkeeping.rules import ClosedPeriodRule


def posting_day(original_on: date, rule: ClosedPeriodRule, books: Books, *, today: date) -> date:
    """Decide the posting day: the item's own, or what the rule makes of a closed one.

    The service period is a hint for accruals and plays no part.

    Raises:
        PeriodClosed: the day is closed and the rule gives no open one.
    Source: docs/decisions.md 22; Pleo guide "Accounting periods".
    """
    closed = books.closed_stretch(original_on)
    if closed is None:
        return original_on
    stretch = f"{closed.from_on} to {closed.to_on}"
    what = _lies_in(original_on, closed)
    if rule is ClosedPeriodRule.TODAY:
        if books.closed_stretch(today) is None:
            return today
        raise PeriodClosed(
            f"{what}, and today, {today}, is closed too; open a period in the accounting system.", sought=stretch
        )
    if rule is ClosedPeriodRule.NEXT_OPEN:
        if closed.to_on < date.max:
            # The stretch takes in adjoining closed periods, so the day after it is open.
            return closed.to_on + timedelta(days=1)
        raise PeriodClosed(f"{what}, and no open one follows; open a period in the accounting system.", sought=stretch)
    raise PeriodClosed(
        f"{what}; change the Date in Pleo, open the period in the accounting system, or allow another day with the "
        "setting books.closed_period.",
        sought=stretch,
    )


def _lies_in(day: date, closed: ClosedPeriod) -> str:
    """Say that a day is closed; books that lack periods close the days before the first and after the last."""
    match closed.from_on == date.min, closed.to_on == date.max:
        case False, False:
            return f"The date {day} lies in the closed period {closed.from_on} to {closed.to_on}"
        case True, False:
            every = f"everything up to {closed.to_on}"
        case False, True:
            every = f"everything from {closed.from_on} on"
        case _:
            every = "every day"
    return f"The date {day} cannot be booked: {every} is closed"
