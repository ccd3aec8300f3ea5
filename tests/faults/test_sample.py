"""A few of the points of the sweep, for every day; `test_sweep.py` has them all."""

import pytest

from tests.faults import sweep
from tests.faults.databases import SqliteFiles
from tests.faults.scene import Scene
from tests.faults.sweep import Point
from tests.faults.wire import Moment


@pytest.mark.parametrize(
    "point",
    [
        Point("books POST /entries #2", Moment.AFTER),
        Point("books POST /files #1", Moment.AFTER),
        Point("pleo PUT /v3/export-jobs/{}/items #2", Moment.AFTER),
        Point("pleo POST /v3/export-job-events #2", Moment.AFTER),
        Point("between 3-6 page 2 #1"),
    ],
    ids=str,
)
def test_a_worker_killed_within_a_write_leaves_nothing_lost_doubled_or_altered(
    company: Scene, sqlite_files: SqliteFiles, point: Point
) -> None:
    """What was written is found by the next worker, and nothing is written or reported again."""
    killed, counts = sweep.kill_at(company, point, databases=sqlite_files)
    assert killed
    assert counts.wrong == []
