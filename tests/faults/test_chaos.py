"""A short chaos; `make chaos` has the long one."""

from pathlib import Path

import pytest

from tests.faults import chaos


@pytest.mark.parametrize(("database", "workers"), [("sqlite", 1), ("postgresql", 3)])
def test_chaos_loses_doubles_and_alters_nothing(tmp_path: Path, database: str, workers: int) -> None:
    """Kills, freezes, crashes and faults of every call, over several companies, all at once."""
    options = chaos.Options(seconds=15, seed=1, companies=4, workers=workers, database=database)
    counts = chaos.run(options, tmp_path)
    assert counts.wrong == []
    assert min(counts.entries, counts.struck, counts.killed) > 0
