"""The composition root: settings become a Pleo client, books and rules; the one place where concrete things meet."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tallybook.accounting import registry
from tallybook.accounting.entry import PostingState
from tallybook.accounting.errors import AccountingError
from tallybook.accounting.system import AccountingSystem, Capabilities, Need
from tallybook.bookkeeping.lacking import Lacking, unknown_targets
from tallybook.bookkeeping.mapping import CodeMapping
from tallybook.bookkeeping.rules import AccountRoles, AttachmentRule, ClosedPeriodRule, Rules
from tallybook.clock import Clock, SystemClock
from tallybook.engine import lane
from tallybook.engine.guard import GuardedBooks
from tallybook.engine.presence import Presence, present_inline
from tallybook.errors import SettingsError
from tallybook.history.recorder import Recorder, recording
from tallybook.history.recording import pleo_called, receipt_called
from tallybook.money import MinorUnits
from tallybook.outcome import JobReport
from tallybook.pleo import auth
from tallybook.pleo.client import CallRecord, PleoClient, Timeouts
from tallybook.pleo.errors import JobStatusUnprocessable, PleoError
from tallybook.pleo.models import ExportItem, ExportJob
from tallybook.pleo.receipts import ReceiptDownloader
from tallybook.postings.journal import Journal, empty_journal
from tallybook.postings.posting import Booking
from tallybook.postings.rehearsing import refusals_of_new
from tallybook.settings import Settings, nearest
from tallybook.steps import step1_detect_and_start as step1
from tallybook.steps import step2_validate as step2
from tallybook.steps import step3_retrieve_items as step3
from tallybook.steps import step4_fetch_data as step4
from tallybook.store.database import Database, bring_up_to_date
from tallybook.store.pauses import Pauses
from tallybook.workflow import Company, JobInterrupted, Progress, export_job
from tallybook.workplace import workplace


def rules(settings: Settings, books: Capabilities) -> Rules:
    """Translate settings, and what the books can do, into the rules of bookkeeping.

    Raises:
        SettingsError: a file of the mapping is wrong.
    """
    return Rules(
        accounts=AccountRoles(**settings.accounts.model_dump()),
        mapping=code_mapping(settings),
        minor_units=MinorUnits(settings.pleo.minor_units),
        closed_period=ClosedPeriodRule(settings.books.closed_period),
        posting=PostingState(settings.books.posting),
        attachments=AttachmentRule(settings.books.attachments),
        attachment_size_bytes_max=settings.pleo.receipt_size_bytes_max,
        attachments_office=settings.books.attachments_office == "pass",
        accounts_payable_supported=books.accounts_payable,
        attachments_supported=books.attachments,
        drafts_supported=books.drafts,
    )


def code_mapping(settings: Settings) -> CodeMapping:
    """Read the mapping of codes, its files included; all that is wrong with them is said at once.

    Raises:
        SettingsError: a file cannot be read, or maps a code twice.
    """
    tables: dict[str, Any] = {}
    problems: list[str] = []
    for table in fields(CodeMapping):
        try:
            mapping = settings.mapping
            tables[table.name] = mapping.tag_tables() if table.name == "tags" else mapping.table(table.name)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return CodeMapping(**tables)


def pleo_client(
    settings: Settings,
    clock: Clock,
    *,
    access_token: str | None = None,
    observer: Callable[[CallRecord], None] | None = None,
    may_write: Callable[[], None] | None = None,
) -> PleoClient:
    """Make the Pleo client that settings describe; the caller closes it.

    `access_token` stands in for the credential of the settings.

    Raises:
        SettingsError: no credential, or several, or its file cannot be read.
    """
    pleo = settings.pleo
    return PleoClient(
        base_url=pleo.base_url,
        auth=_authentication(settings, clock) if access_token is None else auth.bearer(access_token),
        clock=clock,
        random=random.SystemRandom(),
        timeouts=_timeouts(settings, pleo.call_timeout_s),
        event_id_fields=pleo.event_id_fields,
        observer=observer,
        before_write=may_write,
    )


def _timeouts(settings: Settings, whole_call_s: float) -> Timeouts:
    return Timeouts(settings.pleo.connect_timeout_s, settings.pleo.read_timeout_s, whole_call_s)


def _authentication(settings: Settings, clock: Clock) -> httpx.Auth:
    kind, secret = settings.pleo.secret()
    if kind == "login":
        from tallybook.credentials import access  # noqa: PLC0415 - cryptography: no other credential waits for it

        return access.authentication(settings, clock)
    return auth.api_key(secret) if kind == "api_key" else auth.bearer(secret)


def open_books(settings: Settings) -> AccountingSystem:
    """Open the accounting system that settings name.

    Raises:
        SettingsError: no such adapter, or its own section is wrong.
        AccountingError: the books are there but cannot be opened.
    """
    name = settings.books.adapter
    adapter = registry.adapter(name)
    strays = sorted(set(settings.books.model_extra or ()) - set(registry.names()))
    if strays:  # also a misspelt variable: TALLYBOOK_BOOKS_CLOSED_PERIODS reads as the adapter `closed`
        known = [*type(settings.books).model_fields, *registry.names()]
        raise SettingsError([f"unknown setting books.{stray}{nearest(stray, known)}" for stray in strays])
    return adapter.open(settings.books.section(name))


@asynccontextmanager
async def company(
    settings: Settings,
    *,
    clock: Clock | None = None,
    observer: Callable[[CallRecord], None] | None = None,
    presence: Presence | None = None,
    history: Recorder | None = None,
) -> AsyncIterator[Company]:
    """Open everything an export needs, and give it back at the end.

    `presence` is a worker's place at the database, with its `history`; without one, this is an export outside a server.

    Repeat: without a presence on PostgreSQL refused while the first one lasts.
    Raises:
        AlreadyRunning: another run has the company.
        StoreError: the company, or its SQLite database, is in use by a server; or the database cannot be used.
        SettingsError: a setting is wrong.
        AccountingError: the books cannot be opened.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        if presence is None:
            database = settings.database
            presence = stack.enter_context(present_inline(Database(database.url), "run", lease_s=database.lease_s))
            if presence.database.shared:
                await lane.take_by_hand(presence, settings.pleo.company_id.lower())
            history = await stack.enter_async_context(
                recording(presence.connections, clock, keep_days=settings.database.keep_days)
            )
        alone = not presence.database.shared  # where the database is shared, it is the lane that keeps others out
        spool = stack.enter_context(workplace(settings.pleo.base_url, settings.pleo.company_id, alone=alone))
        journal = Journal(presence.connections, run=presence.worker)

        def observe(call: CallRecord) -> None:
            for told in filter(None, (pleo_called, observer)):
                told(call)

        made = _furnished(stack, settings, clock, journal, spool, observer=observe, may_write=presence.may_write)
        yield replace(made, history=history)


