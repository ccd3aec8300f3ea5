"""From stored rows to Pleo's JSON, written straight as text: the hot path of the sandbox."""

import json
from collections.abc import Sequence
from typing import Any

from fastapi import Response

from tallybook.sandbox.clock import instant_text
from tallybook.sandbox.job_items import JobItem, UpdateRefused
from tallybook.sandbox.jobs import Job
from tallybook.sandbox.paging import Page, PageRequest
from tallybook.sandbox.rules import EXPIRES_IN_S, Profile

Json = dict[str, Any]


class PleoResponse(Response):
    """An answer in Pleo's media type."""

    media_type = "application/json;charset=UTF-8"


def json_text(value: Any) -> str:
    """Write compact JSON."""
    return json.dumps(value, separators=(",", ":"))


def job_json(job: Job, profile: Profile) -> Json:
    """ExportJobV3; an absent `failureReasonType` is left out by the reference and null in the guide's samples."""
    written: Json = {
        "companyId": job.company_id,
        "completedAt": instant_text(job.completed_at),
        "createdAt": instant_text(job.created_at),
        "createdBy": job.created_by,
        "expiredAt": instant_text(job.expired_at),
        "expiresIn": EXPIRES_IN_S,
        "failureReason": job.failure_reason,
        "failureReasonType": job.failure_reason_type,
        "id": job.id,
        "isInteractive": job.is_interactive,
        "lastUpdatedAt": instant_text(job.last_updated_at),
        "numberOfItems": job.number_of_items,
        "startedAt": instant_text(job.started_at),
        "status": job.status,
        "vendorBasedBookkeeping": job.vendor_based,
    }
    return _without_absent_reason(written, profile)


def item_json(item: JobItem, profile: Profile) -> Json:
    """ExportJobItemV3; on an absent `failureReasonType` as `job_json`."""
    written: Json = {
        "accountingEntryId": item.entry_id,
        "exportJobId": item.job_id,
        "exportedAt": item.exported_at,
        "externalId": item.external_id,
        "externalUrl": item.external_url,
        "failureReason": item.failure_reason,
        "failureReasonType": item.failure_reason_type,
        "status": item.status,
    }
    return _without_absent_reason(written, profile)


def _without_absent_reason(written: Json, profile: Profile) -> Json:
    if profile is Profile.REFERENCE and written["failureReasonType"] is None:
        del written["failureReasonType"]
    return written


def update_json(taken: Sequence[JobItem], refused: Sequence[UpdateRefused], profile: Profile) -> Json:
    """ExportJobItemUpdateV3."""
    return {
        "data": [item_json(item, profile) for item in taken],
        "errors": [
            {"accountingEntryId": refusal.entry_id, "message": refusal.message, "type": refusal.error}
            for refusal in refused
        ],
    }


def page_text(data: Sequence[str], page: Page, request: PageRequest, parameters: dict[str, list[str]]) -> str:
    """Write a page of elements that are JSON text already; `parameters` are the other query parameters."""
    asked = {"after": request.after, "before": request.before, "offset": request.offset}
    pagination: Json = {
        "currentRequestPagination": {name: value for name, value in asked.items() if value is not None}
        | {
            "limit": request.limit,
            "parameters": parameters,
            "sortingKeys": [key for key, _ in request.sorting],
            "sortingOrder": [order for _, order in request.sorting],
        },
        "hasNextPage": page.has_next,
        "hasPreviousPage": page.has_previous,
        "total": page.total,
    }
    if page.start_cursor is not None:
        pagination |= {"startCursor": page.start_cursor, "endCursor": page.end_cursor}
    return f'{{"data":[{",".join(data)}],"pagination":{json_text(pagination)}}}'
