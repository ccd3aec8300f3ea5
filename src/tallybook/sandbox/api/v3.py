"""Pleo's eight operations of the export API, version 3. Source: definition, paths."""

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter

from tallybook.sandbox import expenses, job_items, jobs
from tallybook.sandbox.api import schemas
from tallybook.sandbox.api.requests import (
    PageAsked,
    SandboxHere,
    allowed,
    other_parameters,
    read_body,
    refuse_other_company,
)
from tallybook.sandbox.api.schemas_export_item import CursorPaginatedResponseExportItemV3
from tallybook.sandbox.api.wire import PleoResponse, item_json, job_json, json_text, page_text, update_json
from tallybook.sandbox.documents import KeptDocument
from tallybook.sandbox.errors import Refusal, bad_request
from tallybook.sandbox.job_items import ItemUpdate
from tallybook.sandbox.jobs import Job, NewJob
from tallybook.sandbox.paging import Page, PageRequest
from tallybook.sandbox.rules import FINAL_JOB_STATUSES, ItemStatus, JobStatus, Profile
from tallybook.sandbox.sandbox import Sandbox

_JOBS_READ: Final = [Depends(allowed("export-jobs:read"))]
_JOBS_WRITE: Final = [Depends(allowed("export-jobs:write"))]
_ITEMS_READ: Final = [Depends(allowed("export-items:read"))]

_SAID: Final = {
    400: "The request is not as the definition has it, or the company has not mapped its contra accounts.",
    404: "There is no such thing.",
    409: "The company already has an unfinished export job.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The job's present state does not allow this.",
}


def _answers(status: int, said: str, model: Any, *refusals: int) -> dict[int | str, dict[str, Any]]:
    first: dict[str, Any] = {"description": said}
    if model is not None:
        first["model"] = model
    answers: dict[int | str, dict[str, Any]] = {status: first}
    for code in (400, *refusals):
        answers[code] = {"description": _SAID[code], "model": schemas.ExceptionInfo}
    return answers


def _body(model: type[schemas.Wire], *, array: bool = False) -> dict[str, Any]:
    shape: dict[str, Any] = {"$ref": f"#/components/schemas/{model.__name__}"}
    if array:
        shape = {"type": "array", "items": shape}
    return {"requestBody": {"required": True, "content": {PleoResponse.media_type: {"schema": shape}}}}


router = APIRouter(prefix="/v3", default_response_class=PleoResponse)

_CREATE: Final = TypeAdapter(schemas.CreateExportJob)
_UPDATE: Final = TypeAdapter(list[schemas.UpdateExportJobItemV3])
_EVENT: Final[dict[Profile, TypeAdapter[Any]]] = {
    Profile.REFERENCE: TypeAdapter(schemas.CreateExportJobEvent),
    Profile.GUIDE: TypeAdapter(schemas.CreateExportJobEventOfTheGuide),
}


@router.get(
    "/export-jobs",
    operation_id="getExportJobsListV3",
    summary="List export jobs",
    dependencies=_JOBS_READ,
    responses=_answers(200, "A page of jobs.", schemas.CursorPaginatedResponseExportJobV3),
)
async def list_export_jobs(
    request: Request,
    sandbox: SandboxHere,
    asked: PageAsked,
    company_id: Annotated[schemas.UuidText | None, Query()] = None,
    statuses: Annotated[list[JobStatus] | None, Query()] = None,
) -> Response:
    """Jobs, oldest first unless asked otherwise; `data` is empty when none match."""
    refuse_other_company(sandbox, company_id)
    page, found = await sandbox.store.run(jobs.list_jobs, sandbox.now_s(), statuses or (), asked)
    data = [json_text(job_json(job, sandbox.profile)) for job in found]
    return PleoResponse(page_text(data, page, asked, other_parameters(request)))


