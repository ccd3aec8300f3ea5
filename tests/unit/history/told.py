"""Jobs as the workflow tells of them, for tests to tell."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from tallybook.accounting.entry import (
    Details,
    Dimension,
    Document,
    DocumentKind,
    Entry,
    EntryKey,
    Line,
    LineRole,
    PostingState,
)
from tallybook.history.history import History
from tallybook.history.job import Job
from tallybook.history.recorder import Recorder
from tallybook.history.recording import JobRecording, pleo_called
from tallybook.outcome import FinalEvent, ItemResult
from tallybook.pleo.client import CallRecord
from tallybook.pleo.models import ItemFailureReason, JobEvent

COMPANY, JOB = "c0000000-0000-4000-8000-000000000001", "10000000-0000-4000-8000-000000000001"
Recorders = Callable[[], Recorder]


def entry_id(number: int) -> str:
    return str(UUID(int=number))


def planned(number: int) -> Entry:
    return Entry(
        key=EntryKey(COMPANY, entry_id(number)),
        content_hash="0" * 64,
        documents=(
            Document(
                DocumentKind.JOURNAL_ENTRY,
                "EUR",
                (
                    Line("6100", 10000, LineRole.COST, "V25", dimensions=(Dimension("CC", "10"),), text="Lunch, Ann"),
                    Line("2990", -10000, LineRole.COUNTER),
                ),
            ),
        ),
        posting_on=date(2026, 3, 1),
        original_on=date(2026, 3, 1),
        posting=PostingState.DRAFT,
        details=Details("Ann's lunch", "B-1", "card_purchase", person="Ann"),
    )


def result(number: int, reason: ItemFailureReason | None = None, external_id: str = "") -> ItemResult:
    text = "Ann's lunch has no category" if reason else None
    return ItemResult(entry_id(number), external_id or f"{number:06}", reason=reason, text=text)


def call(operation: str = "update_items", error: str | None = None) -> CallRecord:
    return CallRecord(operation, 502 if error else 200, 1, 0.25, error)


async def at_step(recording: JobRecording, name: str, work: Callable[[], None] = lambda: None) -> None:
    """Run a step as the workflow does, under a checkpoint that only runs it."""

    async def step() -> Mapping[str, Any]:
        work()
        return {}

    async def inline(_: str, step: Any) -> Mapping[str, Any]:
        done: Mapping[str, Any] = await step()
        return done

    await recording.noted(inline, name, step)


def run(history: Recorder | None, results: Sequence[ItemResult], *, job_id: str = JOB) -> None:
    """Run a job of one page to its end, with a call in every part of it."""

    def page() -> None:
        for operation in ("list_job_items", "list_export_items", "update_items"):
            pleo_called(call(operation))
        job.planned((), {each.entry_id: planned(UUID(each.entry_id).int) for each in results})
        job.reported(results, items=len(results), successful=len(results), failed=0)

    async def steps() -> None:
        await at_step(job, "1 start", lambda: pleo_called(call("send_event")))
        job.started(items=len(results), left_s=lambda: 3600.0)
        await at_step(job, "3-6 page 1", page)
        await at_step(job, "7 complete", lambda: pleo_called(call("send_event")))

    with JobRecording(history, COMPANY, job_id) as job:
        asyncio.run(steps())
        job.ended(FinalEvent(JobEvent.COMPLETED), note=None, goes_on=False)


def the_job(connections: sa.Engine, job_id: str = JOB) -> Job:
    job = asyncio.run(History(connections).job(job_id))
    assert job is not None
    return job
