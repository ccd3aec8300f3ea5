"""The client against the sandbox, over real HTTP: two readings of one contract that must agree."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tallybook.clock import SystemClock
from tallybook.pleo import errors
from tallybook.pleo.auth import api_key, bearer
from tallybook.pleo.client import PleoClient, RetryPolicy, Timeouts
from tallybook.pleo.models import (
    ExportItem,
    ItemFailureReason,
    ItemStatus,
    ItemUpdate,
    JobEvent,
    JobFailureReason,
    JobStatus,
    UnreadableItem,
)
from tallybook.pleo.receipts import ReceiptDownloader
from tallybook.sandbox import server

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


class UnhurriedClock(SystemClock):
    """The machine's clock, but pauses between attempts take no time."""

    async def sleep(self, delay_s: float) -> None:
        del delay_s
        await asyncio.sleep(0)


@dataclass
class World:
    """A world in a sandbox, and its controls."""

    http: httpx.AsyncClient
    url: str
    company_id: str
    api_key: str
    access_token: str

    async def order(self, path: str, **body: Any) -> dict[str, Any]:
        """Use one of the sandbox's controls."""
        answer = await self.http.post(f"/_sandbox{path}", json=body)
        assert answer.is_success, answer.text
        given: dict[str, Any] = answer.json()
        return given

    async def press_export(self) -> str:
        """Press Export; returns the job's id."""
        return str((await self.order("/exports"))["id"])

    async def entry_ids(self) -> list[str]:
        """List the entries of the world."""
        answer = await self.http.get("/_sandbox/expenses", params={"limit": 1000})
        return [row["id"] for row in answer.json()["data"]]

    async def events_sent(self) -> int:
        """Count the events the sandbox was sent, whatever became of them."""
        answer = await self.http.get("/_sandbox/journal", params={"limit": 1000})
        return sum(call["path"] == "/v3/export-job-events" for call in answer.json()["data"])

    def client(self, auth: httpx.Auth | None = None) -> PleoClient:
        """Make a client for the world."""
        return PleoClient(
            base_url=self.url,
            auth=auth or bearer(self.access_token),
            clock=UnhurriedClock(),
            random=Random(1),  # noqa: S311 - scatters pauses
            timeouts=Timeouts(read_s=20.0),
            retry=RetryPolicy(attempts=3),
        )


@pytest.fixture(scope="module", params=["reference", "guide"])
def address(request: pytest.FixtureRequest) -> Iterator[server.SandboxAddress]:
    """Give a sandbox of each profile on a free port."""
    with server.running(world="empty", profile=request.param) as running:
        yield running


@pytest.fixture
async def world(address: server.SandboxAddress) -> AsyncIterator[World]:
    """Give a new world of sixty expenses, some of them troubled."""
    async with httpx.AsyncClient(base_url=address.url, timeout=60, trust_env=False) as http:
        answer = await http.post("/_sandbox/worlds", json={"world": "demo", "items": 60, "seed": 3})
        made = answer.json()
        yield World(http, address.url, made["company"]["id"], made["apiKey"], made["accessToken"])


@pytest.fixture
async def pleo(world: World) -> AsyncIterator[PleoClient]:
    """Give a client with the company's access token."""
    async with world.client() as client:
        yield client


async def test_a_job_is_carried_from_creation_to_its_end(world: World) -> None:
    """Every operation of the definition, with the API key, on one job."""
    ids = (await world.entry_ids())[:5]
    async with world.client(api_key(world.api_key)) as pleo:
        created = await pleo.create_job(world.company_id, ids, is_interactive=False, vendor_based_bookkeeping=True)
        assert (created.status, created.number_of_items, created.is_interactive) == (JobStatus.PENDING, 5, False)
        listed = await pleo.list_jobs(company_id=world.company_id, statuses=[JobStatus.PENDING])
        assert [job.id for job in listed.rows] == [created.id]

        await pleo.move_job(created.id, JobEvent.STARTED)
        assert (await pleo.job(created.id)).status is JobStatus.IN_PROGRESS
        control = [item async for item in pleo.job_items(created.id, status=ItemStatus.PENDING)]
        content = [item async for item in pleo.export_items(job_id=created.id)]
        assert {item.accounting_entry_id for item in control} == set(ids)
        assert {item.accounting_entry_id for item in content} == set(ids)
        assert all(isinstance(item, ExportItem) and item.company_id == world.company_id for item in content)

        stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        updates = [
            ItemUpdate(
                accounting_entry_id=entry_id,
                status=ItemStatus.SUCCESSFUL,
                external_id=f"J-{entry_id[:4]}",
                external_url="https://books.example/J",
                exported_at=stamp,
            )
            for entry_id in ids[1:]
        ]
        refused = ItemUpdate(
            accounting_entry_id=ids[0],
            status=ItemStatus.FAILED,
            failure_reason="Account 6071 is not in the books; see the Category",
            failure_reason_type=ItemFailureReason.ACCOUNT_UNKNOWN,
        )
        answer = await pleo.update_items(created.id, [refused, *updates])
        assert (len(answer.data), answer.errors) == (5, ())
        one = await pleo.job_item(world.company_id, ids[0])
        assert (one.status, one.failure_reason_type) == (ItemStatus.FAILED, ItemFailureReason.ACCOUNT_UNKNOWN)

        await pleo.move_job(created.id, JobEvent.COMPLETED_WITH_ERRORS)
        assert (await pleo.job(created.id)).status is JobStatus.COMPLETED_WITH_ERRORS
        with pytest.raises(errors.JobStatusUnprocessable):
            await pleo.update_items(created.id, [refused])
        with pytest.raises(errors.JobStatusUnprocessable):
            await pleo.list_export_items(job_id=created.id)
        with pytest.raises(errors.InvalidJobStatusChange):
            await pleo.send_event(created.id, JobEvent.STARTED)


