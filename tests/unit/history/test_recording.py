"""What is told of jobs is in the database, soon and cheaply, and can be read there."""

import asyncio
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tallybook.history import notes, recorder
from tallybook.history.history import History
from tallybook.history.job import PlannedLine, State
from tallybook.history.recorder import Recorder
from tallybook.history.recording import JobRecording, pleo_called, receipt_called
from tallybook.outcome import FinalEvent
from tallybook.pleo.errors import PleoNotFound, PleoUnreachable
from tallybook.pleo.models import ItemFailureReason, JobEvent
from tallybook.store.tables import job_history_call, job_history_item, job_history_step, metadata
from tallybook.workflow import JobInterrupted
from tests.unit.history.conftest import SetClock
from tests.unit.history.told import COMPANY, JOB, Recorders, at_step, call, entry_id, planned, result, run, the_job


def test_a_job_is_read_as_it_was_told(connections: sa.Engine, recorders: Recorders) -> None:
    """Its end and its counts, each of the seven steps it made calls in, every call and every item."""
    history, reading = recorders(), History(connections)
    run(history, [result(1), result(2, ItemFailureReason.ACCOUNT_UNKNOWN)])
    history.close()
    job = the_job(connections)
    assert (job.state, job.event, job.items, job.done) == (State.COMPLETED, "completed", 2, 2)
    assert (job.step, job.page) == (7, 1)
    assert {number: step.calls for number, step in asyncio.run(reading.steps(JOB)).items()} == {
        1: 1, 3: 1, 4: 1, 6: 1, 7: 1,
    }  # fmt: skip
    calls = asyncio.run(reading.calls(JOB, limit=10))
    assert [(each.number, each.system, each.status, each.duration_ms) for each in calls] == [
        (number, "pleo", 200, 250) for number in range(1, 6)
    ]
    booked, failed = asyncio.run(reading.items(JOB))
    assert (booked.reason, booked.external_id, failed.reason) == (None, "000001", "account_unknown")
    (document,) = booked.documents
    assert (document.currency, document.posting_on) == ("EUR", "2026-03-01")
    assert document.lines == (
        PlannedLine("6100", 10000, "cost", "V25", (("CC", "10"),)),
        PlannedLine("2990", -10000, "counter", None, ()),
    )
    assert asyncio.run(reading.items(JOB, failed=True)) == [failed]
    assert asyncio.run(reading.items(JOB, after=booked.entry_id)) == [failed]


def test_nobodys_name_and_no_text_of_an_item_is_kept(connections: sa.Engine, recorders: Recorders) -> None:
    """The entry's lines are kept by their codes, a failure by its type."""
    history = recorders()
    run(history, [result(1), result(2, ItemFailureReason.VALIDATION_FAILURE)])
    history.close()
    with connections.connect() as connection:
        kept = [
            str(connection.execute(sa.select(table)).all())
            for name, table in metadata.tables.items()
            if name.startswith("job_history")
        ]
    assert len(kept) == 4
    assert "unch" not in "".join(kept)
    assert "Ann" not in "".join(kept)


def test_a_page_of_a_hundred_items_costs_one_transaction_of_five_statements(
    connections: sa.Engine, clock: SetClock
) -> None:
    """Whatever is told between two writings goes in one transaction, one statement a table and one look."""
    history = Recorder(connections, clock, keep_days=90, written_every_s=3600)
    statements, commits = list[str](), list[object]()
    sa.event.listen(connections, "before_cursor_execute", lambda *told: statements.append(told[2]))
    sa.event.listen(connections, "commit", commits.append)
    with JobRecording(history, COMPANY, JOB) as job:
        job.started(items=100, left_s=lambda: 3600.0)
        for _ in range(10):
            pleo_called(call())
        job.planned((), {entry_id(number): planned(number) for number in range(100)})
        job.reported([result(number) for number in range(100)], items=100, successful=100, failed=0)
        assert statements == []  # the export has gone on
        history.close()
        history.close()
    writing = [statement for statement in statements if "job_history" in statement and "DELETE" not in statement]
    assert len(writing) == 5
    assert len(commits) == 1
    assert len(asyncio.run(History(connections).items(JOB))) == 100


