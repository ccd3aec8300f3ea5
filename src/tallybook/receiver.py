"""The webhook receiver: an ASGI app that believes only what Pleo signed, passes the job on, and answers at once.

It decides nothing: `pleo.webhooks` judges, and whoever makes the app says what `enqueue` does.

Source: docs/decisions.md 26.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallybook.clock import Clock
from tallybook.errors import TallybookError
from tallybook.pleo.webhooks import CreatedJob, Notification, Refusal, SeenIds, SigningSecrets, verify
from tallybook.store.errors import DatabaseUnusable
from tallybook.store.webhook_ids import WebhookIds
from tallybook.telemetry import logs, metrics

PATH: Final = "/webhooks/pleo"
BODY_BYTES_MAX: Final = 256 * 1024  # a notification has less than 1 KiB
BODY_WITHIN_S: Final = 10.0
ENQUEUE_WITHIN_S: Final = 0.8  # of the second in which Pleo gets its answer
SHARED_WITHIN_S: Final = 0.3  # what the database gets of that second; without its answer we act, and act perhaps twice
# Of a body that is too large so much is still read and thrown away: whoever is cut off while sending hears no answer.
_SPILT_BYTES_MAX: Final = 32 * 1024 * 1024

Enqueue = Callable[[str, str], Awaitable[object]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Receiver:
    """What the route needs: the secrets, the time, and `enqueue(company_id, job_id)`, which must bear repetition.

    `shared` are the ids that other workers took.
    """

    secrets: SigningSecrets
    clock: Clock
    enqueue: Enqueue
    seen: SeenIds = field(default_factory=SeenIds)
    shared: WebhookIds | None = None

    async def receive(self, request: Request) -> Response:
        """Answer one notification: 202 once it is enqueued, was before, or is not about a new export job.

        Otherwise 400 or 401 for one that is not understood or not believed, 408 for a body that does not come, 413
        for one over BODY_BYTES_MAX, and 503 where `enqueue` failed or took too long, so that Pleo sends it again.

        Repeat: safe, a notification is enqueued once in 24 hours.
        """
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except TimeoutError:
            return _said(408, f"The notification did not arrive within {BODY_WITHIN_S:g} seconds.", close=True)
        if body is None:
            return _said(413, f"The notification is larger than {BODY_BYTES_MAX} bytes.", close=True)
        judged = verify(body, request.headers.items(), self.secrets, now=self.clock.now(), seen=self.seen)
        if isinstance(judged, Refusal):
            log.warning("a webhook notification was refused", fault=judged.fault.value, status=judged.status)
            metrics.WEBHOOKS.labels(judged.fault.value).inc()
            return _said(judged.status, judged.sentence)
        if judged.created_job is None or not await self._is_new(judged.id):
            seen_before = judged.created_job is not None
            log.info("a webhook notification asks for nothing", webhook_id=judged.id, seen_before=seen_before)
            metrics.WEBHOOKS.labels("repeated" if seen_before else "ignored").inc()
            return Response(status_code=202)
        return await self._pass_on(judged, judged.created_job)

    async def _is_new(self, notification_id: str) -> bool:
        if not self.seen.take(notification_id, self.clock.now()):
            return False
        if self.shared is None:
            return True
        try:
            async with asyncio.timeout(SHARED_WITHIN_S):
                return await self.shared.take(notification_id, self.clock.now())
        except (TimeoutError, DatabaseUnusable):
            return True

    async def _pass_on(self, notification: Notification, job: CreatedJob) -> Response:
        known = log.bind(webhook_id=notification.id, company_id=job.company_id, job_id=job.job_id)
        enqueued = False
        try:
            async with asyncio.timeout(ENQUEUE_WITHIN_S):
                await self.enqueue(job.company_id, job.job_id)
            enqueued = True
        except (TimeoutError, TallybookError) as error:
            known.warning("an announced export job could not be enqueued", error=logs.told(error))
            metrics.WEBHOOKS.labels("unavailable").inc()
            return _said(503, "The export job cannot be taken at the moment; send the notification again.")
        finally:
            if not enqueued:  # also when something worse happened: Pleo's next attempt must count
                await self._give_back(notification.id)
        known.info("an export job was announced")
        metrics.WEBHOOKS.labels("taken").inc()
        return Response(status_code=202)

    async def _give_back(self, notification_id: str) -> None:
        self.seen.give_back(notification_id)
        if self.shared is not None:
            with contextlib.suppress(TimeoutError, DatabaseUnusable):  # then the next poll finds the job
                async with asyncio.timeout(SHARED_WITHIN_S):
                    await self.shared.give_back(notification_id)


def routes(receiver: Receiver) -> list[Route]:
    """Give the receiver's one route, to be mounted in an app that serves more than this."""
    return [Route(PATH, receiver.receive, methods=["POST"], name="pleo-webhooks")]


def create_app(receiver: Receiver) -> Starlette:
    """Make an app of the receiver alone: POST /webhooks/pleo."""
    return Starlette(routes=routes(receiver))


async def _body(request: Request) -> bytes | None:
    """Read the body as it came; None for one that is too large, of which nothing is kept."""
    body = bytearray()
    size_bytes = 0
    async for chunk in request.stream():
        size_bytes += len(chunk)
        if size_bytes <= BODY_BYTES_MAX:
            body += chunk
        else:
            body.clear()
        if size_bytes > _SPILT_BYTES_MAX:
            break
    return bytes(body) if size_bytes <= BODY_BYTES_MAX else None


def _said(status: int, sentence: str, *, close: bool = False) -> Response:
    return JSONResponse({"message": sentence}, status, headers={"connection": "close"} if close else None)