async def test_small_pages_hold_what_one_large_page_holds(world: World, pleo: PleoClient) -> None:
    """Draining by sevens loses nothing, repeats nothing and keeps the order."""
    job_id = await world.press_export()
    whole = [row.accounting_entry_id for row in (await pleo.list_export_items(job_id=job_id, limit=1000)).rows]
    assert [row.accounting_entry_id async for row in pleo.export_items(job_id=job_id, page_size=7)] == whole
    assert [row.accounting_entry_id async for row in pleo.job_items(job_id, page_size=7)] == [
        row.accounting_entry_id for row in (await pleo.list_job_items(job_id, limit=1000)).rows
    ]
    first = await pleo.list_export_items(job_id=job_id, limit=10)
    second = await pleo.list_export_items(job_id=job_id, limit=10, after=first.info.end_cursor)
    back = await pleo.list_export_items(job_id=job_id, limit=10, before=second.info.start_cursor)
    assert [row.accounting_entry_id for row in back.rows] == whole[:10]
    offset = await pleo.list_export_items(job_id=job_id, limit=10, offset=10)
    assert [row.accounting_entry_id for row in offset.rows] == [row.accounting_entry_id for row in second.rows]


async def test_sorting_is_understood(world: World, pleo: PleoClient) -> None:
    """Keys and orders travel in pairs."""
    job_id = await world.press_export()
    await pleo.move_job(job_id, JobEvent.STARTED)
    await pleo.move_job(job_id, JobEvent.COMPLETED)
    await world.order("/clock", advanceSeconds=60)
    later = await world.press_export()
    down = await pleo.list_jobs(sorting=[("createdAt", "DESC")])
    assert [job.id for job in down.rows] == [later, job_id]


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize(
    "fault", [{"kind": "reset"}, {"kind": "status", "status": 500}, {"kind": "status", "status": 503, "retryAfter": 1}]
)
async def test_a_fault_around_an_event_does_not_count(
    world: World, pleo: PleoClient, phase: str, fault: dict[str, Any]
) -> None:
    """Whether the event took effect before the answer was lost or not, the job ends once and as wanted."""
    job_id = await world.press_export()
    await pleo.move_job(job_id, JobEvent.STARTED)
    await world.order("/faults", operation="createExportJobEventV3", phase=phase, **fault)
    outcome = await pleo.move_job(job_id, JobEvent.COMPLETED)
    assert outcome.status is JobStatus.COMPLETED
    assert (await pleo.job(job_id)).status is JobStatus.COMPLETED
    assert await world.events_sent() == (3 if phase == "before" else 2)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset"},
        {"kind": "half"},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 429, "retryAfter": 2},
    ],
)
async def test_a_fault_around_a_read_is_mended(world: World, pleo: PleoClient, fault: dict[str, Any]) -> None:
    """Two bad answers in a row are followed by a third attempt."""
    job_id = await world.press_export()
    await world.order("/faults", operation="getExportItemsV3", times=2, **fault)
    assert (await pleo.list_export_items(job_id=job_id)).rows


@pytest.mark.parametrize(
    "fault", [{"kind": "not_json"}, {"kind": "wrong_shape"}, {"kind": "huge", "sizeBytes": 80 * 1024 * 1024}]
)
async def test_an_unreadable_page_is_said_to_be_one(world: World, pleo: PleoClient, fault: dict[str, Any]) -> None:
    """A web page, another shape and a flood are one clear error each."""
    job_id = await world.press_export()
    await world.order("/faults", operation="getExportItemsV3", **fault)
    with pytest.raises(errors.PleoAnswerUnreadable):
        await pleo.list_export_items(job_id=job_id)


async def test_an_item_pleo_did_not_take_is_in_errors(world: World, pleo: PleoClient) -> None:
    """A 200 may be partial: taken and not taken are told apart."""
    job_id = await world.press_export()
    await pleo.move_job(job_id, JobEvent.STARTED)
    first, second = [item.accounting_entry_id for item in (await pleo.list_job_items(job_id, limit=2)).rows]
    await world.order("/faults", operation="updateExportJobItemsV3", kind="item_errors", entryIds=[second])
    updates = [ItemUpdate(accounting_entry_id=each, status=ItemStatus.SUCCESSFUL) for each in (first, second)]
    answer = await pleo.update_items(job_id, updates)
    assert [item.accounting_entry_id for item in answer.data] == [first]
    assert [fault.accounting_entry_id for fault in answer.errors] == [second]