@asynccontextmanager
async def onlooker(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Company]:
    """Open what an export works with, only to look, also beside a server: a write is refused before it is sent.

    Repeat: safe.
    Raises:
        StoreError: the database cannot be used.
        SettingsError: a setting is wrong.
        AccountingError: the books cannot be opened.
    """
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(posting_journal(settings))
        if journal is None:
            journal = stack.enter_context(empty_journal())
        yield _furnished(stack, settings, clock or SystemClock(), journal, Path(os.devnull), may_write=_refuse_to_write)


def _refuse_to_write() -> None:
    raise AssertionError("who only looks was about to write")


def _furnished(
    stack: AsyncExitStack,
    settings: Settings,
    clock: Clock,
    journal: Journal,
    spool: Path,
    *,
    observer: Callable[[CallRecord], None] | None = None,
    may_write: Callable[[], None],
) -> Company:
    pleo = pleo_client(settings, clock, observer=observer, may_write=may_write)
    stack.push_async_callback(pleo.aclose)
    books = open_books(settings)
    stack.push_async_callback(books.aclose)
    guarded = GuardedBooks(books, may_write)
    receipts = ReceiptDownloader(
        allowed_hosts=settings.pleo.receipt_hosts,
        insecure_hosts=settings.pleo.receipt_hosts_insecure,
        size_bytes_max=settings.pleo.receipt_size_bytes_max,
        timeouts=_timeouts(settings, settings.pleo.receipt_timeout_s),
        clock=clock,
        random=random.SystemRandom(),
        at_once=settings.pleo.receipts_at_once,
        observer=receipt_called,
    )
    stack.push_async_callback(receipts.aclose)
    return Company(
        company_id=settings.pleo.company_id.lower(),
        pleo=pleo,
        books=guarded,
        receipts=receipts,
        rules=rules(settings, guarded.capabilities),
        clock=clock,
        spool=spool,
        journal=journal,
        pauses=Pauses(journal.connections),
        books_name=f"{settings.books.adapter}:{guarded.capabilities.identity}",
        on_changed=settings.books.on_changed,
        page_size=settings.pleo.page_size,
        items_per_update=settings.pleo.items_per_update,
        quiet_s_max=settings.pleo.update_within_s,
    )


@asynccontextmanager
async def posting_journal(settings: Settings) -> AsyncIterator[Journal | None]:
    """Open the posting journal to look into it or to settle entries, also beside a server; None: there is none yet.

    Repeat: safe.
    Raises:
        StoreError: the database cannot be used.
    """
    database = Database(settings.database.url)
    if not database.shared and not database.file.exists():
        yield None
        return
    connections = database.connect()
    try:
        await asyncio.to_thread(bring_up_to_date, database, connections)
        yield Journal(connections, run="a person")
    finally:
        connections.dispose()


