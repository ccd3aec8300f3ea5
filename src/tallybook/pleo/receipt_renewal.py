"""New links for receipts whose links have expired: Pleo is asked for the same page of export items again, once.

Source: definition `ExportItemFile` (valid for 24 hours after the item was read).
"""

import asyncio
from collections.abc import Mapping, Sequence

from tallybook.pleo.client import PleoClient
from tallybook.pleo.errors import PleoError
from tallybook.pleo.models import ExportItem, ItemFile

_Files = Mapping[str, Sequence[ItemFile | None]]


class FreshLinks:
    """The links of one page of export items, as Pleo gives them when it is asked again; asked once at most.

    Pleo has no call for a single export item, so however many links of the page are dead, one call mends them all.
    """

    def __init__(self, pleo: PleoClient, job_id: str, *, after: str | None, page_size: int) -> None:
        self._pleo, self._job_id, self._after, self._page_size = pleo, job_id, after, page_size
        self._turn = asyncio.Lock()
        self._files: _Files | None = None
        self._error: PleoError | None = None

    async def link(self, entry_id: str, position: int, size_bytes: int | None) -> str | None:
        """Give a new link to a file of an entry, by its place in Pleo's list from 1 and its declared size.

        None: the entry is not on the page any more, or has another file in that place.

        Repeat: safe; gives the same link.
        Raises:
            PleoError: Pleo did not answer, or the job is final.
        """
        async with self._turn:
            if self._error is not None:
                raise self._error
            if self._files is None:
                try:
                    self._files = await self._read()
                except PleoError as error:
                    self._error = error
                    raise
        files = self._files.get(entry_id, ())
        file = files[position - 1] if position <= len(files) else None
        if file is None or size_bytes not in {None, file.size} or not file.url.strip():
            return None
        return file.url

    async def _read(self) -> _Files:
        page = await self._pleo.list_export_items(job_id=self._job_id, after=self._after, limit=self._page_size)
        return {row.accounting_entry_id: row.files or () for row in page.rows if isinstance(row, ExportItem)}
