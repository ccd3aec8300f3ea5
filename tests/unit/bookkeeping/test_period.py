"""Accounting period and posting state; January and February 2026 are closed, today is 20 March."""

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tallybook.accounting.entry import PostingState
from tallybook.accounting.errors import EntrySettingInvalid, PeriodClosed
from tallybook.accounting.system import ClosedPeriod
from tallybook.bookkeeping.rules import ClosedPeriodRule

if TYPE_CHECKING:
    from tests.unit.bookkeeping.conftest import Desk


@pytest.mark.parametrize(
    ("sent", "rule", "posted_on"),
    [
        ("2026-03-10T09:00:00Z", ClosedPeriodRule.FAIL, date(2026, 3, 10)),
        ("2025-12-31T23:59:59Z", ClosedPeriodRule.NEXT_OPEN, date(2025, 12, 31)),
        ("2026-01-15T09:00:00Z", ClosedPeriodRule.NEXT_OPEN, date(2026, 3, 1)),
        ("2026-02-28T09:00:00Z", ClosedPeriodRule.NEXT_OPEN, date(2026, 3, 1)),
        ("2026-01-15T09:00:00Z", ClosedPeriodRule.TODAY, date(2026, 3, 20)),
        ("2026-03-01T00:30:00+02:00", ClosedPeriodRule.NEXT_OPEN, date(2026, 3, 1)),
    ],
)
def test_posting_day(desk: "Desk", sent: str, rule: ClosedPeriodRule, posted_on: date) -> None:
    """An open day stays; a closed one moves by the rule, past all closed periods that adjoin."""
    assert desk.plan(desk.item(date=sent), closed_period=rule).entry.posting_on == posted_on


def test_original_day_is_kept(desk: "Desk") -> None:
    """The day Pleo gave, in UTC, stays on an entry that is moved; a service period moves nothing."""
    period = {"from": "2025-06-01T00:00:00Z", "to": "2025-05-01T00:00:00Z"}
    item = desk.item(date="2026-03-01T00:30:00+02:00", servicePeriod=period)
    entry = desk.plan(item, closed_period=ClosedPeriodRule.TODAY).entry
    assert entry.original_on == date(2026, 2, 28)
    assert (entry.details.service_from_on, entry.details.service_to_on) == (date(2025, 6, 1), date(2025, 5, 1))


def test_closed_period_is_refused(desk: "Desk") -> None:
    """Under `fail` the date and the closed days are named, and what to do."""
    with pytest.raises(PeriodClosed, match="2026-01-15 lies in the closed period 2026-01-01 to 2026-02-28; change"):
        desk.plan(desk.item(date="2026-01-15T00:00:00Z"))


@pytest.mark.parametrize(
    ("from_on", "to_on", "said"),
    [
        (date.min, date(2026, 8, 31), "everything up to 2026-08-31 is closed; change"),
        (date(2026, 1, 1), date.max, "everything from 2026-01-01 on is closed; change"),
        (date.min, date.max, "every day is closed; change"),
    ],
)
def test_books_without_periods_are_closed_without_end(desk: "Desk", from_on: date, to_on: date, said: str) -> None:
    """Where no first or last day is known, none is said."""
    known = replace(desk.known, closed_periods=[ClosedPeriod(from_on, to_on)])
    with pytest.raises(PeriodClosed, match=f"^The date 2026-03-10 cannot be booked: {said}"):
        desk.plan(desk.item(), known=known)


@pytest.mark.parametrize("rule", [ClosedPeriodRule.TODAY, ClosedPeriodRule.NEXT_OPEN])
def test_nothing_open(desk: "Desk", rule: ClosedPeriodRule) -> None:
    """Books closed to the end of time refuse under every rule."""
    known = replace(desk.known, closed_periods=[ClosedPeriod(date(2026, 1, 1), date.max)])
    with pytest.raises(PeriodClosed, match="open a period"):
        desk.plan(desk.item(), known=known, closed_period=rule)


def test_odd_closed_periods(desk: "Desk") -> None:
    """Periods that overlap, stand in any order or end before they begin are taken for what they cover."""
    periods = [
        ClosedPeriod(date(2026, 3, 9), date(2026, 3, 12)),
        ClosedPeriod(date(2026, 3, 1), date(2026, 3, 31)),
        ClosedPeriod(date(2026, 12, 31), date(2026, 1, 1)),
    ]
    known = replace(desk.known, closed_periods=periods)
    entry = desk.plan(desk.item(), known=known, closed_period=ClosedPeriodRule.NEXT_OPEN).entry
    assert entry.posting_on == date(2026, 4, 1)


@pytest.mark.parametrize("state", list(PostingState))
def test_posting_state(desk: "Desk", state: PostingState) -> None:
    """The entry carries the setting's state."""
    assert desk.plan(desk.item(), posting=state).entry.posting is state


def test_no_drafts(desk: "Desk") -> None:
    """Books without drafts do not make an entry final that was to be a draft."""
    with pytest.raises(EntrySettingInvalid, match=r"books\.posting"):
        desk.plan(desk.item(), drafts_supported=False)
    assert desk.plan(desk.item(), drafts_supported=False, posting=PostingState.POSTED)
