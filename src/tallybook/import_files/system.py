"""Books that are read by another accounting system: entries go into the embedded book, then into import files.

The book is the truth, and says which entry went into which set of files. So a run that is killed loses nothing: an
entry that was settled waits in the book, a set that has its number is written until it is there, and nothing is in two.
"""

import asyncio
import errno
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from tallybook.accounting import registry
from tallybook.accounting.entry import Attachment, Entry, EntryKey, Held, Recorded, Reversal
from tallybook.accounting.errors import (
    AccountingNotAuthorized,
    AccountingSettingInvalid,
    AccountingTimeout,
    AccountingUnreachable,
    AttachmentNotStored,
    EntryInvalid,
    EntryRefused,
)
from tallybook.accounting.handover import ImportSet, Ledger, Names
from tallybook.accounting.reversing import reversed_entry
from tallybook.accounting.system import Need, ReferenceData, Refused
from tallybook.clock import Clock, SystemClock
from tallybook.errors import SettingsError
from tallybook.import_files.format import Format
from tallybook.import_files.set_folder import SetFolder
from tallybook.import_files.settings import FileSettings
from tallybook.money import MoneyError

Answer = TypeVar("Answer")

ENTRIES_AT_ONCE = 200  # read from the book and written, so that a set of any size costs no more memory
_LOOK_AGAIN_S = 0.2


