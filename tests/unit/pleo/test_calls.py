"""What each operation sends, and what it makes of the answer."""

import json
from decimal import Decimal

import pytest

from tallybook.pleo.client import PleoClient
from tallybook.pleo.errors import PleoCallInvalid
from tallybook.pleo.models import (
    ExportItem,
    ItemFailureReason,
    ItemStatus,
    ItemUpdate,
    JobEvent,
    JobFailureReason,
    JobStatus,
)
from tests.unit.pleo.hostile import (
    COMPANY_ID,
    ENTRY_ID,
    JOB_ID,
    HostileServer,
    entry_id,
    http,
    job,
    job_item,
    page,
    says,
)
from tests.unit.pleo.hostile import export_item as item_as_sent


async def test_list_jobs_repeats_statuses_and_names_the_paging(client: PleoClient, server: HostileServer) -> None:
    """Array parameters are repeated, cursors and sorting travel under the definition's names."""
    server.will(says(page([job()])))
    found = await client.list_jobs(
        company_id=COMPANY_ID.upper(),
        statuses=[JobStatus.PENDING, JobStatus.IN_PROGRESS],
        after="ABC=",
        limit=7,
        sorting=[("createdAt", "ASC")],
    )
    assert server.requests[0].target == (
        "/v3/export-jobs?after=ABC%3D&limit=7&sorting_keys=createdAt&sorting_order=ASC"
        f"&company_id={COMPANY_ID}&statuses=pending&statuses=in_progress"
    )
    assert [each.status for each in found.rows] == [JobStatus.IN_PROGRESS]


async def test_jobs_drains_all_pages(client: PleoClient, server: HostileServer) -> None:
    """Every page is fetched, each after the cursor of the one before."""
    server.will(says(page([job()], end="AA")), says(page([], end="BB")), says(page([job("pending")])))
    statuses = [each.status async for each in client.jobs(company_id=COMPANY_ID, page_size=1)]
    assert statuses == ["in_progress", "pending"]
    assert [request.target.partition("?")[2].partition("&")[0] for request in server.requests] == [
        "limit=1",
        "after=AA",
        "after=BB",
    ]


async def test_a_job_keeps_what_is_new_at_pleo(client: PleoClient, server: HostileServer) -> None:
    """Unknown fields stay readable and unknown enum values stay strings."""
    server.will(says({"data": job("paused", mood="good", failureReasonType="solar_flare")}))
    found = await client.job(JOB_ID.upper())
    assert server.requests[0].target == f"/v3/export-jobs/{JOB_ID}"
    assert (found.status, found.failure_reason_type) == ("paused", "solar_flare")
    assert found.model_extra == {"mood": "good"}


async def test_create_job_sends_only_what_is_set(client: PleoClient, server: HostileServer) -> None:
    """Options that were not given are not in the body."""
    server.will(says({"data": job("pending")}, 201))
    await client.create_job(COMPANY_ID, [ENTRY_ID])
    await client.create_job(COMPANY_ID, [ENTRY_ID], is_interactive=False, vendor_based_bookkeeping=True)
    assert server.requests[0].json() == {"companyId": COMPANY_ID, "accountingEntryIds": [ENTRY_ID]}
    assert server.requests[1].json() == {
        "companyId": COMPANY_ID,
        "accountingEntryIds": [ENTRY_ID],
        "isInteractive": False,
        "options": {"vendorBasedBookkeeping": True},
    }


async def test_job_items_asks_for_one_status(client: PleoClient, server: HostileServer) -> None:
    """The control list of a job is drained, filtered by a single status."""
    server.will(says(page([job_item(1), job_item(2)], end="Q")), says(page([job_item(3)])))
    found = [each.accounting_entry_id async for each in client.job_items(JOB_ID, status=ItemStatus.PENDING)]
    assert found == [entry_id(1), entry_id(2), entry_id(3)]
    assert server.requests[0].target == f"/v3/export-jobs/{JOB_ID}/items?status=pending"


async def test_job_item_is_found_by_company_and_entry(client: PleoClient, server: HostileServer) -> None:
    """The look-up of one entry names company and entry in the query."""
    server.will(says({"data": job_item(1, failureReasonType=None)}))
    assert (await client.job_item(COMPANY_ID, entry_id(1))).status is ItemStatus.PENDING
    assert server.requests[0].target == (
        f"/v3/export-job-items?company_id={COMPANY_ID}&accounting_entry_id={entry_id(1)}"
    )


async def test_update_items_sends_a_bare_array_of_set_fields(client: PleoClient, server: HostileServer) -> None:
    """An update is a JSON array, and a field that is None is not in it."""
    server.will(says({"data": [job_item(1, "successful")], "errors": []}))
    await client.update_items(
        JOB_ID,
        [
            ItemUpdate(
                accounting_entry_id=entry_id(1),
                status=ItemStatus.SUCCESSFUL,
                external_id="J-1",
                exported_at="2026-03-01T12:00:00Z",
            ),
            ItemUpdate(
                accounting_entry_id=entry_id(2),
                status=ItemStatus.FAILED,
                failure_reason="no account \ud83d 6071",
                failure_reason_type=ItemFailureReason.ACCOUNT_UNKNOWN,
            ),
        ],
    )
    assert (server.requests[0].method, server.requests[0].headers["content-type"]) == (
        "PUT",
        "application/json;charset=UTF-8",
    )
    assert server.requests[0].json() == [
        {
            "accountingEntryId": entry_id(1),
            "status": "successful",
            "externalId": "J-1",
            "exportedAt": "2026-03-01T12:00:00Z",
        },
        {
            "accountingEntryId": entry_id(2),
            "status": "failed",
            "failureReason": "no account ? 6071",
            "failureReasonType": "account_unknown",
        },
    ]


