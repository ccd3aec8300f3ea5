"""The sweep: a job is begun, the worker is killed with SIGKILL at one point, another one is started; at every point."""

import os
import queue
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.faults import lanes, matrix, witness
from tests.faults.databases import Databases
from tests.faults.scene import Scene
from tests.faults.wire import Call, Fault, Kind, Moment

ENDS_WITHIN_S = 90


@dataclass(frozen=True, slots=True)
class Point:
    """Where a worker is killed: at a call, before or after it took effect, or at a point of `launcher`."""

    name: str
    moment: Moment | None = None  # of a call; None: a point of the launcher's

    def __str__(self) -> str:
        return f"{self.moment} {self.name}" if self.moment else self.name


@dataclass
class Findings:
    """What came of a sweep."""

    counts: witness.Counts = field(default_factory=witness.Counts)
    missed: list[str] = field(default_factory=list)  # points the run did not come to
    wrong: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.killed.items()))
        return f"{sum(self.killed.values())} kills ({kinds}); {self.counts}"


def all_points(company: Scene, databases: Databases, *, safety: str = "search") -> list[Point]:
    """Run the job undisturbed and list every call and every checkpoint it makes."""
    company.begin(databases.fresh(), safety=safety)
    company.press_export()
    passed = company.folder / "points"
    passed.unlink(missing_ok=True)
    child = company.serve_once(points=str(passed))
    assert child.wait(ENDS_WITHIN_S) == 0, company.said()
    counts = witness.count(company.evidence())
    assert not counts.wrong, counts.wrong
    calls = [Point(call.label, moment) for call in company.wire.calls for moment in Moment]
    return calls + [Point(line) for line in _lines(passed)]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def run(
    companies: Sequence[Scene], databases: Databases, points: Sequence[Point], *, safety: str = "search"
) -> Findings:
    """Try every point, some at once, each with a company and a database of its own."""
    findings = Findings()
    tried = lanes.each(companies, points, partial(kill_at, databases=databases, safety=safety))
    for point, (killed, counts) in zip(points, tried, strict=True):
        findings.counts.add(counts)
        findings.wrong += [f"killed {point}: {each}" for each in counts.wrong]
        if killed:
            findings.killed[_kind(point)] += 1
        else:
            findings.missed.append(str(point))
    sys.stdout.write(f"{databases.kind}, books with {safety}: {findings}\n")
    return findings


def _kind(point: Point) -> str:
    if point.moment is None:
        return f"{point.name.partition(' ')[0]} a checkpoint"
    return f"{point.moment} a call"


def kill_at(
    company: Scene, point: Point, *, databases: Databases, safety: str = "search"
) -> tuple[bool, witness.Counts]:
    """Run a job, kill the worker at one point, run another to the end: whether it was killed, and what came of it."""
    code = kill(company, point, databases=databases, safety=safety)
    in_doubt = company.in_doubt()
    matrix.until_final(company)
    return code == -signal.SIGKILL, witness.count(company.evidence(), recovered=in_doubt)


def kill(company: Scene, point: Point, *, databases: Databases, safety: str = "search") -> int:
    """Begin a job and kill the worker at one point; how the worker ended."""
    company.begin(databases.fresh(), safety=safety)
    company.press_export()
    pid: queue.Queue[int] = queue.Queue()

    def at_the_call(call: Call, moment: Moment) -> Fault | None:
        if call.label != point.name or moment is not point.moment:
            return None
        os.kill(pid.get(timeout=10), signal.SIGKILL)
        return Fault(Kind.RESET)

    if point.moment is not None:
        company.wire.plan = at_the_call
    first = company.serve_once(kill_at=None if point.moment else point.name, name="killed")
    pid.put(first.pid)
    code = first.wait(ENDS_WITHIN_S)
    company.wire.renew()
    return code
