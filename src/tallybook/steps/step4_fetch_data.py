"""Step 4: fetch the accounting content of a job page by page and join it to the control list.

Source: Pleo guide "Fetch export item data".
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from tallybook.accounting.errors import EntryInvalid
from tallybook.bookkeeping.content_hash import content_hash
from tallybook.outcome import ItemResult, failed
from tallybook.pleo.client import PleoClient
from tallybook.pleo.errors import PleoAnswerUnreadable
from tallybook.pleo.models import ExportItem, UnreadableItem
from tallybook.pleo.pages import PAGES_MAX


@dataclass(frozen=True, slots=True)
class DataPage:
    """A page joined to the control list: what to record, what failed already, and where the next page begins."""

    items: tuple[ExportItem, ...]
    failed: tuple[ItemResult, ...]
    next_cursor: str | None  # None: this was the last page


async def fetch(
    pleo: PleoClient, job_id: str, *, company_id: str, after: str | None, page_size: int, wanted: Container[str]
) -> DataPage:
    """Fetch one page and keep what the control list wants; receipts' links are 24 hours valid from now.

    An entry that is not on the list is not ours to book and is left out. An entry listed twice in the page is
    taken once, unless its two versions differ. One unreadable row spoils no other.

    Repeat: safe.
    Raises:
        JobStatusUnprocessable: the job is final; nothing more can be read.
        PleoError: Pleo did not answer, or refused.
    """
    page = await pleo.list_export_items(job_id=job_id, after=after, limit=page_size)
    items: dict[str, ExportItem] = {}
    faults: dict[str, ItemResult] = {}
    for row in page.rows:
        entry_id = row.accounting_entry_id
        if entry_id is None or entry_id not in wanted:
            continue
        if isinstance(row, UnreadableItem):
            faults[entry_id] = failed(
                entry_id,
                EntryInvalid(
                    f"Pleo sent this entry in a form that cannot be read ({row.problem}); export it again, "
                    "or ask Pleo's support"
                ),
            )
        elif row.company_id != company_id:
            faults[entry_id] = failed(
                entry_id,
                EntryInvalid(f"Pleo sent this entry for another company ({row.company_id}); ask Pleo's support"),
            )
        elif entry_id in items and content_hash(items[entry_id]) != content_hash(row):
            faults[entry_id] = failed(
                entry_id, EntryInvalid("Pleo sent this entry twice with different content; export it again")
            )
        else:
            items[entry_id] = row
    return DataPage(
        items=tuple(item for entry_id, item in items.items() if entry_id not in faults),
        failed=tuple(faults.values()),
        next_cursor=page.info.end_cursor if page.info.has_next_page else None,
    )


def go_on_at(cursor: str, passed: set[str]) -> None:
    """Note where the next page begins, and refuse to go round in circles.

    Raises:
        PleoAnswerUnreadable: a cursor came back a second time, or the list has no end.
    """
    if cursor in passed or len(passed) >= PAGES_MAX:
        raise PleoAnswerUnreadable(
            f"Pleo's list of export items goes round in circles after {len(passed) + 1} pages; ask Pleo's support"
        )
    passed.add(cursor)


def without_data(entry_ids: Sequence[str]) -> list[ItemResult]:
    """Results for listed entries whose content never came: failed, so that none is lost.

    Repeat: safe.
    """
    error = EntryInvalid("Pleo lists this entry in the export job but sent no data for it; export it again")
    return [failed(entry_id, error) for entry_id in entry_ids]
