"""Measure Tallybook against the plain script of examples/plain, on the same sandbox, each in a process of its own.

    make bench                                             everything, which takes a good while
    make bench BENCH="--sizes 100 --latencies 0 --alone"   a short one

Every run gets a fresh world with the same expenses (seed 1, about one in a hundred in trouble) and one pending job.
What the columns say and how it is counted:

seconds   wall clock from starting the process to its end, the interpreter's own start included
ratio     the plain script's seconds divided by Tallybook's
calls     requests that reached the sandbox, receipts included, from its own journal (GET /_sandbox/journal/counts)
fsyncs    calls of fsync, fdatasync, sync_file_range and msync, counted from outside by strace in the same run;
          its filter in the kernel stops the program at these calls only. Without strace: not counted
memory    largest resident set of the process, ru_maxrss of wait4

The sandbox draws each receipt when it is fetched, about a millisecond of its processor time; it is outside the
measured process but shares the machine with it. The plain script's books know no chart of accounts, so of the
planned troubles it notices a missing category only; Tallybook notices all. That does not change what is measured.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLAIN, TALLYBOOK = "plain script", "Tallybook"
SEED = 1
_SYNC_CALLS = ("fsync", "fdatasync", "sync_file_range", "msync")
_STRACE = ("strace", "-f", "--seccomp-bpf", "-c", "-e", f"trace={','.join(_SYNC_CALLS)}")
# macOS counts ru_maxrss in bytes, Linux in kilobytes. Source: getrusage(2) of each.
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


class BenchFailed(Exception):
    """A run did not do what it was to be measured at; its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run. `calls` counts requests by operation; `fsyncs` is None where they cannot be counted."""

    program: str
    items: int
    latency_ms: int
    seconds: float
    calls: dict[str, int]
    fsyncs: int | None
    peak_memory_bytes: int
    event: str
    successful: int
    failed: int


def main() -> None:
    """Run the bench as the options say, print the table and write the results."""
    parser = argparse.ArgumentParser(description="Measure Tallybook against a plain script.")
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 1000, 10_000], help="items, both programs")
    parser.add_argument("--latencies", type=int, nargs="+", default=[0, 40], help="milliseconds put before each answer")
    parser.add_argument("--alone", type=int, nargs="*", default=[100_000], help="items, Tallybook alone, no latency")
    parser.add_argument("--out", type=Path, default=ROOT / "bench/results.json")
    options = parser.parse_args()
    order = [
        (program, items, latency)
        for latency in options.latencies
        for items in options.sizes
        for program in (PLAIN, TALLYBOOK)
    ] + [(TALLYBOOK, items, 0) for items in options.alone]
    tracing = _can_trace()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as folder, _sandbox(Path(folder)) as url:
        for program, items, latency_ms in order:
            print(f"{program}: {items} items, {latency_ms} ms ...", file=sys.stderr, flush=True)
            runs.append(_measure(program, items, latency_ms, url, Path(folder) / f"run-{len(runs)}", tracing=tracing))
    _write(options.out, runs, tracing=tracing)
    _show(runs)


@contextmanager
def _sandbox(folder: Path) -> Iterator[str]:
    """Start a sandbox on a free port and give its address; it ends with the block, or with this process."""
    command = [sys.executable, "-m", "tallybook", "sandbox", "serve", "--port", "0", "--world", "empty", "--json"]
    process = subprocess.Popen(
        [*command, "--stop-with-stdin", "--data", str(folder / "pleo.sqlite")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        line = process.stdout.readline()
        if not line:
            raise BenchFailed("the sandbox did not start; its reason stands above")
        yield json.loads(line)["url"]
    finally:
        process.terminate()
        process.communicate()


def _measure(program: str, items: int, latency_ms: int, url: str, folder: Path, *, tracing: bool) -> Run:
    stage = json.loads(
        _output([sys.executable, str(ROOT / "bench/prepare.py"), url, str(folder), str(items), str(SEED)])
    )
    if program == PLAIN:
        script = [sys.executable, str(ROOT / "examples/plain/export.py")]
        command = [*script, url, stage["api_key"], stage["company_id"], "--books", str(folder / "plain.sqlite")]
    else:
        command = [sys.executable, "-m", "tallybook", "run", "--config", stage["config"], "--json"]
    before = _ask(url, "GET", "/journal/counts")
    _ask(url, "POST", "/latency", {"ms": latency_ms})
    try:
        said, seconds, peak_memory_bytes, fsyncs = _timed(command, folder, tracing=tracing)
    finally:
        _ask(url, "POST", "/latency", {"ms": 0})
    after = _ask(url, "GET", "/journal/counts")
    result = said["jobs"][0] if "jobs" in said else said
    if result["event"] is None or result["successful"] + result["failed"] != items:
        raise BenchFailed(f"{program} ended with {result}, which does not account for {items} items")
    shutil.rmtree(folder)  # a book of 100,000 entries with receipts is large
    return Run(
        program=program,
        items=items,
        latency_ms=latency_ms,
        seconds=round(seconds, 3),
        calls={name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)},
        fsyncs=fsyncs,
        peak_memory_bytes=peak_memory_bytes,
        event=result["event"],
        successful=result["successful"],
        failed=result["failed"],
    )


def _timed(command: Sequence[str], folder: Path, *, tracing: bool) -> tuple[dict[str, Any], float, int, int | None]:
    """Run a program to its end: the JSON it printed, seconds, bytes of peak memory, fsyncs."""
    summary = folder / "strace.txt"
    if tracing:
        command = [*_STRACE, "-o", str(summary), *command]
    printed = folder / "stdout.json"
    with printed.open("wb") as stdout:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=stdout)
        # wait4 gives this child's figures; those of getrusage run together over all children there were.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    text = printed.read_text("utf-8")
    if process.returncode not in {0, 1} or not text:  # 1: some items failed, as planned
        raise BenchFailed(f"the program ended with exit code {process.returncode}; its reason stands above")
    return (
        json.loads(text),
        seconds,
        usage.ru_maxrss * _MAXRSS_BYTES,
        _calls_in(summary.read_text("utf-8")) if tracing else None,
    )


def _calls_in(summary: str) -> int:
    # Rows of `strace -c`: % time, seconds, usecs/call, calls, errors if any, name.
    rows = (row.split() for row in summary.splitlines())
    return sum(int(row[3]) for row in rows if row and row[-1] in _SYNC_CALLS)


def _can_trace() -> bool:
    """Find out whether strace is here and allowed to trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run([*_STRACE, "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0


def _ask(url: str, method: str, path: str, body: object = None) -> Any:
    # The bench stays without an HTTP library, because a child's peak memory begins with its parent's.
    request = urllib.request.Request(  # noqa: S310 - the sandbox we started
        f"{url}/_sandbox{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        text = answer.read()
    return json.loads(text) if text else None


def _output(command: Sequence[str]) -> bytes:
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE)
    if done.returncode:
        raise BenchFailed(f"{command[1]} failed; its reason stands above")
    return done.stdout


def _write(path: Path, runs: Sequence[Run], *, tracing: bool) -> None:
    results = {
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        },
        "counted": {
            "seconds": "wall clock of the whole process",
            "calls": "the sandbox's journal",
            "fsyncs": f"strace, calls of {', '.join(_SYNC_CALLS)}" if tracing else "not counted: no strace",
            "peak_memory_bytes": "ru_maxrss of wait4",
        },
        "runs": [asdict(run) for run in runs],
    }
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _show(runs: Sequence[Run]) -> None:
    # Imported at the end: a child's peak memory begins with its parent's.
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    plain = {(run.items, run.latency_ms): run.seconds for run in runs if run.program == PLAIN}
    table = Table(title="One export job", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Program", no_wrap=True)
    for heading in ("Items", "Latency", "Seconds", "Items/s", "Ratio", "Calls", "fsyncs", "Memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in runs:
        other = plain.get((run.items, run.latency_ms)) if run.program == TALLYBOOK else None
        table.add_row(
            run.program,
            f"{run.items:,}",
            f"{run.latency_ms} ms",
            f"{run.seconds:.1f}",
            f"{run.items / run.seconds:,.0f}",
            f"{other / run.seconds:.1f}" if other else "",
            f"{sum(run.calls.values()):,}",
            "?" if run.fsyncs is None else f"{run.fsyncs:,}",
            f"{run.peak_memory_bytes / 1e6:.0f} MB",
        )
    width = None if sys.stdout.isatty() else 100  # a file or a log has no width of its own
    Console(width=width).print(table)


if __name__ == "__main__":
    main()
