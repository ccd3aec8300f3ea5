"""Step 6: report every item's result to Pleo, in batches, until Pleo has acknowledged it.

Source: Pleo guide "Update export items"; definition PUT /v3/export-jobs/{jobId}/items.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tallybook.clock import Clock
from tallybook.errors import TallybookError
from tallybook.outcome import ItemResult
from tallybook.pleo.client import PleoClient
from tallybook.pleo.models import ItemStatus, ItemUpdate

# An item may come back in the `errors` of a 200; it is sent again this often, 1 s, 2 s, ... apart.
ATTEMPTS = 4


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