async def export_pending(
    company: Company,
    *,
    job_id: str | None = None,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> list[JobReport]:
    """Export what waits for the company, one job after another, oldest first; or the one job named.

    A job that is interrupted ends the run: none may overtake it.

    Repeat: safe; what is done is found done.
    Raises:
        PleoError: Pleo could not be asked what is waiting; run again.
    """
    waiting = (
        [job_id] if job_id is not None else [job.id for job in await step1.detect(company.pleo, company.company_id)]
    )
    reports: list[JobReport] = []
    for each in waiting:
        if stopping():
            break
        try:
            reports.append(await export_job(company, each, stopping=stopping, progress=progress))
        except JobInterrupted as interrupted:
            reports.append(interrupted.report)
            break
    return reports


async def check(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[tuple[str, Sequence[str]]]:
    """Try everything an export depends on; changes nothing. Each part by name, with all that is wrong with it.

    Parts come as they are tried, the settings last. What cannot be tried for their sake is said to be so.

    Repeat: safe.
    """
    clock = clock or SystemClock()
    wrong, failed = list[str](), False
    for name, trial in (
        ("Pleo", partial(_problems_with_pleo, settings, clock)),
        (f"Books ({settings.books.adapter})", partial(_problems_with_books, settings)),
        ("Pending exports", partial(_lacking_for_pending, settings, clock)),
    ):
        if name == "Pending exports" and failed:
            break  # what is said above comes first: with it mended, there is something to compare
        try:
            problems = await trial()
        except SettingsError as error:
            wrong += error.problems
            problems = ["not tried, since the settings for it are wrong"]
        failed |= bool(problems)
        yield name, problems
    missing = step2.missing_accounts(AccountRoles(**settings.accounts.model_dump()), vendor_based=False)
    yield "Settings", wrong + [f"{name} is not set; name the account in the settings file" for name in missing]


async def _problems_with_pleo(settings: Settings, clock: Clock) -> Sequence[str]:
    try:
        async with pleo_client(settings, clock) as client:
            await client.list_jobs(company_id=settings.pleo.company_id, limit=1)
    except PleoError as error:
        return [str(error)]
    return []


async def _problems_with_books(settings: Settings) -> Sequence[str]:
    need = Need(
        company_id=settings.pleo.company_id.lower(),
        accounts_payable=settings.accounts.accounts_payable is not None,
        attachments=True,
        posted=settings.books.posting == "posted",
    )
    try:
        books = open_books(settings)
        try:
            await books.check_ready(need)
            reference = await books.reference_data()
        finally:
            await books.aclose()
    except AccountingError as error:
        return [str(error)]
    known = {account.code for account in reference.accounts or () if account.open}
    return [
        f"accounts.{role} = {code} is no open account of the books"
        for role, code in settings.accounts
        if code is not None and known and code not in known
    ] + unknown_targets(code_mapping(settings), reference)


async def _lacking_for_pending(settings: Settings, clock: Clock) -> Sequence[str]:
    """Hold the items of pending jobs against the books, and ask these of them; one page is in memory.

    Repeat: safe; reads only.
    """
    failed, unset = list[str](), set[str]()
    async with aclosing(open_books(settings)) as books, pleo_client(settings, clock) as pleo:
        lacking = Lacking(await books.reference_data(), today=clock.now().date())
        every_job = rules(settings, books.capabilities)
        try:
            for job in await step1.detect(pleo, settings.pleo.company_id.lower()):
                of_job = replace(every_job, vendor_based=job.vendor_based_bookkeeping)
                unset.update(step2.missing_accounts(of_job.accounts, vendor_based=of_job.vendor_based))
                with suppress(JobStatusUnprocessable):  # it ended meanwhile: nothing of it is pending
                    async for items in _pages(pleo, job, settings.pleo.page_size):
                        added = (lacking.add(item, of_job) for item in items)
                        planned = [Booking(entry.key, entry) for entry in added if entry is not None]
                        for refused in (await refusals_of_new(books, clock, planned)).values():
                            lacking.add_refusal(refused)
        except (PleoError, AccountingError) as error:
            failed.append(str(error))
    needed = [f"{each} is not set, and an export waits that needs it" for each in sorted(unset)]
    return [*needed, *lacking.sentences(), *failed]


async def _pages(pleo: PleoClient, job: ExportJob, page_size: int) -> AsyncIterator[Sequence[ExportItem]]:
    wanted = await step3.worklist(pleo, job.id, page_size=page_size)
    after, passed = None, set[str]()
    while wanted:
        page = await step4.fetch(
            pleo, job.id, company_id=job.company_id, after=after, page_size=page_size, wanted=wanted
        )
        yield page.items
        after = page.next_cursor
        if after is None:
            return
        step4.go_on_at(after, passed)