async def test_a_partial_update_shows_both_sides(client: PleoClient, server: HostileServer) -> None:
    """What Pleo took and what it did not are told apart."""
    error = {"accountingEntryId": entry_id(2), "message": "gone", "type": "ACCOUNTING_ENTRY_DOES_NOT_EXIST"}
    server.will(says({"data": [job_item(1, "successful")], "errors": [error]}))
    update = ItemUpdate(accounting_entry_id=entry_id(1), status=ItemStatus.SUCCESSFUL)
    answer = await client.update_items(JOB_ID, [update])
    assert [item.accounting_entry_id for item in answer.data] == [entry_id(1)]
    assert [(fault.accounting_entry_id, fault.type) for fault in answer.errors] == [
        (entry_id(2), "ACCOUNTING_ENTRY_DOES_NOT_EXIST")
    ]


async def test_more_than_a_hundred_updates_are_not_sent(client: PleoClient, server: HostileServer) -> None:
    """The limit is kept on our side."""
    updates = [ItemUpdate(accounting_entry_id=entry_id(n), status=ItemStatus.SUCCESSFUL) for n in range(101)]
    with pytest.raises(PleoCallInvalid, match="at most 100"):
        await client.update_items(JOB_ID, updates)
    assert not server.requests


async def test_an_update_without_items_is_not_sent(client: PleoClient, server: HostileServer) -> None:
    """Nothing to report is no call."""
    assert (await client.update_items(JOB_ID, [])).data == ()
    assert not server.requests


async def test_export_items_keep_numbers_exactly(client: PleoClient, server: HostileServer) -> None:
    """Whole numbers stay integers beyond 2**53, numbers with a point become decimals."""
    body = b'{"data":[%s],"pagination":{"hasNextPage":false}}'
    text = json.dumps(item_as_sent(1, amount={"inSupplierCurrency": "@", "inWalletCurrency": "@"}))
    text = text.replace('"@"', '{"currency":"EUR","value":9007199254740993}', 1)
    text = text.replace('"@"', '{"currency":"EUR","value":0.10000000000000000001}', 1)
    server.will(http(200, body % text.encode()))
    (item,) = (await client.list_export_items(job_id=JOB_ID)).rows
    assert isinstance(item, ExportItem)
    assert item.amount.in_supplier_currency.value == 9007199254740993
    assert item.amount.in_wallet_currency.value == Decimal("0.10000000000000000001")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("jobId", "exportJobId"), {"jobId": JOB_ID, "exportJobId": JOB_ID, "event": "started"}),
        (("jobId",), {"jobId": JOB_ID, "event": "started"}),
        (("exportJobId",), {"exportJobId": JOB_ID, "event": "started"}),
    ],
)
async def test_an_event_carries_the_job_under_the_chosen_names(
    client: PleoClient, server: HostileServer, fields: tuple[str, ...], expected: dict[str, str]
) -> None:
    """The body names the job as the definition does, as the guide does, or both."""
    server.will(http(202))
    client._event_id_fields = fields
    await client.send_event(JOB_ID, JobEvent.STARTED)
    assert server.requests[0].json() == expected


async def test_a_failed_event_carries_reason_and_type(client: PleoClient, server: HostileServer) -> None:
    """With `failed` go the reason and its type."""
    server.will(http(202))
    await client.send_event(
        JOB_ID,
        JobEvent.FAILED,
        failure_reason="The books are locked",
        failure_reason_type=JobFailureReason.INVALID_CONFIGURATION,
    )
    sent = server.requests[0].json()
    assert (sent["failureReason"], sent["failureReasonType"]) == ("The books are locked", "invalid_configuration")


@pytest.mark.parametrize(
    ("event", "reason", "reason_type"),
    [
        (JobEvent.FAILED, None, None),
        (JobEvent.FAILED, "why", None),
        (JobEvent.FAILED, "  ", JobFailureReason.VALIDATION_FAILURE),
        (JobEvent.FAILED, "why", ItemFailureReason.TAG_UNKNOWN),
        (JobEvent.COMPLETED, "why", None),
        (JobEvent.COMPLETED_WITH_ERRORS, "why", JobFailureReason.VALIDATION_FAILURE),
    ],
)
async def test_a_reason_out_of_place_is_not_sent(
    client: PleoClient, server: HostileServer, event: JobEvent, reason: str | None, reason_type: JobFailureReason | None
) -> None:
    """Reason and type go with `failed`, both, and with nothing else; the type is a job's."""
    with pytest.raises(PleoCallInvalid):
        await client.move_job(JOB_ID, event, failure_reason=reason, failure_reason_type=reason_type)
    assert not server.requests


@pytest.mark.parametrize("job_id", ["", "..", "../../v1/companies", JOB_ID + "/items", JOB_ID + "\n", "ÄÄ"])
async def test_an_id_that_is_none_never_becomes_a_path(client: PleoClient, server: HostileServer, job_id: str) -> None:
    """Only a UUID is put into a path."""
    with pytest.raises(PleoCallInvalid):
        await client.job(job_id)
    assert not server.requests


async def test_a_page_has_one_starting_point(client: PleoClient, server: HostileServer) -> None:
    """Cursor and offset together are refused before sending."""
    with pytest.raises(PleoCallInvalid, match="only one"):
        await client.list_jobs(after="A", offset=3)
    assert not server.requests
