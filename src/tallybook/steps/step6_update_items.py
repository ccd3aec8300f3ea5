"""Step 6: report every item's result to Pleo, in batches, until Pleo has acknowledged it; never be silent for long.

Source: Pleo guide "Update export items"; definition PUT /v3/export-jobs/{jobId}/items; docs/decisions.md 9.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol

import structlog

from tallybook.clock import Clock
from tallybook.deadline import Deadline
from tallybook.errors import TallybookError
from tallybook.outcome import ItemResult
from tallybook.pleo.client import PleoClient
from tallybook.pleo.models import ItemStatus, ItemUpdate
from tallybook.telemetry import logs, metrics

# An item may come back in the `errors` of a 200; it is sent again this often, 1 s, 2 s, ... apart.
ATTEMPTS = 4
KEPT_ALIVE_AGAIN_S = 30.0  # after a sign of life that Pleo did not take

log = structlog.get_logger()


class ItemUpdateNotAcknowledged(TallybookError):
    """Pleo kept refusing the result of some items, so the job cannot be closed truthfully."""


async def update_items(
    pleo: PleoClient,
    clock: Clock,
    job_id: str,
    results: Sequence[ItemResult],
    *,
    items_per_update: int,
    acknowledged: Callable[[ItemResult], None],
) -> None:
    """Send results, at most `items_per_update` a call, and call `acknowledged` for each that Pleo took.

    Repeat: safe; the same result for an item changes nothing.
    Raises:
        ItemUpdateNotAcknowledged: Pleo kept naming an item in the `errors` of its answer.
        JobStatusUnprocessable: the job is final; nothing more can be reported.
        PleoError: Pleo did not answer, or refused.
    """
    for start in range(0, len(results), items_per_update):
        outstanding = {result.entry_id: result for result in results[start : start + items_per_update]}
        for attempt in range(ATTEMPTS):
            if attempt:
                await clock.sleep(attempt)
            answer = await pleo.update_items(job_id, [_update(result) for result in outstanding.values()])
            refused = {error.accounting_entry_id for error in answer.errors}
            for item in answer.data:
                result = outstanding.get(item.accounting_entry_id)
                if result is not None and item.accounting_entry_id not in refused and item.status == _status(result):
                    acknowledged(outstanding.pop(item.accounting_entry_id))
                    metrics.ITEMS.labels(str(item.status), str(result.reason or "")).inc()
            if not outstanding:
                break
        else:
            reasons = {error.accounting_entry_id: f"{error.type} {error.message}".strip() for error in answer.errors}
            named = "; ".join(
                f"{entry_id}: {reasons.get(entry_id, 'no answer for it')}" for entry_id in list(outstanding)[:3]
            )
            raise ItemUpdateNotAcknowledged(
                f"Pleo did not take the result of {len(outstanding)} items of job {job_id} ({named}); "
                "the job stays in progress, run again to report them"
            )


class OpenItems(Protocol):
    """The items of a job that have no result at Pleo yet."""

    def __contains__(self, entry_id: object) -> bool:
        """Whether an entry has none."""

    def settle(self, result: ItemResult) -> None:
        """Take note that Pleo acknowledged a result."""

    def first(self, count: int) -> list[str]:
        """Name up to `count` of them."""


class Reporter:
    """Reports on one job, one update at a time, and gives signs of life when an update is long in coming.

    `known` are results that are certain and not sent yet; a sign of life sends them, or says of one entry that it is
    in progress.
    """

    def __init__(
        self,
        pleo: PleoClient,
        clock: Clock,
        job_id: str,
        deadline: Deadline,
        *,
        items_per_update: int,
        quiet_s_max: float,
    ) -> None:
        self.deadline, self.known = deadline, list[ItemResult]()
        self._pleo, self._clock, self._job_id = pleo, clock, job_id
        self._items_per_update, self._quiet_s_max = items_per_update, quiet_s_max
        self._sending = asyncio.Lock()

    async def report(self, items: OpenItems, results: Sequence[ItemResult]) -> None:
        """Send results of open items until Pleo has acknowledged them all.

        Repeat: safe; what is acknowledged is not sent again.
        Raises:
            JobOver: the job's deadline has passed, and it is final.
            As `update_items`.
        """
        async with self._sending:
            await self._report([result for result in results if result.entry_id in items], items)

    @asynccontextmanager
    async def kept_alive(self, items: Callable[[], OpenItems | None]) -> AsyncIterator[None]:
        """Inside, let no more than `quiet_s_max` seconds pass without an update, however long the work takes.

        `items` gives the open items once they are known.
        """
        ended = asyncio.Event()
        watch = asyncio.create_task(self._keep_alive(items, ended))
        try:
            yield
        except asyncio.CancelledError:
            watch.cancel()
            raise
        finally:
            ended.set()  # no cancellation otherwise: an update cut off on its way might overtake a later one
            (fault,) = await asyncio.gather(watch, return_exceptions=True)
            if isinstance(fault, Exception):
                raise fault

    async def _keep_alive(self, items: Callable[[], OpenItems | None], ended: asyncio.Event) -> None:
        wait_s = self._quiet_s_max - self.deadline.quiet_s
        while True:
            try:
                async with asyncio.timeout(max(wait_s, 0)):
                    await ended.wait()
                    return
            except TimeoutError:
                pass
            wait_s = self._quiet_s_max - self.deadline.quiet_s
            if wait_s > 0 or (open_items := items()) is None:
                wait_s = max(wait_s, 1.0)
                continue
            try:
                async with self._sending:
                    await self._give_sign_of_life(open_items)
                wait_s = self._quiet_s_max
            except TallybookError as error:  # whoever reports next meets the same, and says so
                log.warning("no_sign_of_life", job_id=self._job_id, why=logs.told(error))
                wait_s = KEPT_ALIVE_AGAIN_S

    async def _give_sign_of_life(self, items: OpenItems) -> None:
        await self.deadline.require_open()
        known = [result for result in self.known if result.entry_id in items]
        if known:
            await self._report(known, items)
        elif first := items.first(1):
            await self._pleo.update_items(
                self._job_id, [ItemUpdate(accounting_entry_id=first[0], status=ItemStatus.IN_PROGRESS)]
            )
            self.deadline.acted()
        log.info("sign_of_life", job_id=self._job_id, results=len(known))

    async def _report(self, results: Sequence[ItemResult], items: OpenItems) -> None:
        if not results:
            return
        await self.deadline.require_open()
        await update_items(
            self._pleo,
            self._clock,
            self._job_id,
            results,
            items_per_update=self._items_per_update,
            acknowledged=items.settle,
        )
        self.deadline.acted()


def _status(result: ItemResult) -> ItemStatus:
    return ItemStatus.SUCCESSFUL if result.successful else ItemStatus.FAILED


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _update(result: ItemResult) -> ItemUpdate:
    return ItemUpdate(
        accounting_entry_id=result.entry_id,
        status=_status(result),
        external_id=result.external_id,
        external_url=result.external_url,
        exported_at=_instant(result.exported_at) if result.exported_at else None,
        failure_reason=result.text,
        failure_reason_type=result.reason,
    )
