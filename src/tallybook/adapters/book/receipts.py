"""The files that belong to entries: kept beside the book by their sha256, each content once.

`<book>.files/ab/abcdef...` holds a file whose name is its content. A file is complete before it has its name (written
under another, synced, renamed), and has its name before the book speaks of it, so the book never names a file that is not there.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tallybook.accounting.entry import Attachment, Recorded
from tallybook.accounting.errors import AttachmentNotStored, AttachmentUnavailable, EntryRefused
from tallybook.accounting.system import Refused
from tallybook.adapters.book.database import BookFile, Counts
from tallybook.adapters.book.reading import stored

CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of a book's receipts."""

    folder: Path

    @classmethod
    def beside(cls, book: Path) -> "Store":
        """The store of a book: `company.tallybook` has `company.tallybook.files`."""
        return cls(book.with_name(book.name + ".files"))

    def path(self, sha256: str) -> Path:
        """Where a content is, or would be."""
        return self.folder / sha256[:2] / sha256

    def keep(self, files: Sequence[Attachment], counts: Counts) -> dict[str, EntryRefused]:
        """Take copies of files; answers by sha256 for those that could not be taken.

        All are written first, then synced, then named, then each folder synced once.

        Repeat: safe; a content that is there already is not written again.
        Raises:
            OSError: the store itself cannot be written.
        """
        refused: dict[str, EntryRefused] = {}
        waiting: dict[str, Path] = {}
        created: set[Path] = set()
        try:
            for file in files:
                if file.sha256 in waiting or file.sha256 in refused or self._has(file):
                    continue
                try:
                    waiting[file.sha256] = self._copy(file, created)
                except EntryRefused as error:
                    refused[file.sha256] = error
            for unnamed in waiting.values():
                with unnamed.open("rb") as copy:
                    sync(copy.fileno(), counts)
            for sha256, unnamed in waiting.items():
                unnamed.replace(self.path(sha256))
        except BaseException:
            for unnamed in waiting.values():
                unnamed.unlink(missing_ok=True)
            raise
        for folder in sorted({self.path(sha256).parent for sha256 in waiting} | created):
            sync_folder(folder, counts)
        return refused

    def _has(self, file: Attachment) -> bool:
        with suppress(OSError):
            return self.path(file.sha256).stat().st_size == file.size_bytes
        return False

    def _copy(self, file: Attachment, created: set[Path]) -> Path:
        """Copy to a file without its final name, checking what is copied; the whole is never in memory."""
        for folder in (self.folder, self.path(file.sha256).parent):
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                created.add(folder.parent)
        try:
            source = file.path.open("rb")
        except OSError as error:
            raise AttachmentUnavailable(
                f"The file at position {file.position} is not there to be stored ({error.strerror})"
            ) from error
        unnamed = self.folder / f".{secrets.token_hex(16)}.part"
        digest, size_bytes = hashlib.sha256(), 0
        try:
            with source, unnamed.open("xb") as copy:
                while chunk := _chunk(source, file):
                    digest.update(chunk)
                    size_bytes += len(chunk)
                    copy.write(chunk)
                os.fchmod(copy.fileno(), 0o444)  # the content is the name; nobody edits it in place
            if digest.hexdigest() != file.sha256 or size_bytes != file.size_bytes:
                raise AttachmentNotStored(
                    f"The file at position {file.position} is not the one announced: {size_bytes} bytes with sha256 "
                    f"{digest.hexdigest()} instead of {file.size_bytes} bytes with {file.sha256}"
                )
        except BaseException:
            unnamed.unlink(missing_ok=True)
            raise
        return unnamed


def _chunk(source: BinaryIO, file: Attachment) -> bytes:
    try:
        return source.read(CHUNK_BYTES)
    except OSError as error:
        raise AttachmentUnavailable(
            f"The file at position {file.position} cannot be read ({error.strerror})"
        ) from error


def sync(descriptor: int, counts: Counts) -> None:
    """Bring a file or folder to the disk itself.

    Repeat: safe.
    """
    counts.file_syncs += 1
    # macOS: fsync leaves the data in the disk's cache. Source: man 2 fsync (Darwin)
    if (past_the_cache := getattr(fcntl, "F_FULLFSYNC", None)) is not None:
        with suppress(OSError):  # some file systems do not know it
            fcntl.fcntl(descriptor, past_the_cache)
            return
    os.fsync(descriptor)


def sync_folder(folder: Path, counts: Counts) -> None:
    """Make the names in a folder last.

    Repeat: safe.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(descriptor, counts)
    finally:
        os.close(descriptor)


def attach(file: BookFile, files: Sequence[tuple[Recorded, Attachment]]) -> list[Refused]:
    """Store files with their entries, in one transaction; answers those not taken.

    Repeat: safe; a file is known by entry, position and sha256.
    """
    if not files:
        return []
    refused: list[Refused] = []
    unkept = Store.beside(file.path).keep([attachment for _, attachment in files], file.counts)
    rows = []
    with file.writing():
        there = stored(file, [recorded.key for recorded, _ in files], None)
        for recorded, attachment in files:
            found = there.get(recorded.key)
            if found is None:
                error: EntryRefused = AttachmentNotStored(f"The book has no entry {recorded.key.entry_id}")
                refused.append(Refused(recorded.key, error))
            elif attachment.sha256 in unkept:
                refused.append(Refused(recorded.key, unkept[attachment.sha256]))
            else:
                rows.append(
                    (found.row, attachment.position, attachment.sha256, attachment.media_type, attachment.size_bytes)
                )
        if rows:
            file.executemany("INSERT INTO attachments VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
    return refused