def test_an_interrupted_job_says_why_and_goes_on_as_the_same_job(
    connections: sa.Engine, recorders: Recorders, clock: SetClock
) -> None:
    """The class of what interrupted it; another worker's run brings the end, and the first start stays its start."""
    first, second = recorders(), recorders()
    with pytest.raises(JobInterrupted):
        interrupt(first)
    first.close()
    began_at = clock.now()
    found = the_job(connections)
    assert (found.state, found.note, found.ended_at) == (State.INTERRUPTED, "PleoUnreachable", None)
    clock.pass_s(600)
    run(second, [result(1)])
    second.close()
    found = the_job(connections)
    assert (found.state, found.note, found.started_at, found.took) == (
        State.COMPLETED, None, began_at, timedelta(minutes=10),
    )  # fmt: skip


def test_a_job_that_pleo_does_not_know_is_over(connections: sa.Engine, recorders: Recorders) -> None:
    """A mistyped id is no job that a next run goes on with."""
    history = recorders()
    with pytest.raises(JobInterrupted), JobRecording(history, COMPANY, JOB):
        raise JobInterrupted(_report()) from PleoNotFound("there is no such job", status=404)
    history.close()
    found = the_job(connections)
    assert (found.state, found.note, found.started_at) == (State.ENDED_ELSEWHERE, "Pleo knows no such job", None)


def interrupt(history: Recorder) -> None:
    """Begin a job, and have Pleo stay away."""
    with JobRecording(history, COMPANY, JOB) as job:
        job.started(items=1, left_s=lambda: 3600.0)
        raise JobInterrupted(_report()) from PleoUnreachable("Pleo at https://example.org did not answer")


def _report() -> Any:
    from tallybook.outcome import JobReport  # noqa: PLC0415 - for the one test that interrupts

    return JobReport(JOB, None, 0, 0, 0, 0.0, "Pleo did not answer")


def test_a_run_that_finds_the_job_final_leaves_its_final_event_as_it_is(
    connections: sa.Engine, recorders: Recorders
) -> None:
    """A job that was completed stays completed, however often somebody runs it again."""
    first, second = recorders(), recorders()
    run(first, [result(1)])
    first.close()
    with JobRecording(second, COMPANY, JOB) as job:
        job.ended(None, note="the job was final already", goes_on=False)
    second.close()
    assert the_job(connections).state is State.COMPLETED


def test_a_job_that_waits_is_shown_waiting_until_its_run_begins(connections: sa.Engine, recorders: Recorders) -> None:
    """Also where another worker's run was quicker than the note of who saw it."""
    first, second = recorders(), recorders()
    first.seen(COMPANY, JOB, items=3)
    first.close()
    assert (the_job(connections).state, the_job(connections).items) == (State.WAITING, 3)
    with JobRecording(second, COMPANY, JOB):
        second.close()
    late = recorders()
    late.seen(COMPANY, JOB, items=3)
    late.close()
    assert the_job(connections).state is State.RUNNING


def test_a_job_that_a_pause_holds_back_waits_and_has_not_started(
    connections: sa.Engine, recorders: Recorders, clock: SetClock
) -> None:
    """Its run ended at once and says nothing; three days later the job starts, and took no three days."""
    first, second = recorders(), recorders()
    with JobRecording(first, COMPANY, JOB) as job:
        asyncio.run(at_step(job, "1 start", lambda: pleo_called(call("job"))))
        job.ended(None, note="the company is paused", goes_on=False, waits=True)
    first.close()
    held = the_job(connections)
    assert (held.state, held.step, held.started_at, held.ended_at, held.note) == (State.WAITING, 0, None, None, None)
    clock.pass_s(3 * 86400)
    run(second, [result(1)])
    second.close()
    done = the_job(connections)
    assert (done.state, done.started_at, done.took) == (State.COMPLETED, clock.now(), timedelta(0))
    assert done.first_seen_at == clock.now() - timedelta(days=3)


def test_a_job_that_was_final_already_has_not_started(connections: sa.Engine, recorders: Recorders) -> None:
    """No run of ours did anything for it."""
    history = recorders()
    with JobRecording(history, COMPANY, JOB) as job:
        job.ended(None, note="the job was final already", goes_on=False)
    history.close()
    found = the_job(connections)
    assert (found.state, found.started_at, found.took) == (State.ENDED_ELSEWHERE, None, None)


