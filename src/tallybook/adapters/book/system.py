"""The embedded book as an accounting system: asyncio outside, SQLite inside, in one thread of its own."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from tallybook.accounting.entry import Attachment, Entry, EntryKey, Held, Recorded, Reversal
from tallybook.accounting.errors import AccountingNotAuthorized, AccountingSettingInvalid, AccountingSettingMissing
from tallybook.accounting.system import Capabilities, Need, ReferenceData, Refused
from tallybook.adapters.book import reading, receipts, recording, reversing
from tallybook.adapters.book.database import BookFile, Counts, translated
from tallybook.adapters.book.handing_over import BookHandOvers, held
from tallybook.adapters.book.settings import BookSettings, read_settings
from tallybook.clock import Clock, SystemClock

Answer = TypeVar("Answer")


class Book:
    """An `AccountingSystem` kept in one SQLite file; may hold entries of several companies.

    Everything runs in one thread with one connection, so calls are taken one after the other. `counts` tells what
    they cost. A call that is cancelled goes on to its end in the thread: it is done as a whole or not at all, and
    `find` tells which.
    """

    capabilities = Capabilities(
        batch_size=100, reversals=True, rehearses=True, rehearses_reversals=True, reads_back=True
    )

    def __init__(self, settings: BookSettings, clock: Clock) -> None:
        self.settings = settings
        self.capabilities = replace(Book.capabilities, identity=str(settings.path.absolute()))
        self.counts = Counts()
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tallybook-book")
        self._file: BookFile | None = None

    async def _run(self, work: Callable[[BookFile], Answer]) -> Answer:
        def in_thread() -> Answer:
            with translated(self.settings.path):
                if self._file is None:
                    self._file = BookFile(
                        self.settings.path, lock_timeout_s=self.settings.lock_timeout_s, counts=self.counts
                    )
                return work(self._file)

        return await asyncio.get_running_loop().run_in_executor(self._thread, in_thread)

    async def check_ready(self, need: Need) -> None:
        """Find out whether a job could be recorded now; reads only.

        Repeat: safe.
        Raises:
            AccountingSettingInvalid: the file is no book or of a newer Tallybook, or the book is another company's.
            AccountingSettingMissing: the book has no account that is open.
            AccountingUnreachable: there is no book, it is damaged, or the disk is full.
            AccountingNotAuthorized: the book or the folder of its receipts cannot be written.
            AccountingTimeout: another program keeps the book locked.
        """
        bound = self.settings.company_id
        if bound is not None and bound.casefold() != need.company_id.casefold():
            raise AccountingSettingInvalid(
                f"The book {self.settings.path} belongs to the company {bound}, and the job to {need.company_id}; "
                "correct books.book.company_id or books.book.path"
            )
        await self._run(lambda file: self._check_file(file, need))

    def _check_file(self, file: BookFile, need: Need) -> None:
        with file.writing():  # takes the lock a record needs, and writes nothing
            accounts = file.value("SELECT COUNT(*) FROM accounts WHERE open = 1")
        if not accounts:
            raise AccountingSettingMissing(
                f"The book {file.path} has no open account; add accounts with "
                f"`tallybook book init FILE.toml --book {file.path}`"
            )
        folder = receipts.Store.beside(file.path).folder
        place = folder if folder.exists() else folder.parent
        if need.attachments and not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
            raise AccountingNotAuthorized(f"Receipts cannot be stored in {folder}: no right to write there")

    async def reference_data(self) -> ReferenceData:
        """Read accounts, tax codes, dimensions, vendors and closed periods.

        Repeat: safe.
        """
        return await self._run(_reference_data)

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        """Say which of these entries are in the book.

        Repeat: safe.
        """
        wanted = set(keys)
        found = await self._run(lambda file: reading.stored(file, keys, self.settings.view_url))
        return {key: entry.recorded for key, entry in found.items() if key in wanted}

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        """Record entries as drafts in one transaction, one answer for each in the same order.

        Repeat: a key already in the book is not written again; its `Recorded` is returned as it stands.
        """
        at = self._clock.now()
        return await self._run(lambda file: recording.record(file, entries, at, self.settings.view_url))

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        """Store files with their entries, in one transaction; returns those not taken.

        Repeat: safe; a file is known by entry, position and sha256.
        """
        return await self._run(lambda file: receipts.attach(file, files))

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        """Finalise entries in one transaction, one answer for each in the same order.

        Repeat: safe; a posted entry stays as it is.
        """
        return await self._run(lambda file: recording.post(file, entries, self.settings.view_url))

    async def reverse(self, reversals: Sequence[Reversal]) -> Sequence[Recorded | Refused]:
        """Record reversals as drafts in one transaction, one answer for each in the same order.

        Repeat: a key already in the book is not written again; its `Recorded` is returned as it stands.
        """
        at = self._clock.now()
        return await self._run(lambda file: reversing.reverse(file, reversals, at, self.settings.view_url))

    async def rehearse(self, entries: Sequence[Entry]) -> Sequence[Refused]:
        """Say which of these entries the book would refuse now, and why; writes nothing.

        Repeat: safe.
        """
        return await self._run(lambda file: recording.rehearse(file, entries))

    async def rehearse_reversals(self, reversals: Sequence[Reversal]) -> Sequence[Refused]:
        """Say which of these reversals the book would refuse now, and why; writes nothing.

        Repeat: safe.
        """
        return await self._run(lambda file: reversing.rehearse_reversals(file, reversals))

    async def read_back(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Held]:
        """Read what the book holds of these entries now.

        Repeat: safe.
        """
        return await self._run(lambda file: held(file, keys))

    def hand_overs(self, system: str) -> BookHandOvers:
        """Open the account of what was handed over to a system in import files.

        Repeat: safe.
        """
        return BookHandOvers(self._run, system, self.settings.view_url)

    async def aclose(self) -> None:
        """Give the file and the thread back.

        Repeat: safe.
        """

        def close() -> None:
            if self._file is not None:
                self._file.close()
                self._file = None

        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, close)
        except RuntimeError:
            return  # the thread is gone already
        self._thread.shutdown()


def _reference_data(file: BookFile) -> ReferenceData:
    with file.reading():
        return reading.reference_data(file)


def open_book(section: Mapping[str, Any]) -> Book:
    """Open the book that the section `[books.book]` names; the file itself is touched by the first call.

    Repeat: safe.
    Raises:
        SettingsError: `problems` has one sentence for everything that is wrong with the section.
    """
    return Book(read_settings(section), SystemClock())
