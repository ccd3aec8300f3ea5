"""The books, asked for leave before every write: a worker that lost its lease writes no more."""

from collections.abc import Callable, Mapping, Sequence

from tallybook.accounting.entry import Attachment, Entry, EntryKey, Recorded
from tallybook.accounting.system import AccountingSystem, Need, ReferenceData, Refused


class GuardedBooks:
    """An accounting system that calls `may_write` before each write, and is otherwise as it is.

    Repeat: as the system itself.
    """

    def __init__(self, books: AccountingSystem, may_write: Callable[[], None]) -> None:
        self.capabilities = books.capabilities
        self._books, self._may_write = books, may_write

    async def check_ready(self, need: Need) -> None:
        """Find out whether a job could be recorded now. Repeat: safe."""
        await self._books.check_ready(need)

    async def reference_data(self) -> ReferenceData:
        """Read what the books know. Repeat: safe."""
        return await self._books.reference_data()

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        """Say which entries are in the books. Repeat: safe."""
        return await self._books.find(keys)

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        """Record entries, with leave. Repeat: a key in the books is not written again."""
        self._may_write()
        return await self._books.record(entries)

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        """Store files, with leave. Repeat: safe."""
        self._may_write()
        return await self._books.attach(files)

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        """Finalise entries, with leave. Repeat: safe."""
        self._may_write()
        return await self._books.post(entries)

    async def aclose(self) -> None:
        """Give back files and connections. Repeat: safe."""
        await self._books.aclose()