def test_a_job_that_ended_before_it_was_begun_waits_no_longer(connections: sa.Engine, recorders: Recorders) -> None:
    """Also one that an earlier process saw; one that has a run keeps what the run said, and no other company's is."""
    first, second = recorders(), recorders()
    for number in (1, 2, 3):
        first.seen(COMPANY, entry_id(number), items=1)
    first.seen("c" * 36, entry_id(4), items=1)
    first.close()
    assert asyncio.run(second.waiting(COMPANY, but={entry_id(2)})) == [entry_id(1), entry_id(3)]
    run(second, [result(1)], job_id=entry_id(3))
    for number in (1, 3):
        second.ended_unbegun(entry_id(number))
    second.close()
    job = the_job(connections, entry_id(1))
    assert (job.state, job.note, job.ended_at) == (State.ENDED_ELSEWHERE, recorder.UNBEGUN, second.clock.now())
    assert [the_job(connections, entry_id(number)).state for number in (2, 3, 4)] == [
        State.WAITING, State.COMPLETED, State.WAITING,
    ]  # fmt: skip
    assert asyncio.run(second.waiting(COMPANY, but={entry_id(2)})) == []


def test_looking_for_jobs_that_ended_asks_nothing_while_none_is_missing(
    connections: sa.Engine, recorders: Recorders
) -> None:
    """Once to know what an earlier process saw, and then only when a job that waits is not listed any more."""
    history, statements = recorders(), list[str]()
    asyncio.run(history.waiting(COMPANY, but=()))
    sa.event.listen(connections, "before_cursor_execute", lambda *told: statements.append(told[2]))
    assert asyncio.run(history.waiting(COMPANY, but=())) == []
    history.seen(COMPANY, JOB, items=1)
    assert asyncio.run(history.waiting(COMPANY, but={JOB})) == []
    assert [each for each in statements if each.startswith("SELECT job_history.job_id, job_history.company_id")] == []
    history.close()
    assert asyncio.run(history.waiting(COMPANY, but=())) == [JOB]


def test_of_a_long_job_the_first_calls_are_listed_then_only_failures_and_all_are_counted(
    connections: sa.Engine, recorders: Recorders
) -> None:
    """A thousand of all, two thousand with those that failed; no job fills the database."""
    history, reading = recorders(), History(connections)
    with JobRecording(history, COMPANY, JOB):
        for error in (None, "PleoUnreachable"):
            for _ in range(notes.CALLS_LISTED_MAX + 100):
                pleo_called(call(error=error))
    history.close()
    assert asyncio.run(reading.listed(JOB)) == (2 * notes.CALLS_LISTED_MAX, 0)
    calls = asyncio.run(reading.calls(JOB, limit=5000))
    assert sum(each.error is None for each in calls) == notes.CALLS_LISTED_MAX
    (step,) = asyncio.run(reading.steps(JOB)).values()
    assert (step.calls, step.failed_calls) == (2 * notes.CALLS_LISTED_MAX + 200, notes.CALLS_LISTED_MAX + 100)


def test_downloads_leave_room_for_the_calls_of_more_moment(connections: sa.Engine, recorders: Recorders) -> None:
    """Of a thousand receipts half are listed, and the calls that follow; a download that failed is, too."""
    history, reading = recorders(), History(connections)
    with JobRecording(history, COMPANY, JOB) as job:
        asyncio.run(at_step(job, "3-6 page 1"))
        for _ in range(notes.CALLS_LISTED_MAX):
            receipt_called(call("receipt 1 of an entry at files.example"))
        receipt_called(call("receipt 2 of an entry at files.example", error="ReceiptUnavailable"))
        pleo_called(call())
    history.close()
    calls = asyncio.run(reading.calls(JOB, limit=5000))
    assert Counter(each.system for each in calls) == {"receipts": notes.RECEIPTS_LISTED_MAX + 1, "pleo": 1}
    assert asyncio.run(reading.steps(JOB))[5].calls == notes.CALLS_LISTED_MAX + 1


def test_what_the_database_does_not_take_is_written_when_it_does(connections: sa.Engine, recorders: Recorders) -> None:
    """While its tables are away, an export tells and goes on; once they are back, nothing is missing."""
    history = recorders()
    with connections.begin() as connection:
        connection.execute(sa.text("ALTER TABLE job_history_item RENAME TO away"))
    failures = list[object]()
    sa.event.listen(connections, "handle_error", failures.append)
    with JobRecording(history, COMPANY, JOB) as job:
        job.reported([result(1)], items=1, successful=1, failed=0)
        while not failures:
            pass
        with connections.begin() as connection:
            connection.execute(sa.text("ALTER TABLE away RENAME TO job_history_item"))
        history.close()
    assert len(asyncio.run(History(connections).items(JOB))) == 1