class FileBooks:
    """An `AccountingSystem` that hands entries over (`HandsOver`) in import files of one format."""

    def __init__(self, form: Format, settings: FileSettings, book: Ledger, clock: Clock) -> None:
        self.form, self.settings = form, settings
        self.capabilities = replace(book.capabilities, hands_over=True)
        self._book, self._clock = book, clock
        self.hand_overs = book.hand_overs(form.name)

    async def check_ready(self, need: Need) -> None:
        """Find out whether a job could be recorded and handed over now; reads only.

        Repeat: safe.
        Raises:
            AccountingError: as the book says; or the format cannot hold this book, or files cannot be written.
        """
        await self._book.check_ready(need)
        self.form.check_books(await self.hand_overs.names())
        await asyncio.to_thread(_check_writable, self.settings.import_dir)

    async def reference_data(self) -> ReferenceData:
        """Read what the book knows. Repeat: safe."""
        return await self._book.reference_data()

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        """Say which of these entries are in the book. Repeat: safe."""
        return await self._book.find(keys)

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        """Record entries in the book, but for those that the import file could not hold.

        Repeat: a key already in the book is not written again; its `Recorded` is returned as it stands.
        """
        there = await self._book.find([entry.key for entry in entries])
        refused = {
            entry.key: refusal
            for entry in entries
            if entry.key not in there and (refusal := self._refusal(entry)) is not None
        }
        recorded = iter(await self._book.record([entry for entry in entries if entry.key not in refused]))
        return [refused.get(entry.key) or next(recorded) for entry in entries]

    def _refusal(self, entry: Entry) -> Refused | None:
        try:
            self.form.check(entry)
        except EntryRefused as error:
            return Refused(entry.key, error)
        except MoneyError as error:  # a currency nobody knows: the book would refuse it too
            return Refused(entry.key, EntryInvalid(str(error)))
        return None

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        """Store files with their entries in the book; an entry that was handed over takes none any more.

        Repeat: safe; a file is known by entry, position and sha256.
        """
        gone = await self.hand_overs.handed_over([recorded.key for recorded, _ in files])
        late = {
            recorded.key: Refused(
                recorded.key,
                AttachmentNotStored(
                    f"{recorded.external_id} was handed over in the {self.form.name} files number "
                    f"{gone[recorded.key]} already, without attachment {file.position}; add it there by hand"
                ),
            )
            for recorded, file in files
            if gone.get(recorded.key) is not None and not file.is_among(recorded.attached)
        }
        return [*late.values(), *await self._book.attach([pair for pair in files if pair[0].key not in late])]

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        """Finalise entries in the book. Repeat: safe; a posted entry stays as it is."""
        return await self._book.post(entries)

    async def reverse(self, reversals: Sequence[Reversal]) -> Sequence[Recorded | Refused]:
        """Reverse entries in the book, but for those whose reversal the import file could not hold.

        What was handed over is followed by its reversal.

        Repeat: as `record`.
        """
        refused = await self._refused_reversals(reversals)
        made = iter(await self._book.reverse([each for each in reversals if each.key not in refused]))
        return [refused.get(each.key) or next(made) for each in reversals]

    async def _refused_reversals(self, reversals: Sequence[Reversal]) -> dict[EntryKey, Refused]:
        originals = {each.entry.key: each.entry for each in await self.hand_overs.booked([r.of.key for r in reversals])}
        return {
            each.key: refusal
            for each in reversals
            if (original := originals.get(each.of.key)) is not None
            and (refusal := self._refusal(reversed_entry(original, each))) is not None
        }

    async def rehearse(self, entries: Sequence[Entry]) -> Sequence[Refused]:
        """Say what the import file could not hold, and what the book would refuse. Repeat: safe."""
        refused = {entry.key: refusal for entry in entries if (refusal := self._refusal(entry)) is not None}
        return [*refused.values(), *await self._book.rehearse([e for e in entries if e.key not in refused])]

    async def rehearse_reversals(self, reversals: Sequence[Reversal]) -> Sequence[Refused]:
        """Say which reversals the import file could not hold, or the book would refuse. Repeat: safe."""
        refused = await self._refused_reversals(reversals)
        asked = [each for each in reversals if each.key not in refused]
        return [*refused.values(), *await self._book.rehearse_reversals(asked)]

    async def read_back(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Held]:
        """Read what the book holds. Repeat: safe."""
        return await self._book.read_back(keys)

    async def settle(self, entries: Sequence[Recorded]) -> Sequence[Refused]:
        """Let complete entries wait for the next set; returns those the import file cannot hold.

        Repeat: safe; an entry that was handed over is not handed over again.
        """
        keys = [entry.key for entry in entries]
        known = await self.hand_overs.handed_over(keys)
        new = await self.hand_overs.booked([key for key in keys if key not in known])
        refused = {booked.entry.key: refusal for booked in new if (refusal := self._refusal(booked.entry)) is not None}
        await self.hand_overs.wait([key for key in keys if key not in refused])
        return list(refused.values())

    async def handed_over(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, str | None]:
        """Say in which set entries were handed over. Repeat: safe."""
        known = await self.hand_overs.handed_over(keys)
        return {
            key: None if number is None else f"the {self.form.name} files number {number}"
            for key, number in known.items()
        }

    async def finish(self, company_id: str, job_id: str) -> None:
        """Hand over everything that waits, and write the files that are missing.

        Repeat: safe; nothing is handed over twice.
        Raises:
            AccountingError: the files cannot be written; what waits goes on waiting.
        """
        await self.hand_overs.assign(company_id, job_id, self._clock.now(), self.form.period_of)
        await self.write_missing(company_id)

    async def again(self, number: int, reason: str) -> ImportSet:
        """Write the entries of an earlier set into a new one.

        Repeat: makes one more.
        Raises:
            SettingsError: there is no such set.
            AccountingError: the files cannot be written.
        """
        made = await self.hand_overs.again(number, self._clock.now(), reason)
        await self.write_missing(made.company_id)
        return made

    async def write_missing(self, company_id: str) -> None:
        """Write the files of every set that is not on disk yet.

        Repeat: safe; a set that is on disk is left alone.
        Raises:
            AccountingError: the folder cannot be written, or something else is in it under a set's name.
        """
        if all(made.sha256 for made in await self.hand_overs.sets(company_id)):
            return
        names = await self.hand_overs.names()
        async with self._alone():
            for made in await self.hand_overs.sets(company_id):
                if made.sha256 is None:
                    await self.hand_overs.written(made.number, await self._write(made, names))

    async def _write(self, made: ImportSet, names: Names) -> str:
        folder = SetFolder(
            self.settings.import_dir, self.form, made, zip_size_bytes_max=self.settings.receipts_size_bytes_max
        )
        earlier = await self._in_thread(folder.earlier)
        if earlier is not None:
            return earlier
        keys = await self.hand_overs.keys_of(made.number)
        writing = await self._in_thread(partial(folder.begin, names))
        try:
            for start in range(0, len(keys), ENTRIES_AT_ONCE):
                entries = await self.hand_overs.booked(keys[start : start + ENTRIES_AT_ONCE])
                await self._in_thread(partial(writing.add, entries))
            return await self._in_thread(writing.publish)
        except BaseException:
            await asyncio.to_thread(writing.abandon)
            raise

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        with _translated(self.settings.import_dir):
            return await asyncio.to_thread(work)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Be the only one who writes sets into the folder; the lock goes with the process that holds it."""
        folder = self.settings.import_dir
        with _translated(folder):
            await asyncio.to_thread(lambda: folder.mkdir(parents=True, exist_ok=True))
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            patience_ends_s = self._clock.monotonic_s() + self.settings.lock_timeout_s
            while not _locked(lock):
                if self._clock.monotonic_s() >= patience_ends_s:
                    raise AccountingTimeout(f"Another program is writing import files into {folder}; try again later")
                await self._clock.sleep(_LOOK_AGAIN_S)
            yield
        finally:
            os.close(lock)

    async def aclose(self) -> None:
        """Give the book back. Repeat: safe."""
        await self._book.aclose()


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _check_writable(folder: Path) -> None:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise AccountingSettingInvalid(f"Import files cannot be put into {folder}: {place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise AccountingNotAuthorized(f"Import files cannot be put into {folder}: no right to write in {place}")


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Turn what the system says of files into an AccountingError."""
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise AccountingNotAuthorized(f"Import files: no right to use {place} ({error.strerror})") from error
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise AccountingUnreachable(f"Import files: the disk is full at {place}; make room there") from error
        raise AccountingUnreachable(f"Import files: {place} cannot be used ({error.strerror or error})") from error


def open_file_books(form: Format, settings: FileSettings, clock: Clock | None = None) -> FileBooks:
    """Open the embedded book for a format of import files; the book's file is touched by the first call.

    Repeat: safe.
    Raises:
        SettingsError: the book's settings are wrong, or there is no book to be had.
    """
    book = registry.adapter("book").open(settings.book_section())
    if not isinstance(book, Ledger):
        raise SettingsError([f"books.{form.name}: the adapter `book` that is installed cannot hand entries over"])
    return FileBooks(form, settings, book, clock or SystemClock())
