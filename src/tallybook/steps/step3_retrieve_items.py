"""Step 3: retrieve the control list of a job: which entries are in it, and which are done already.

Source: Pleo guide "Retrieve export job items".
"""

from uuid import UUID

from tallybook.outcome import ItemResult, Tally
from tallybook.pleo.client import PleoClient
from tallybook.pleo.models import FINAL_ITEM_STATUSES

READINGS = 2


class Worklist:
    """The entries of a job that still need a result, in Pleo's order, and the tally of those that have one.

    Ids are held as 16 bytes each, so that a job of 100,000 items fits in a few megabytes.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self._open: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, entry_id: object) -> bool:
        return UUID(str(entry_id)).bytes in self._open

    def add(self, entry_id: str) -> None:
        """List an entry that needs a result."""
        self._open[UUID(entry_id).bytes] = None

    def settle(self, result: ItemResult) -> None:
        """Take an entry off the list, its result having been acknowledged by Pleo.

        Repeat: an entry that is off the list is not counted again.
        """
        key = UUID(result.entry_id).bytes
        if key in self._open:
            del self._open[key]
            self.tally.add_result(result)

    def first(self, count: int) -> list[str]:
        """Return up to `count` entry ids that still need a result."""
        return [str(UUID(bytes=key)) for key, _ in zip(self._open, range(count), strict=False)]


async def worklist(pleo: PleoClient, job_id: str, *, page_size: int, announced: int = 0) -> Worklist:
    """Read all pages of the control list before anything is recorded.

    A list shorter than the number of items the job `announced` is read once more, and what either reading shows
    counts: an entry that is hidden while the list shifts would be neither booked nor reported.

    Repeat: safe; after a killed run it shows what that run had reported, and only the rest is done.
    Raises:
        PleoError: Pleo did not answer, or refused.
    """
    found = Worklist()
    seen: set[bytes] = set()
    for _ in range(READINGS):
        async for item in pleo.job_items(job_id, page_size=page_size):
            key = UUID(item.accounting_entry_id).bytes
            if key in seen:  # a list that shifts while it is paged may show an entry twice
                continue
            seen.add(key)
            if item.status in FINAL_ITEM_STATUSES:
                found.tally.add_item(item)
            else:
                found.add(item.accounting_entry_id)
        if len(seen) >= announced:
            break
    return found
