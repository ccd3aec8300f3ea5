"""The files that belong to entries: kept beside the book by their sha256, each content once.

`<book>.files/ab/abcdef...` holds a file whose name is its content. A file is complete before it has its name (written
under another, synced, renamed), and has its name before the book speaks of it, so the book never names a file that is
not there.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
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
_SHA256 = re.compile(r"[0-9a-f]{64}")


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

    def keep(self, files: Sequence[Attachment], counts: Counts) -> list[EntryRefused | None]:
        """Take copies of files; one answer for each in the same order, None for those that are kept now.

        All are written first, then synced, then named, then each folder synced once.

        Repeat: safe; a content that is there already is not written again.
        Raises:
            OSError: the store itself cannot be written.
        """
        answers: list[EntryRefused | None] = []
        waiting: dict[str, Path] = {}
        kept: set[str] = set()
        try:
            for file in files:
                try:
                    if file.sha256 not in waiting and not self._has(file):
                        waiting[file.sha256] = self._copy(file)
                except EntryRefused as error:
                    answers.append(error)
                else:
                    answers.append(None)
                    kept.add(file.sha256)
            self._name(waiting, counts)
        finally:
            for unnamed in waiting.values():
                unnamed.unlink(missing_ok=True)
        # Also for contents found: who wrote them may have been killed before this.
        folders = {self.path(sha256).parent for sha256 in kept}
        for folder in sorted(folders | ({self.folder, self.folder.parent} if waiting else set())):
            sync_folder(folder, counts)
        return answers

    def _name(self, waiting: Mapping[str, Path], counts: Counts) -> None:
        for unnamed in waiting.values():
            with unnamed.open("rb") as copy:
                sync(copy.fileno(), counts)
        for sha256, unnamed in waiting.items():
            unnamed.replace(self.path(sha256))

    def _has(self, file: Attachment) -> bool:
        if not _SHA256.fullmatch(file.sha256):  # it becomes a path
            raise AttachmentNotStored(
                f"The file at position {file.position} cannot be stored: {file.sha256[:80]!r} is no sha256"
            )
        with suppress(OSError):
            return self.path(file.sha256).stat().st_size == file.size_bytes
        return False

    def _copy(self, file: Attachment) -> Path:
        """Copy to a file without its final name, checking what is copied; the whole is never in memory."""
        self.path(file.sha256).parent.mkdir(parents=True, exist_ok=True)
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
            _compare(file, digest.hexdigest(), size_bytes)
        except BaseException:
            unnamed.unlink(missing_ok=True)
            raise
        return unnamed


def _compare(file: Attachment, sha256: str, size_bytes: int) -> None:
    if sha256 != file.sha256 or size_bytes != file.size_bytes:
        raise AttachmentNotStored(
            f"The file at position {file.position} is not the one announced: {size_bytes} bytes with sha256 {sha256} "
            f"instead of {file.size_bytes} bytes with {file.sha256}"
        )


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
    answers = Store.beside(file.path).keep([attachment for _, attachment in files], file.counts)
    rows = []
    with file.writing():
        there = stored(file, [recorded.key for recorded, _ in files], None)
        for (recorded, attachment), refusal in zip(files, answers, strict=True):
            found = there.get(recorded.key)
            if found is None:
                missing = AttachmentNotStored(f"The book has no entry {recorded.key.entry_id}")
                refused.append(Refused(recorded.key, missing))
            elif refusal is not None:
                refused.append(Refused(recorded.key, refusal))
            else:
                rows.append(
                    (found.row, attachment.position, attachment.sha256, attachment.media_type, attachment.size_bytes)
                )
        if rows:
            file.executemany("INSERT INTO attachments VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
    return refused
