"""The books, every call counted, and leave asked before every write: a worker that lost its lease writes no more."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from tallybook.accounting.entry import Attachment, Entry, EntryKey, Recorded, Reversal
from tallybook.accounting.handover import HandsOver
from tallybook.accounting.system import AccountingSystem, Need, ReferenceData, Refused, ReversingSystem
from tallybook.telemetry import metrics


class GuardedBooks:
    """An accounting system that calls `may_write` before each write, counts its calls, and is otherwise as it is.

    Repeat: as the system itself.
    """

    def __init__(self, books: AccountingSystem, may_write: Callable[[], None]) -> None:
        self.capabilities = books.capabilities
        self._books, self._may_write = books, may_write

    async def check_ready(self, need: Need) -> None:
        """Find out whether a job could be recorded now. Repeat: safe."""
        with metrics.books_call("check_ready"):
            await self._books.check_ready(need)

    async def reference_data(self) -> ReferenceData:
        """Read what the books know. Repeat: safe."""
        with metrics.books_call("reference_data"):
            return await self._books.reference_data()

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        """Say which entries are in the books. Repeat: safe."""
        with metrics.books_call("find"):
            return await self._books.find(keys)

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        """Record entries, with leave. Repeat: a key in the books is not written again."""
        self._may_write()
        with metrics.books_call("record"):
            return await self._books.record(entries)

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        """Store files, with leave. Repeat: safe."""
        self._may_write()
        with metrics.books_call("attach"):
            return await self._books.attach(files)

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        """Finalise entries, with leave. Repeat: safe."""
        self._may_write()
        with metrics.books_call("post"):
            return await self._books.post(entries)

    async def reverse(self, reversals: Sequence[Reversal]) -> Sequence[Recorded | Refused]:
        """Reverse entries, with leave; only for books whose capabilities say so. Repeat: as `record`."""
        self._may_write()
        with metrics.books_call("reverse"):
            return await cast("ReversingSystem", self._books).reverse(reversals)

    async def settle(self, entries: Sequence[Recorded]) -> Sequence[Refused]:
        """Let entries be handed over, with leave; only for books whose capabilities say so. Repeat: safe."""
        self._may_write()
        with metrics.books_call("settle"):
            return await cast("HandsOver", self._books).settle(entries)

    async def finish(self, company_id: str, job_id: str) -> None:
        """Hand over what was settled, with leave; only for books whose capabilities say so. Repeat: safe."""
        self._may_write()
        with metrics.books_call("finish"):
            await cast("HandsOver", self._books).finish(company_id, job_id)

    async def aclose(self) -> None:
        """Give back files and connections. Repeat: safe."""
        await self._books.aclose()
