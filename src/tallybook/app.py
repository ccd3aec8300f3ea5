"""The composition root: settings become a Pleo client, books and rules; the one place where concrete things meet."""

import fcntl
import hashlib
import os
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from tallybook.accounting import registry
from tallybook.accounting.entry import PostingState
from tallybook.accounting.errors import AccountingError
from tallybook.accounting.system import AccountingSystem, Capabilities, Need
from tallybook.bookkeeping.rules import AccountRoles, AttachmentRule, ClosedPeriodRule, Rules
from tallybook.clock import Clock, SystemClock
from tallybook.errors import SettingsError, TallybookError
from tallybook.money import MinorUnits
from tallybook.outcome import JobReport
from tallybook.pleo import auth
from tallybook.pleo.client import CallRecord, PleoClient, Timeouts
from tallybook.pleo.errors import PleoError
from tallybook.pleo.receipts import ReceiptDownloader
from tallybook.settings import OnChanged, PleoSettings, Settings, nearest
from tallybook.steps import step1_detect_and_start as step1
from tallybook.steps import step2_validate as step2
from tallybook.workflow import Company, JobInterrupted, Progress, export_job


def rules(settings: Settings, books: Capabilities) -> Rules:
    """Translate settings, and what the books can do, into the rules of bookkeeping."""
    size_bytes_max = settings.pleo.receipt_size_bytes_max
    return Rules(
        accounts=AccountRoles(**settings.accounts.model_dump()),
        minor_units=MinorUnits(settings.pleo.minor_units),
        closed_period=ClosedPeriodRule(settings.books.closed_period),
        posting=PostingState(settings.books.posting),
        attachments=AttachmentRule(settings.books.attachments),
        attachment_size_bytes_max=min(size_bytes_max, books.attachment_size_bytes_max or size_bytes_max),
        accounts_payable_supported=books.accounts_payable,
        attachments_supported=books.attachments,
        drafts_supported=books.drafts,
    )


def pleo_client(
    settings: PleoSettings, clock: Clock, *, observer: Callable[[CallRecord], None] | None = None
) -> PleoClient:
    """Make the Pleo client that settings describe; the caller closes it.

    Raises:
        SettingsError: no credential, or several, or its file cannot be read.
    """
    kind, secret = settings.secret()
    return PleoClient(
        base_url=settings.base_url,
        auth=auth.api_key(secret) if kind == "api_key" else auth.bearer(secret),
        clock=clock,
        random=random.SystemRandom(),
        timeouts=Timeouts(
            connect_s=settings.connect_timeout_s, read_s=settings.read_timeout_s, whole_call_s=settings.call_timeout_s
        ),
        event_id_fields=settings.event_id_fields,
        observer=observer,
    )


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


class AlreadyRunning(TallybookError):
    """Another run on this machine is exporting for the same company."""


@contextmanager
def only_run(settings: PleoSettings) -> Iterator[Path]:
    """Be the one run of this user on this machine that exports for the company, for the length of a block.

    Gives a folder of its own for receipts on their way, empty, and gone afterwards; what a killed run left in it is
    deleted first.

    The lock is the system's: it goes with the process that holds it, however that ends.

    Repeat: not safe; the second one is refused while the first one lasts.
    Raises:
        AlreadyRunning: another run has not ended yet.
        SettingsError: the temporary directory cannot be used.
    Source: docs/decisions.md 8.
    """
    whose = hashlib.sha256(f"{settings.base_url} {settings.company_id.lower()}".encode()).hexdigest()[:32]
    path = Path(tempfile.gettempdir()) / f"tallybook-{os.getuid()}-{whose}.lock"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SettingsError([f"{path} cannot be used ({error.strerror}); set TMPDIR to another directory"]) from error
    try:
        if not _taken(lock, path):
            raise AlreadyRunning(
                f"another run is exporting for the company {settings.company_id}; wait for its end, then run again"
            )
        try:
            with _fresh_folder(path.with_suffix(".spool")) as spool:
                yield spool
        finally:
            path.unlink(missing_ok=True)  # while it is still ours
    finally:
        os.close(lock)


@contextmanager
def _fresh_folder(folder: Path) -> Iterator[Path]:
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise SettingsError([f"{folder} cannot be used ({error.strerror}); set TMPDIR to another directory"]) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _taken(lock: int, path: Path) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(path.stat(), os.fstat(lock))  # False: of a run that ended and removed it just now
    except (BlockingIOError, FileNotFoundError):
        return False


@asynccontextmanager
async def company(
    settings: Settings, *, clock: Clock | None = None, observer: Callable[[CallRecord], None] | None = None
) -> AsyncIterator[Company]:
    """Open everything an export needs, and give it back at the end.

    Raises:
        AlreadyRunning: another run has the company.
        SettingsError: a setting is wrong.
        AccountingError: the books cannot be opened.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        spool = stack.enter_context(only_run(settings.pleo))
        pleo = pleo_client(settings.pleo, clock, observer=observer)
        stack.push_async_callback(pleo.aclose)
        books = open_books(settings)
        stack.push_async_callback(books.aclose)
        receipts = ReceiptDownloader(
            allowed_hosts=settings.pleo.receipt_hosts,
            insecure_hosts=settings.pleo.receipt_hosts_insecure,
            size_bytes_max=settings.pleo.receipt_size_bytes_max,
            timeouts=Timeouts(
                connect_s=settings.pleo.connect_timeout_s,
                read_s=settings.pleo.read_timeout_s,
                whole_call_s=settings.pleo.receipt_timeout_s,
            ),
            clock=clock,
            random=random.SystemRandom(),
            at_once=settings.pleo.receipts_at_once,
        )
        stack.push_async_callback(receipts.aclose)
        yield Company(
            company_id=settings.pleo.company_id.lower(),
            pleo=pleo,
            books=books,
            receipts=receipts,
            rules=rules(settings, books.capabilities),
            clock=clock,
            spool=spool,
            link_changed=settings.books.on_changed is OnChanged.LINK,
            page_size=settings.pleo.page_size,
            items_per_update=settings.pleo.items_per_update,
        )


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


async def check(settings: Settings, *, clock: Clock | None = None) -> Sequence[tuple[str, Sequence[str]]]:
    """Try everything an export depends on; changes nothing. Each part by name, with all that is wrong with it.

    The first part is the settings. What cannot be tried for their sake is said to be so.

    Repeat: safe.
    """
    clock = clock or SystemClock()
    wrong: list[str] = []
    parts: list[tuple[str, Sequence[str]]] = []
    for name, trial in (
        ("Pleo", partial(_problems_with_pleo, settings, clock)),
        (f"Books ({settings.books.adapter})", partial(_problems_with_books, settings)),
    ):
        try:
            parts.append((name, await trial()))
        except SettingsError as error:
            wrong += error.problems
            parts.append((name, ["not tried, since the settings for it are wrong"]))
    missing = step2.missing_accounts(AccountRoles(**settings.accounts.model_dump()), vendor_based=False)
    wrong += [f"{name} is not set; name the account in the settings file" for name in missing]
    return [("Settings", wrong), *parts]


async def _problems_with_pleo(settings: Settings, clock: Clock) -> Sequence[str]:
    try:
        async with pleo_client(settings.pleo, clock) as client:
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
            known = {account.code for account in (await books.reference_data()).accounts or () if account.open}
        finally:
            await books.aclose()
    except AccountingError as error:
        return [str(error)]
    return [
        f"accounts.{role} = {code} is no open account of the books"
        for role, code in settings.accounts
        if code is not None and known and code not in known
    ]