@router.post(
    "/export-jobs",
    operation_id="createExportJobV3",
    summary="Create an export job",
    status_code=201,
    dependencies=_JOBS_WRITE,
    responses=_answers(201, "Job created.", schemas.DataResponseExportJobV3, 404, 409, 413, 415),
    openapi_extra=_body(schemas.CreateExportJob),
)
async def create_export_job(request: Request, sandbox: SandboxHere) -> Response:
    """Create a pending job; its entries are locked until it ends."""
    body = await read_body(request, _CREATE)
    refuse_other_company(sandbox, body.company_id)
    new = NewJob(
        entry_ids=body.accounting_entry_ids,
        created_by=body.employee_id,
        is_interactive=body.is_interactive is not False,
        vendor_based=bool(body.options and body.options.vendor_based_bookkeeping),
    )
    job = await sandbox.store.run(jobs.create_job, sandbox.world, sandbox.now_s(), new)
    sandbox.courier.wake()
    return PleoResponse(json_text({"data": job_json(job, sandbox.profile)}), 201)


@router.get(
    "/export-jobs/{jobId}",
    operation_id="getExportJobByIdV3",
    summary="Read one export job",
    dependencies=_JOBS_READ,
    responses=_answers(200, "The job.", schemas.DataResponseExportJobV3, 404),
)
async def read_export_job(jobId: schemas.UuidText, sandbox: SandboxHere) -> Response:  # noqa: N803 - Pleo's name
    """One job."""
    job = await sandbox.store.run(jobs.find_job, sandbox.now_s(), jobId)
    return PleoResponse(json_text({"data": job_json(job, sandbox.profile)}))


@router.get(
    "/export-jobs/{jobId}/items",
    operation_id="getExportJobItemsV3",
    summary="List the items of a job with their export state",
    dependencies=_JOBS_READ,
    responses=_answers(200, "A page of items.", schemas.CursorPaginatedResponseExportJobItemV3, 404),
)
async def list_export_job_items(
    request: Request,
    jobId: schemas.UuidText,  # noqa: N803 - Pleo's name
    sandbox: SandboxHere,
    asked: PageAsked,
    status: Annotated[ItemStatus | None, Query()] = None,
) -> Response:
    """Items in the order of the job unless asked otherwise; readable also after the job has ended."""

    def read(db: Any, now_s: float) -> tuple[Page, list[job_items.JobItem]]:
        return job_items.list_job_items(db, jobs.find_job(db, now_s, jobId), status, asked)

    page, items = await sandbox.store.run(read, sandbox.now_s())
    data = [json_text(item_json(item, sandbox.profile)) for item in items]
    return PleoResponse(page_text(data, page, asked, other_parameters(request)))


@router.put(
    "/export-jobs/{jobId}/items",
    operation_id="updateExportJobItemsV3",
    summary="Report the result of up to 100 items",
    dependencies=_JOBS_WRITE,
    responses=_answers(
        200, "Updated items, plus the entries that failed.", schemas.ExportJobItemUpdateV3, 404, 413, 415, 422
    ),
    openapi_extra=_body(schemas.UpdateExportJobItemV3, array=True),
)
async def update_export_job_items(request: Request, jobId: schemas.UuidText, sandbox: SandboxHere) -> Response:  # noqa: N803
    """The body is a bare array; what could not be taken comes back in `errors` of a 200."""
    body = await read_body(request, _UPDATE)
    job_items.refuse_too_many(len(body))
    updates = [
        ItemUpdate(
            element.accounting_entry_id,
            element.status,
            element.external_id,
            element.external_url,
            element.exported_at,
            element.failure_reason,
            element.failure_reason_type,
        )
        for element in body
    ]
    on_purpose = getattr(request.state, "refused_on_purpose", {})

    def update(db: Any, now_s: float) -> tuple[list[job_items.JobItem], list[job_items.UpdateRefused]]:
        return job_items.update_job_items(db, now_s, jobs.find_job(db, now_s, jobId), updates, on_purpose)

    taken, refused = await sandbox.store.run(update, sandbox.now_s())
    return PleoResponse(json_text(update_json(taken, refused, sandbox.profile)))