async def test_a_job_cancelled_by_a_user_is_a_conflict(world: World, pleo: PleoClient) -> None:
    """The end that somebody else gave the job is reported and not overwritten."""
    job_id = await world.press_export()
    await pleo.move_job(job_id, JobEvent.STARTED)
    await world.order(f"/jobs/{job_id}/cancel")
    with pytest.raises(errors.JobEventConflict) as caught:
        await pleo.move_job(
            job_id,
            JobEvent.FAILED,
            failure_reason="The books are locked",
            failure_reason_type=JobFailureReason.INVALID_CONFIGURATION,
        )
    assert caught.value.job.failure_reason_type is JobFailureReason.CANCELED_BY_USER


async def test_an_expired_job_is_a_conflict(world: World, pleo: PleoClient) -> None:
    """A job that ran out of time takes no event any more."""
    job_id = await world.press_export()
    await pleo.move_job(job_id, JobEvent.STARTED)
    await world.order("/clock", advanceSeconds=3601)
    with pytest.raises(errors.JobEventConflict) as caught:
        await pleo.move_job(job_id, JobEvent.COMPLETED)
    assert caught.value.job.failure_reason_type is JobFailureReason.JOB_EXPIRED
    assert caught.value.job.expired_at is not None


async def test_refusals_are_told_apart(world: World, pleo: PleoClient) -> None:
    """Each published refusal arrives as its own class."""
    ids = await world.entry_ids()
    async with world.client(bearer("wrong")) as stranger:
        with pytest.raises(errors.PleoNotAuthenticated):
            await stranger.list_jobs()
    read_only = await world.order("/tokens", scopes=["export-jobs:read"])
    async with world.client(bearer(read_only["accessToken"])) as reader:
        assert (await reader.list_jobs()).rows == ()
        with pytest.raises(errors.PleoNotAuthorized):
            await reader.create_job(world.company_id, ids[:1])
    with pytest.raises(errors.PleoNotFound):
        await pleo.job(UNKNOWN_ID)
    with pytest.raises(errors.PleoNotFound):
        await pleo.list_job_items(UNKNOWN_ID)
    with pytest.raises(errors.PleoNotFound):
        await pleo.job_item(world.company_id, UNKNOWN_ID)
    await pleo.create_job(world.company_id, ids[:1])
    with pytest.raises(errors.ExportAlreadyInProgress):
        await pleo.create_job(world.company_id, ids[1:2])


async def test_missing_contra_accounts_are_said_to_be_missing(world: World, pleo: PleoClient) -> None:
    """The refusal keeps Pleo's words, which name the currencies."""
    await world.http.patch("/_sandbox/world", json={"contraAccounts": False})
    with pytest.raises(errors.MissingContraAccounts) as caught:
        await pleo.create_job(world.company_id, (await world.entry_ids())[:1])
    assert caught.value.message


async def test_a_row_of_another_shape_spoils_no_other(world: World, pleo: PleoClient) -> None:
    """An expense served as written, and wrongly so, is unreadable beside readable ones."""
    broken = {"raw": True, "entryId": UNKNOWN_ID, "document": {"accountingEntryId": UNKNOWN_ID, "amount": 5}}
    await world.http.post("/_sandbox/expenses", json=[broken])
    job = await pleo.create_job(world.company_id, [*(await world.entry_ids())[:2], UNKNOWN_ID])
    rows = (await pleo.list_export_items(job_id=job.id)).rows
    assert sorted(type(row).__name__ for row in rows) == ["ExportItem", "ExportItem", "UnreadableItem"]
    assert [row.accounting_entry_id for row in rows if isinstance(row, UnreadableItem)] == [UNKNOWN_ID]


async def test_receipts_are_downloaded_and_links_expire(world: World, pleo: PleoClient, tmp_path: Path) -> None:
    """The world's PDF and JPEG files come by their links, until a day has passed."""
    job_id = await world.press_export()
    items = [item async for item in pleo.export_items(job_id=job_id) if isinstance(item, ExportItem)]
    files = [file for item in items for file in item.files or () if file is not None]
    assert files
    async with ReceiptDownloader(
        allowed_hosts=[],
        insecure_hosts=[urlsplit(world.url).netloc],
        clock=UnhurriedClock(),
        random=Random(1),  # noqa: S311 - scatters pauses
    ) as downloader:
        got = [await downloader.fetch(file.url, tmp_path) for file in files[:12]]
        assert [receipt.media_type for receipt in got] == [file.type for file in files[:12]]
        assert [receipt.size_bytes for receipt in got] == [file.size for file in files[:12]]
        await world.order("/clock", advanceSeconds=24 * 3600 + 1)
        with pytest.raises(errors.ReceiptUnavailable):
            await downloader.fetch(files[0].url, tmp_path)
