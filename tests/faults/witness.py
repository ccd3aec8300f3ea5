"""The witness: what Pleo and the books say happened, counted. Tallybook is not asked."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
FINAL = ("completed", "completed_with_errors", "failed")
KINDS = ("lost", "doubled", "altered", "unexpected")
ENDED_BY_PLEO = ("job_expired", "canceled_by_user")


@dataclass
class Counts:
    """What went wrong, each with a sentence; how many entries were in doubt and came right; and what it took.

    `struck`: calls that faults struck; `killed`: workers. Without these and `entries` nothing wrong says nothing.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    recovered: int = 0
    entries: int = 0
    struck: int = 0
    killed: int = 0

    @property
    def wrong(self) -> list[str]:
        """Everything that went wrong; empty is what is promised."""
        return [f"{kind}: {what}" for kind in KINDS for what in getattr(self, kind)]

    def add(self, other: "Counts") -> None:
        """Count another job or run as well."""
        for kind in KINDS:
            getattr(self, kind).extend(getattr(other, kind))
        self.recovered += other.recovered
        self.entries += other.entries
        self.struck += other.struck
        self.killed += other.killed

    def __str__(self) -> str:
        figures = ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in KINDS)
        return f"{self.entries} entries: {figures}; {self.recovered} recovered"


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known from outside: Pleo's expenses, jobs, effects and journal, and the effects on the books."""

    expenses: Sequence[Json]  # with documents
    jobs: Sequence[Json]
    at_pleo: Sequence[Json]
    journal: Sequence[Json]
    in_books: Sequence[Json]
    refused: Collection[str]  # entries the books do not take


