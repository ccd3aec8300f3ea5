"""What large receipts cost in memory."""

import json
import os
import subprocess
import sys

from tests.flow.conftest import Stage

LARGE_BYTES = 30 * 1024 * 1024
GROWTH_MB_MAX = 30


def peak_mb(stage: Stage, size_bytes: int) -> float:
    """Export ten entries with a receipt of this size each, in a process of its own; its peak memory."""
    stage.found()
    stage.add(*[{"files": [{"receipt": 1, "type": "application/pdf", "size": size_bytes}]}] * 10)
    stage.settings()
    stage.press_export()
    process = subprocess.Popen(
        [sys.executable, "-m", "tallybook", "run", "--config", str(stage.folder / "changed.toml"), "--json"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        (job,) = json.loads(process.stdout.read())["jobs"]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert (job["event"], job["successful"]) == ("completed", 10)
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def test_ten_receipts_of_30_mb_need_at_most_30_mb_more_than_ten_small_ones(stage: Stage) -> None:
    """Less than one of them, though eight are fetched side by side: they go to disk piece by piece."""
    small = peak_mb(stage, 30_000)
    stage.place.book.unlink()
    large = peak_mb(stage, LARGE_BYTES)
    assert large - small <= GROWTH_MB_MAX, f"{small:.0f} MB and {large:.0f} MB"
