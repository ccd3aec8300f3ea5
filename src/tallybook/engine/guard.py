"""The books, every call counted, and leave asked before every write: a worker that lost its lease writes no more."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from tallybook.accounting.entry import Attachment, Entry, EntryKey, Held, Recorded, Reversal
from tallybook.accounting.handover import HandsOver
from tallybook.accounting.system import (
    AccountingSystem,
    Need,
    ReadableSystem,
    ReferenceData,
    Refused,
    RehearsingReversals,
    RehearsingSystem,
    ReversingSystem,
)
from tallybook.history import recording
from tallybook.telemetry import metrics


@contextmanager
def _counted(call: str) -> Iterator[None]:
    with metrics.books_call(call), recording.books_call(call, time.monotonic):
        yield


class GuardedBooks:
    """An accounting system that calls `may_write` before each write, counts its calls, and is otherwise as it is.

    Repeat: as the system itself.
    """

    def __init__(self, books: AccountingSystem, may_write: Callable[[], None]) -> None:
        self.capabilities = books.capabilities
        self._books, self._may_write = books, may_write

    async def check_ready(self, need: Need) -> None:
        """Find out whether a job could be recorded now. Repeat: safe."""
        with _counted("check_ready"):
            await self._books.check_ready(need)

    async def reference_data(self) -> ReferenceData:
        """Read what the books know. Repeat: safe."""
        with _counted("reference_data"):
            return await self._books.reference_data()

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        """Say which entries are in the books. Repeat: safe."""
        with _counted("find"):
            return await self._books.find(keys)

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        """Record entries, with leave. Repeat: a key in the books is not written again."""
        self._may_write()
        with _counted("record"):
            return await self._books.record(entries)

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        """Store files, with leave. Repeat: safe."""
        self._may_write()
        with _counted("attach"):
            return await self._books.attach(files)

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        """Finalise entries, with leave. Repeat: safe."""
        self._may_write()
        with _counted("post"):
            return await self._books.post(entries)

    async def reverse(self, reversals: Sequence[Reversal]) -> Sequence[Recorded | Refused]:
        """Reverse entries, with leave; only for books whose capabilities say so. Repeat: as `record`."""
        self._may_write()
        with _counted("reverse"):
            return await cast("ReversingSystem", self._books).reverse(reversals)

    async def rehearse(self, entries: Sequence[Entry]) -> Sequence[Refused]:
        """Say what would be refused; only for books whose capabilities say so. Repeat: safe."""
        with _counted("rehearse"):
            return await cast("RehearsingSystem", self._books).rehearse(entries)

    async def rehearse_reversals(self, reversals: Sequence[Reversal]) -> Sequence[Refused]:
        """Say which would be refused; only for books whose capabilities say so. Repeat: safe."""
        with _counted("rehearse_reversals"):
            return await cast("RehearsingReversals", self._books).rehearse_reversals(reversals)

    async def read_back(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Held]:
        """Read what the books hold; only for books whose capabilities say so. Repeat: safe."""
        with _counted("read_back"):
            return await cast("ReadableSystem", self._books).read_back(keys)

    async def handed_over(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, str | None]:
        """Say what was handed over; only for books whose capabilities say so. Repeat: safe."""
        with _counted("handed_over"):
            return await cast("HandsOver", self._books).handed_over(keys)

    async def settle(self, entries: Sequence[Recorded]) -> Sequence[Refused]:
        """Let entries be handed over, with leave; only for books whose capabilities say so. Repeat: safe."""
        self._may_write()
        with _counted("settle"):
            return await cast("HandsOver", self._books).settle(entries)

    async def finish(self, company_id: str, job_id: str) -> None:
        """Hand over what was settled, with leave; only for books whose capabilities say so. Repeat: safe."""
        self._may_write()
        with _counted("finish"):
            await cast("HandsOver", self._books).finish(company_id, job_id)

    async def aclose(self) -> None:
        """Give back files and connections. Repeat: safe."""
        await self._books.aclose()
