"""Charts of jobs day by day: reckoned here, and drawn by the template as SVG without a script or a style."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from tallybook.history.job import Day, State

WIDTH: Final = 600
HEIGHT: Final = 140
_FLOOR: Final = 120  # below it stand the days
_CEILING: Final = 14  # above it stands the largest value
_SLOT_FILLED: Final = 0.7
# From the floor up: what a bar's part is drawn as, its word, and the states it counts.
PARTS: Final = (
    ("good", "Completed", (State.COMPLETED,)),
    ("warn", "Completed with errors", (State.COMPLETED_WITH_ERRORS,)),
    ("bad", "Failed or ended without us", (State.FAILED, State.ENDED_ELSEWHERE)),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a chart; `kind` is how it is drawn."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars on a field of WIDTH by HEIGHT, where `top` is the value at the ceiling; and the same as a table."""

    bars: Sequence[Bar]
    top: float
    first_on: date
    last_on: date
    head: Sequence[str]
    rows: Sequence[tuple[date, Sequence[float | None]]]


def outcomes(days: Sequence[Day], first_on: date, last_on: date) -> Chart:
    """Draw how many jobs ended on each day, and how."""
    counted = {day.on: [sum(day.ended.get(state, 0) for state in states) for *_, states in PARTS] for day in days}
    top = max(map(sum, counted.values()), default=0)
    bars: list[Bar] = []
    for on, counts in counted.items():
        y = float(_FLOOR)
        for (kind, _, _), count in zip(PARTS, counts, strict=True):
            height = _height(count, top)
            y -= height
            if count:
                bars.append(_bar(kind, on, first_on, last_on, y, height))
    return Chart(bars, top, first_on, last_on, [word for _, word, _ in PARTS], list(counted.items()))


def durations(days: Sequence[Day], first_on: date, last_on: date) -> Chart:
    """Draw how long the jobs of each day took, in seconds: the longest, and in front of it the median."""
    took = {day.on: (day.median_s, day.longest_s) for day in days if day.median_s is not None}
    top = max((longest_s or 0.0 for _, longest_s in took.values()), default=0.0)
    bars = [
        _bar(kind, on, first_on, last_on, _FLOOR - _height(value or 0.0, top), _height(value or 0.0, top))
        for on, (median_s, longest_s) in took.items()
        for kind, value in (("faint", longest_s), ("act", median_s))
    ]
    return Chart(bars, top, first_on, last_on, ["Median", "Longest"], list(took.items()))


def _height(value: float, top: float) -> float:
    return round((_FLOOR - _CEILING) * value / top, 1) if top else 0.0


def _bar(kind: str, on: date, first_on: date, last_on: date, y: float, height: float) -> Bar:
    slot = WIDTH / ((last_on - first_on) // timedelta(days=1) + 1)
    x = slot * ((on - first_on) // timedelta(days=1)) + slot * (1 - _SLOT_FILLED) / 2
    return Bar(kind, round(x, 1), round(y, 1), round(slot * _SLOT_FILLED, 1), height)
