import json
import os
import subprocess
import sys

from tests.flow.conftest import Stage

GROWTH_MB_MAX = 60


def peak_mb(stage: Stage, items: int) -> float:
    """Export a job of this size in a process of its own; its peak memory."""
    stage.found(items)
    stage.changes = {"books": {"attachments": "none"}}
    stage.settings()
    stage.press_export(vendor_based=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tallybook", "run", "--config", str(stage.folder / "changed.toml"), "--json"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        (job,) = json.loads(process.stdout.read())["jobs"]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert (job["event"], job["successful"]) == ("completed", items)
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def test_a_job_of_100000_items_needs_at_most_60_mb_more_than_one_of_1000(stage: Stage) -> None:
    """Steps 3 to 6 stream: two pages in memory, and 16 bytes for each entry that still needs a result."""
    small = peak_mb(stage, 1_000)
    stage.place.book.unlink()
    large = peak_mb(stage, 100_000)
    assert large - small <= GROWTH_MB_MAX
