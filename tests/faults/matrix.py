"""The matrix: what can go wrong with a call, when, and how often; and a job carried through it all to its end."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults import witness
from tests.faults.scene import Scene
from tests.faults.wire import Call, Fault, Kind, Moment, Plan

STARTS_MAX = 60  # of the worker, by whoever watches over it: of 100 calls half go wrong, and each may stop one start


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that can happen to a call."""

    moment: Moment
    fault: Fault

    def __str__(self) -> str:
        what = self.fault.status if self.fault.kind is Kind.STATUS else self.fault.kind
        return f"{what} {self.moment} the effect"


def _troubles() -> list[Trouble]:
    kinds = [*(Fault(Kind.STATUS, status) for status in (429, 500, 502, 503))]
    kinds += [Fault(Kind.RESET), Fault(Kind.TIMEOUT), Fault(Kind.NOT_JSON)]
    troubles = [Trouble(moment, fault) for moment in Moment for fault in kinds]
    return [*troubles, Trouble(Moment.AFTER, Fault(Kind.HALF))]


TROUBLES: Sequence[Trouble] = tuple(_troubles())


def singly(trouble: Trouble, *, every: int, offset: int, until: int) -> Plan:
    """Every so many calls one goes wrong: so many runs with as many offsets hit every call of a job.

    Up to a number: a page that is begun anew for each fault, and meets a fault each time, would never end.
    """

    def plan(call: Call, moment: Moment) -> Fault | None:
        bad = call.number % every == offset and call.number < until
        return trouble.fault if moment is trouble.moment and bad else None

    return plan


def in_bursts(trouble: Trouble, *, length: int, offset: int, until: int) -> Plan:
    """So many calls in a row go wrong, then so many go right, up to a number, so that there is an end."""

    def plan(call: Call, moment: Moment) -> Fault | None:
        bad = (call.number + offset) // length % 2 == 1 and call.number < until
        return trouble.fault if moment is trouble.moment and bad else None

    return plan


def through(
    company: Scene, database_url: str, plan: Plan, *, safety: str = "search", parts: int | None = None
) -> witness.Counts:
    """Carry a job to its end by this plan, then in calm whatever failed for it; what came of both.

    `parts`: the books break down once, after so many parts of a write.
    """
    company.begin(database_url, safety=safety, patience_s=0.5)
    company.press_export()
    if parts is not None:
        company.break_books_after(parts)
    company.wire.plan = plan
    before = company.wire.hits.total()
    until_final(company)
    struck = company.wire.hits.total() - before
    in_doubt = company.in_doubt()
    company.wire.renew()
    if again := to_export_again(company):
        company.press_export(again)
        until_final(company)
    counts = witness.count(company.evidence(), recovered=in_doubt)
    counts.struck = struck
    return counts


def to_export_again(company: Scene) -> list[str]:
    """What failed for no fault of its own, or was left: a user would press Export for it once more."""

    def settled(row: witness.Json) -> bool:
        sound = row["trouble"] is None and row["id"] not in company.refused
        return (row["outcome"] or {}).get("status") == ("successful" if sound else "failed")

    return [row["id"] for row in company.evidence().expenses if row["id"] in company.exported and not settled(row)]


def until_final(company: Scene) -> None:
    """Start a worker again and again, as a supervisor does, until it says that nothing is left."""
    codes = []
    for _ in range(STARTS_MAX):
        codes.append(company.serve_once().wait(120))
        statuses = {job["status"] for job in company.jobs()}
        if codes[-1] == 0 and statuses <= set(witness.FINAL):
            return
    raise AssertionError(f"no end after {codes}: {statuses}; {company.said()}")


def wait_until_final(companies: Sequence[Scene], within_s: float = 120) -> None:
    """Ask every company's Pleo until none of its jobs is open."""
    until_s = time.monotonic() + within_s
    for company in companies:
        while company.is_open():
            assert time.monotonic() < until_s, f"{company.name}: no end within {within_s} s; {company.said()}"
