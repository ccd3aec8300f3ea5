"""The sweep: the worker is killed before and after every call and every checkpoint, and nothing shows of it."""

from collections.abc import Callable

from tests.faults import sweep
from tests.faults.conftest import LANES
from tests.faults.databases import Databases
from tests.faults.scene import Scene


def test_a_worker_killed_at_any_point_leaves_nothing_lost_doubled_or_altered(
    scenes: Callable[[int], list[Scene]], databases: Databases
) -> None:
    """Every entry once in the books and once reported, one `started`, one final event, and nothing after it."""
    companies = scenes(LANES)
    points = sweep.all_points(companies[0], databases)
    findings = sweep.run(companies, databases, points)
    assert findings.wrong == []
    assert findings.missed == []
    assert findings.counts.recovered > 0