@router.post(
    "/export-job-events",
    operation_id="createExportJobEventV3",
    summary="Move a job to its next state",
    status_code=202,
    dependencies=_JOBS_WRITE,
    responses=_answers(202, "Event accepted; no body.", None, 404, 413, 415, 422),
    openapi_extra=_body(schemas.CreateExportJobEvent),
)
async def create_export_job_event(request: Request, sandbox: SandboxHere) -> Response:
    """`started` takes a pending job to in_progress; `completed`, `completed_with_errors` and `failed` end it."""
    body = await read_body(request, _EVENT[sandbox.profile])
    job_id = body.job_id or body.export_job_id
    if job_id is None:
        raise bad_request("jobId: Field required (or exportJobId, as in the guide)")
    if body.export_job_id not in {None, job_id}:
        raise bad_request(f"jobId {body.job_id} and exportJobId {body.export_job_id} name different jobs.")
    failure = (body.failure_reason, body.failure_reason_type)
    await sandbox.store.run(jobs.apply_event, sandbox.now_s(), job_id, body.event, failure)
    return Response(status_code=202)


@router.get(
    "/export-items",
    operation_id="getExportItemsV3",
    summary="Read the accounting content of the entries selected for export",
    dependencies=_ITEMS_READ,
    responses=_answers(200, "A page of export items.", CursorPaginatedResponseExportItemV3, 404, 422),
)
async def list_export_items(
    request: Request,
    sandbox: SandboxHere,
    asked: PageAsked,
    job_id: Annotated[schemas.UuidText | None, Query()] = None,
) -> Response:
    """Documents of a job that is pending or in progress; without `job_id` of the one that is, if any."""
    page, job = await sandbox.store.run(_export_items, sandbox, job_id, asked)
    vendor_based = job is not None and job.vendor_based
    data = [KeptDocument(text, part).served(vendor_based=vendor_based) for text, part, *_ in page.rows]
    body = page_text(data, page, asked, other_parameters(request))
    return PleoResponse(sandbox.world.links.fill(body, base_url(request), sandbox.now_s()))


def _export_items(db: Any, sandbox: Sandbox, job_id: str | None, asked: PageRequest) -> tuple[Page, Job | None]:
    now_s = sandbox.now_s()
    job = jobs.unfinished_job(db, now_s) if job_id is None else jobs.find_job(db, now_s, job_id)
    if job is not None and job.status in FINAL_JOB_STATUSES:
        message = f"Export job {job.id} is {job.status}; its items can no longer be read."
        raise Refusal(422, "EXPORT_JOB_STATUS_UNPROCESSABLE", message)
    jobs.refuse_without_contra_accounts(sandbox.world)
    number, total = (0, 0) if job is None else (job.number, job.number_of_documents)
    return expenses.read_export_items(db, number, total, asked), job


def base_url(request: Request) -> str:
    """Give the address the caller reached the sandbox by, for links that lead back to it."""
    host = request.headers.get("host", "")
    if not re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9a-fA-F:]+\](:[0-9]+)?", host):
        server: tuple[str, int] = request.scope["server"]
        host = f"{server[0]}:{server[1]}"
    return f"{request.url.scheme}://{host}"


@router.get(
    "/export-job-items",
    operation_id="getExportJobItemByAccountingEntryIdV3",
    summary="Look up the export job item of one accounting entry",
    dependencies=_JOBS_READ,
    responses=_answers(200, "The export job item.", schemas.DataResponseExportJobItemV3, 404),
)
async def read_export_job_item(
    sandbox: SandboxHere,
    company_id: Annotated[schemas.UuidText | None, Query()] = None,
    accounting_entry_id: Annotated[schemas.UuidText | None, Query()] = None,
) -> Response:
    """The item of the latest job that holds the entry."""
    refuse_other_company(sandbox, company_id)
    if accounting_entry_id is None:
        raise Refusal(404, "EXPORT_ENTRY_NOT_FOUND", "No accounting_entry_id was named.")
    item = await sandbox.store.run(job_items.find_job_item, sandbox.now_s(), accounting_entry_id)
    return PleoResponse(json_text({"data": item_json(item, sandbox.profile)}))
