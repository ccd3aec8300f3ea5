"""The Pleo export API, version 3, as typed calls: jobs, their items, the items' content, and job events.

Every call is made once or as often as is safe (see `transport`); every failure is one of `errors`, and none is foreign.

Source: contract/pleo-export-v3.openapi.yaml.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from random import Random
from types import TracebackType
from typing import Any, Self

import httpx

from tallybook.clock import Clock
from tallybook.pleo import answers, moves
from tallybook.pleo.errors import (
    InvalidJobStatusChange,
    PleoAnswerUnreadable,
    PleoCallInvalid,
    PleoError,
    PleoRateLimited,
    PleoServerFault,
    PleoTimeout,
    PleoUnclear,
    PleoUnreachable,
)
from tallybook.pleo.installation import Installation
from tallybook.pleo.models import (
    ExportItem,
    ExportJob,
    ExportJobItem,
    ItemStatus,
    ItemUpdate,
    ItemUpdateAnswer,
    JobEvent,
    JobFailureReason,
    JobStatus,
    Page,
    UnreadableItem,
)
from tallybook.pleo.moves import MoveOutcome, Standing
from tallybook.pleo.pages import drain
from tallybook.pleo.queries import Query, Sorting, id_of, paging
from tallybook.pleo.retry import RetryPolicy, Timeouts
from tallybook.pleo.subscriptions import Subscriptions
from tallybook.pleo.transport import Call, CallRecord, Transport, json_of

__all__ = ["ITEMS_PER_UPDATE_MAX", "CallRecord", "MoveOutcome", "PleoClient", "RetryPolicy", "Timeouts"]

ITEMS_PER_UPDATE_MAX = 100  # definition: 413 above; the design page's 10 is not enforced
ANSWER_SIZE_BYTES_MAX = 64 * 1024 * 1024  # ours: far above any page Pleo could mean


class PleoClient:
    """One Pleo, one credential. Use it as an async context manager, or call `aclose` at the end.

    `observer` is told of every attempt at every call; `before_write` is called before each that is no GET.
    `event_id_fields` are the names under which an event's body carries the job's id: the definition says `jobId`, the
    guide `exportJobId`, and Pleo is sent both.
    """

    def __init__(
        self,
        *,
        base_url: str,
        auth: httpx.Auth,
        clock: Clock,
        random: Random,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        event_id_fields: Sequence[str] = moves.ID_FIELDS,
        observer: Callable[[CallRecord], None] | None = None,
        answer_size_bytes_max: int = ANSWER_SIZE_BYTES_MAX,
        before_write: Callable[[], None] | None = None,
    ) -> None:
        if not event_id_fields or not set(event_id_fields) <= set(moves.ID_FIELDS):
            raise PleoCallInvalid("pleo.event_id_fields must name `jobId`, `exportJobId` or both")
        self._event_id_fields = tuple(event_id_fields)
        self._clock = clock
        self._random = random
        self._retry = retry
        self._transport = Transport(
            base_url=base_url,
            auth=auth,
            clock=clock,
            random=random,
            timeouts=timeouts,
            retry=retry,
            observer=observer,
            answer_size_bytes_max=answer_size_bytes_max,
            before_write=before_write,
        )
        self.subscriptions = Subscriptions(self._transport)
        self.installation = Installation(self._transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections. Repeat: safe."""
        await self._transport.aclose()

    # ---- jobs

    async def list_jobs(
        self,
        *,
        company_id: str | None = None,
        statuses: Sequence[JobStatus | str] = (),
        after: str | None = None,
        before: str | None = None,
        offset: int | None = None,
        limit: int | None = None,
        sorting: Sorting = (),
    ) -> Page[ExportJob]:
        """Read one page of jobs.

        Repeat: safe.
        Raises:
            PleoError: no readable answer, or a refusal.
        Source: definition GET /v3/export-jobs.
        """
        query = paging(after, before, offset, limit, sorting)
        if company_id is not None:
            query.append(("company_id", id_of(company_id, "company")))
        query += [("statuses", str(status)) for status in statuses]
        answer = await self._get("list_jobs", "/v3/export-jobs", query)
        return answers.read_page(partial(answers.read, ExportJob, what="an export job"), answer, "export jobs", after)

    async def jobs(
        self,
        *,
        company_id: str | None = None,
        statuses: Sequence[JobStatus | str] = (),
        page_size: int | None = None,
    ) -> AsyncIterator[ExportJob]:
        """Yield all jobs, page by page, in Pleo's order.

        Repeat: safe; starts again at the first page.
        Raises:
            PleoError: as `list_jobs`, or a list without an end.
        """
        fetch = partial(self.list_jobs, company_id=company_id, statuses=statuses, limit=page_size)
        async for page in drain(lambda after: fetch(after=after)):
            for job in page.rows:
                yield job

    async def job(self, job_id: str) -> ExportJob:
        """Read one job.

        Repeat: safe.
        Raises:
            PleoNotFound: no such job.
            PleoError: no readable answer, or a refusal.
        Source: definition GET /v3/export-jobs/{jobId}.
        """
        answer = await self._get("job", f"/v3/export-jobs/{id_of(job_id, 'export job')}")
        return answers.read_data(ExportJob, answer, "an export job")

    async def create_job(
        self,
        company_id: str,
        accounting_entry_ids: Iterable[str],
        *,
        employee_id: str | None = None,
        is_interactive: bool | None = None,
        vendor_based_bookkeeping: bool | None = None,
    ) -> ExportJob:
        """Create a job of these accounting entries, in `pending`.

        Repeat: not safe; a second call makes a second job, or meets the first with `ExportAlreadyInProgress`.
        Raises:
            ExportAlreadyInProgress: the company has an unfinished job.
            MissingContraAccounts: the company's contra accounts are not complete.
            PleoUnclear: sent, and no clear answer; list the company's pending jobs to find out.
            PleoError: nothing was created.
        Source: definition POST /v3/export-jobs.
        """
        body: dict[str, Any] = {
            "companyId": id_of(company_id, "company"),
            "accountingEntryIds": [id_of(entry_id, "accounting entry") for entry_id in accounting_entry_ids],
        }
        if employee_id is not None:
            body["employeeId"] = id_of(employee_id, "employee")
        if is_interactive is not None:
            body["isInteractive"] = is_interactive
        if vendor_based_bookkeeping is not None:
            body["options"] = {"vendorBasedBookkeeping": vendor_based_bookkeeping}
        call = Call("create_job", "POST", "/v3/export-jobs", content=json_of(body), repeatable=False)
        answer = await self._transport.call(call)
        try:
            return answers.read_data(ExportJob, answers.parse(answer), "the new export job")
        except PleoAnswerUnreadable as error:
            raise PleoUnclear(f"the export job was created, but {error}", status=201) from error

    # ---- the control layer: items of a job and their progress

    async def list_job_items(
        self,
        job_id: str,
        *,
        status: ItemStatus | str | None = None,
        after: str | None = None,
        before: str | None = None,
        offset: int | None = None,
        limit: int | None = None,
        sorting: Sorting = (),
    ) -> Page[ExportJobItem]:
        """Read one page of a job's items.

        Repeat: safe.
        Raises:
            PleoNotFound: no such job.
            PleoError: no readable answer, or a refusal.
        Source: definition GET /v3/export-jobs/{jobId}/items.
        """
        query = paging(after, before, offset, limit, sorting)
        if status is not None:
            query.append(("status", str(status)))
        answer = await self._get("list_job_items", f"/v3/export-jobs/{id_of(job_id, 'export job')}/items", query)
        row = partial(answers.read, ExportJobItem, what="an export job item")
        return answers.read_page(row, answer, "export job items", after)

    async def job_items(
        self, job_id: str, *, status: ItemStatus | str | None = None, page_size: int | None = None
    ) -> AsyncIterator[ExportJobItem]:
        """Yield all items of a job, page by page, in Pleo's order.

        Repeat: safe; starts again at the first page.
        Raises:
            PleoError: as `list_job_items`, or a list without an end.
        """
        fetch = partial(self.list_job_items, job_id, status=status, limit=page_size)
        async for page in drain(lambda after: fetch(after=after)):
            for item in page.rows:
                yield item

    async def job_item(self, company_id: str, accounting_entry_id: str) -> ExportJobItem:
        """Look up the export job item of one accounting entry.

        Repeat: safe.
        Raises:
            PleoNotFound: no such item.
            PleoError: no readable answer, or a refusal.
        Source: definition GET /v3/export-job-items, which Pleo's reference pages do not show.
        """
        query = [
            ("company_id", id_of(company_id, "company")),
            ("accounting_entry_id", id_of(accounting_entry_id, "accounting entry")),
        ]
        return answers.read_data(ExportJobItem, await self._get("job_item", "/v3/export-job-items", query), "an item")

    async def update_items(self, job_id: str, updates: Sequence[ItemUpdate]) -> ItemUpdateAnswer:
        """Report the results of up to 100 items; fields that are None are not sent, and without items nothing is.

        An item in `errors` of the answer, or missing from its `data`, was not updated.

        Repeat: safe; the same report changes nothing, and a doubtful one is repeated here.
        Raises:
            PleoCallInvalid: more than 100 items; nothing was sent.
            JobStatusUnprocessable: the job has ended.
            PleoNotFound: no such job.
            PleoError: no readable answer, or a refusal.
        Source: definition PUT /v3/export-jobs/{jobId}/items.
        """
        if len(updates) > ITEMS_PER_UPDATE_MAX:
            raise PleoCallInvalid(f"one update carries at most {ITEMS_PER_UPDATE_MAX} items, not {len(updates)}")
        path = f"/v3/export-jobs/{id_of(job_id, 'export job')}/items"
        if not updates:
            return ItemUpdateAnswer(data=(), errors=())
        rows = [update.model_dump(mode="json", by_alias=True, exclude_none=True) for update in updates]
        body = await self._transport.call(Call("update_items", "PUT", path, content=json_of(rows)))
        return answers.read(ItemUpdateAnswer, answers.parse(body), "the answer to an item update")

    # ---- the data layer: accounting content

    async def list_export_items(
        self,
        *,
        job_id: str | None = None,
        after: str | None = None,
        before: str | None = None,
        offset: int | None = None,
        limit: int | None = None,
        sorting: Sorting = (),
    ) -> Page[ExportItem | UnreadableItem]:
        """Read one page of accounting content; its file links are valid for 24 hours from now.

        Repeat: safe.
        Raises:
            JobStatusUnprocessable: the job has ended.
            MissingContraAccounts: the company's contra accounts are not complete.
            PleoError: no readable answer, or a refusal. One unreadable row is not an error.
        Source: definition GET /v3/export-items.
        """
        query = paging(after, before, offset, limit, sorting)
        if job_id is not None:
            query.append(("job_id", id_of(job_id, "export job")))
        answer = await self._get("list_export_items", "/v3/export-items", query)
        return answers.read_page(answers.export_item, answer, "export items", after)

    async def export_items(
        self, *, job_id: str | None = None, page_size: int | None = None
    ) -> AsyncIterator[ExportItem | UnreadableItem]:
        """Yield all accounting content, page by page, in Pleo's order.

        Repeat: safe; starts again at the first page.
        Raises:
            PleoError: as `list_export_items`, or a list without an end.
        """
        fetch = partial(self.list_export_items, job_id=job_id, limit=page_size)
        async for page in drain(lambda after: fetch(after=after)):
            for item in page.rows:
                yield item

    # ---- events

    async def send_event(
        self,
        job_id: str,
        event: JobEvent,
        *,
        failure_reason: str | None = None,
        failure_reason_type: JobFailureReason | None = None,
    ) -> None:
        """Send one event, once; a second attempt is made only where Pleo certainly did not hear the first.

        Repeat: not safe; `move_job` is.
        Raises:
            PleoCallInvalid: a reason is missing or out of place; nothing was sent.
            InvalidJobStatusChange: the job does not stand where the event applies.
            PleoUnclear: sent, and no clear answer; read the job to find out.
            PleoError: nothing was done.
        Source: definition POST /v3/export-job-events.
        """
        job_id = id_of(job_id, "export job")
        body = moves.event_body(job_id, event, failure_reason, failure_reason_type, self._event_id_fields)
        content = json_of(body)
        path = "/v3/export-job-events"
        call = Call("send_event", "POST", path, content=content, repeatable=False, body_wanted=False, confirmable=True)
        await self._transport.call(call)

    async def move_job(
        self,
        job_id: str,
        event: JobEvent,
        *,
        failure_reason: str | None = None,
        failure_reason_type: JobFailureReason | None = None,
    ) -> MoveOutcome:
        """Bring a job where an event leads, whatever becomes of single answers.

        After an unclear answer, or a refusal of the status change, the job is read: standing where the event leads is
        done, standing where it applies means the event is sent again, anything else is a conflict.

        Repeat: safe; a job that stands where the event leads is done.
        Raises:
            PleoCallInvalid: a reason is missing or out of place; nothing was sent.
            JobEventConflict: the job is final with another outcome (expired, cancelled); never retried.
            InvalidJobStatusChange: Pleo keeps refusing although the job stands where the event applies.
            PleoUnclear: neither event nor job got a clear answer; call again.
            PleoError: nothing was done.
        Source: docs/decisions.md 5.
        """
        send = partial(
            self.send_event, job_id, event, failure_reason=failure_reason, failure_reason_type=failure_reason_type
        )
        doubt: PleoUnclear | InvalidJobStatusChange | None = None
        for count in range(1, self._retry.attempts + 1):
            try:
                await send()
            except (PleoUnclear, InvalidJobStatusChange) as error:
                doubt = error
            else:
                return MoveOutcome(job_id=job_id.lower(), status=moves.target(event))
            if count > 1 or isinstance(doubt, PleoUnclear):  # a call still under way there gets time to end
                asked_s = doubt.retry_after_s if isinstance(doubt, PleoUnclear) else None
                await self._clock.sleep(self._retry.delay_s(count, self._random, asked_s))
            job = await self._job_in_doubt(job_id, doubt)
            if moves.standing(job, event, failure_reason_type) is Standing.DONE:
                return MoveOutcome(job_id=job.id, status=moves.target(event), job=job)
        raise doubt or PleoCallInvalid("a retry policy needs at least one attempt")

    async def _job_in_doubt(self, job_id: str, doubt: PleoError) -> ExportJob:
        try:
            return await self.job(job_id)
        except (PleoUnreachable, PleoTimeout, PleoServerFault, PleoRateLimited, PleoAnswerUnreadable) as error:
            raise PleoUnclear(f"{doubt}; and the job could not be read to find out: {error}") from error

    async def _get(self, operation: str, path: str, query: Query | None = None) -> Any:
        return answers.parse(await self._transport.call(Call(operation, "GET", path, query or ())))