def read_log(path: Path) -> list[Json]:
    """Read the effects on a ledger from its file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def count(evidence: Evidence, *, recovered: Collection[str] = ()) -> Counts:
    """Hold the evidence against what must be: every sound entry once in the books, as Pleo described it, and reported.

    `recovered` are the entries that were in the books and not reported when something broke.
    """
    counts = Counts()
    exported = {effect["entryId"] for effect in evidence.at_pleo if effect["entryId"]}
    rows = {row["id"]: row for row in evidence.expenses if row["id"] in exported}
    counts.entries = len(rows)
    booked = defaultdict(list)
    for effect in evidence.in_books:
        booked[effect["reference"][1]].append(effect)
    for entry_id in booked.keys() - rows.keys():
        counts.unexpected.append(f"{entry_id} is in the books and in no export job")
    for entry_id, row in rows.items():
        sound = row["trouble"] is None and entry_id not in evidence.refused
        _count_entry(counts, entry_id, row, booked[entry_id], sound=sound)
    _count_updates(counts, evidence.at_pleo)
    for job in evidence.jobs:
        _count_job(counts, job, evidence)
    wrong = "\n".join(counts.wrong)
    counts.recovered = sum(entry_id not in wrong for entry_id in recovered)
    return counts


def _count_entry(counts: Counts, entry_id: str, row: Json, effects: Sequence[Json], *, sound: bool) -> None:
    of = {name: [each for each in effects if each["effect"] == name] for name in ("recorded", "attached", "posted")}
    outcome = row["outcome"] or {}
    if not sound:
        counts.unexpected += [f"{entry_id} is in the books as {each['id']}, with {row['trouble']}" for each in effects]
        if outcome.get("status") != "failed" or not outcome.get("failureReason"):
            counts.lost.append(f"{entry_id} cannot be booked, and Pleo was not told why: {outcome}")
        return
    if not of["recorded"]:
        counts.lost.append(f"{entry_id} is not in the books; Pleo was told {outcome}")
        return
    if len(of["recorded"]) > 1:
        counts.doubled.append(f"{entry_id} is in the books as {', '.join(each['id'] for each in of['recorded'])}")
    if outcome.get("status") != "successful":
        counts.lost.append(f"{entry_id} is in the books, and Pleo was told {outcome}")
    elif outcome["externalId"] != of["recorded"][0]["id"]:
        counts.altered.append(f"{entry_id} is {of['recorded'][0]['id']} in the books, {outcome['externalId']} at Pleo")
    if not of["posted"]:
        counts.lost.append(f"{entry_id} was left a draft")
    files = Counter(each["file"][0] for each in of["attached"])
    wanted = range(1, len(row["document"].get("files") or []) + 1)
    counts.lost += [f"file {position} of {entry_id}" for position in wanted if position not in files]
    counts.doubled += [f"file {position} of {entry_id}" for position, times in files.items() if times > 1]
    counts.unexpected += [f"file {position} of {entry_id}" for position in files if position not in wanted]
    counts.altered += [f"{entry_id}: {what}" for what in _differences(row["document"], of["recorded"][0]["content"])]


def _differences(document: Json, content: Json) -> list[str]:
    """Compare what is in the books with what Pleo said, by the figures alone."""
    lines = document["accountingEntryLines"]
    total = abs(sum(line["lineAmount"]["inWalletCurrency"]["value"] for line in lines))
    currency = lines[0]["lineAmount"]["inWalletCurrency"]["currency"]
    found = []
    for each in content["documents"]:
        counter = [line["amount_minor"] for line in each["lines"] if line["role"] == "counter"]
        # Money that only moves has a counter account on both sides.
        moved = abs(sum(counter)) or sum(amount for amount in counter if amount > 0)
        if moved != total or each["currency"] != currency:
            found.append(f"{total} {currency} at Pleo, {moved} {each['currency']} in the books")
        if sum(line["amount_minor"] for line in each["lines"]):
            found.append("a document that does not balance")
    return found


def _count_updates(counts: Counts, at_pleo: Sequence[Json]) -> None:
    """One result per item and job; the same result again, after an answer that was lost, changes nothing."""
    told: dict[tuple[str, str], set[tuple[str, str | None]]] = defaultdict(set)
    for effect in at_pleo:
        if effect["entryId"] and effect["status"] in {"successful", "failed"}:
            told[effect["jobId"], effect["entryId"]].add((effect["status"], effect["externalId"]))
    counts.altered += [
        f"Pleo took two results of {entry_id}: {sorted(results, key=str)}"
        for (_, entry_id), results in told.items()
        if len(results) > 1
    ]


def _count_job(counts: Counts, job: Json, evidence: Evidence) -> None:
    moves = [each for each in evidence.at_pleo if each["jobId"] == job["id"] and each["entryId"] is None]
    moved = [each["status"] for each in moves]
    items = {each["entryId"]: each["status"] for each in evidence.at_pleo if each["jobId"] == job["id"]}
    results = Counter(status for entry_id, status in items.items() if entry_id is not None)
    bad, good = results["failed"], results["successful"]
    wanted = "completed" if not bad else "completed_with_errors" if good else "failed"
    if moves and moves[-1]["reason"] in ENDED_BY_PLEO:  # nobody of ours has to end it, or may
        if moved not in (["failed"], ["in_progress", "failed"]):
            counts.unexpected.append(f"job {job['id']} went through {moved}")
        counts.unexpected += _updates_after_the_end(job, moves[-1], evidence.at_pleo)
        return
    counts.unexpected += _updates_after_the_end(job, moves[-1], evidence.at_pleo) if moves else []
    counts.unexpected += _calls_after_the_end(job, evidence.journal)
    if moved == ["in_progress", "failed"] and set(results) <= {"abandoned"}:
        return  # the books were away before anything was begun: the job failed as a whole, and its entries wait
    if moved != ["in_progress", wanted]:
        counts.unexpected.append(f"job {job['id']} went through {moved}, with {good} good and {bad} bad items")
    if good + bad != job["numberOfItems"]:
        counts.lost.append(f"job {job['id']} has {job['numberOfItems']} items, of which Pleo knows {good + bad}")


def _updates_after_the_end(job: Json, end: Json, at_pleo: Sequence[Json]) -> list[str]:
    return [
        f"{each['entryId']} became {each['status']} after the end of job {job['id']}"
        for each in at_pleo
        if each["jobId"] == job["id"] and each["n"] > end["n"] and each["status"] != "abandoned"
    ]


def _calls_after_the_end(job: Json, journal: Sequence[Json]) -> list[str]:
    """What was sent about a job after Pleo had taken its final event."""
    about = [call for call in journal if job["id"] in call["path"] + call["requestBody"]]
    ended = [n for n, call in enumerate(about) if _is_final_event(call)]
    return [
        f"{call['method']} {call['path']} after the final event of job {job['id']}"
        for n, call in enumerate(about)
        if ended and n > ended[0] and call["method"] != "GET"
    ]


def _is_final_event(call: Json) -> bool:
    if not call["path"].startswith("/v3/export-job-events") or call["status"] not in {202, None}:
        return False
    return bool(json.loads(call["requestBody"])["event"] in FINAL) and call["fault"] is None