def test_what_is_told_beyond_the_room_for_it_is_counted_as_lost(
    connections: sa.Engine, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away for long costs history and never memory; the job's page says how much."""
    monkeypatch.setattr(recorder, "ROWS_WAITING_MAX", 10)
    history = Recorder(connections, clock, keep_days=90, written_every_s=3600)
    with JobRecording(history, COMPANY, JOB) as job:
        for start in (0, 10, 20):
            results = [result(number) for number in range(start, start + 10)]
            job.reported(results, items=30, successful=start + 10, failed=0)
        history.close()
    found = the_job(connections)
    assert (found.done, found.lost) == (30, 20)
    assert len(asyncio.run(History(connections).items(JOB))) == 10


def test_a_number_that_no_database_keeps_spoils_nothing(connections: sa.Engine, recorders: Recorders) -> None:
    """Numbers come from accounting systems, counts from Pleo: NUL, broken surrogates and giants are replaced."""
    history = recorders()
    run(history, [result(1, external_id="A\0\ud800"), result(2)])
    history.seen(COMPANY, entry_id(5), items=10**30)
    history.close()
    assert the_job(connections, entry_id(5)).items == 2**31 - 1
    first, second = asyncio.run(History(connections).items(JOB))
    assert (first.external_id, second.external_id) == ("A\N{REPLACEMENT CHARACTER}?", "000002")


def test_what_is_older_than_the_days_to_keep_is_deleted_a_piece_at_a_time(
    connections: sa.Engine, recorders: Recorders, clock: SetClock
) -> None:
    """All of an old job and nothing of a new one."""
    history = recorders()
    run(history, [result(number) for number in range(1500)])
    history.close()
    clock.pass_s(91 * 86400)
    other = recorders()
    run(other, [result(1)], job_id=entry_id(2))
    other.close()
    pieces = 0
    with connections.begin() as connection:
        while notes.collect(connection, clock.now() - timedelta(days=90)):
            pieces += 1
    assert pieces >= 2
    assert [job.job_id for job in asyncio.run(History(connections).jobs())] == [entry_id(2)]
    with connections.connect() as connection:
        left = [
            connection.scalar(sa.select(sa.func.count()).where(table.c.job_id == JOB))
            for table in (job_history_item, job_history_call, job_history_step)
        ]
    assert left == [0, 0, 0]


def test_jobs_are_listed_newest_first_by_company_and_state_and_page_by_page(
    connections: sa.Engine, recorders: Recorders, clock: SetClock
) -> None:
    """The mark of a page's last job is where the next page begins."""
    history, reading = recorders(), History(connections)
    for number in range(5):
        clock.pass_s(1)
        run(history, [result(number)], job_id=entry_id(number))
    history.seen("c" * 36, entry_id(9), items=1)
    history.close()
    mine = asyncio.run(reading.jobs(company_id=COMPANY, limit=3))
    assert [job.job_id for job in mine] == [entry_id(4), entry_id(3), entry_id(2)]
    rest = asyncio.run(reading.jobs(company_id=COMPANY, before=(mine[-1].first_seen_at, mine[-1].job_id)))
    assert [job.job_id for job in rest] == [entry_id(1), entry_id(0)]
    assert [job.job_id for job in asyncio.run(reading.jobs(state=State.WAITING))] == [entry_id(9)]


def test_outcomes_are_counted_by_the_day_with_the_median_and_the_longest(
    connections: sa.Engine, recorders: Recorders, clock: SetClock
) -> None:
    """Three jobs of one, two and six minutes on one day, one on the next."""
    for number, seconds in enumerate((60, 120, 360)):
        history = recorders()
        with JobRecording(history, COMPANY, entry_id(number)) as job:
            job.started(items=1, left_s=lambda: 3600.0)
            clock.pass_s(seconds)
            job.ended(FinalEvent(JobEvent.COMPLETED), note=None, goes_on=False)
        history.close()
    clock.at = datetime.fromisoformat("2026-03-03T00:00:00+00:00")
    history = recorders()
    with JobRecording(history, COMPANY, entry_id(7)) as job:
        job.ended(None, note="somebody cancelled it", goes_on=False)
    history.close()
    first, second = asyncio.run(History(connections).outcomes(clock.now() - timedelta(days=7)))
    assert (first.on, dict(first.ended), first.median_s, first.longest_s) == (
        date(2026, 3, 2), {State.COMPLETED: 3}, 120, 360,
    )  # fmt: skip
    assert (dict(second.ended), second.median_s) == ({State.ENDED_ELSEWHERE: 1}, None)
    assert asyncio.run(History(connections).outcomes(clock.now())) == [second]
