"""Making an entry's files fit the accounting system: as they are where possible, converted or merged where not.

What is taken says the system; what Pleo hands over beyond that is refused in a sentence, never dropped.

Source: docs/decisions.md 21; Pleo guide "Attachment handling" (one PDF where a system takes one file).
"""

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tallybook.accounting.entry import Attachment
from tallybook.accounting.errors import AttachmentTooLarge, AttachmentUnavailable, AttachmentUnsupported, EntryRefused
from tallybook.accounting.system import Capabilities
from tallybook.documents.conversion import KINDS, Converter, Unconvertible
from tallybook.documents.orientation import UPRIGHT, orientation

PDF, JPEG, PNG, TEXT = "application/pdf", "image/jpeg", "image/png", "text/plain"
OFFICE = frozenset(
    {
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
)
USUAL = frozenset({PDF, JPEG, PNG, TEXT}) | OFFICE  # what Pleo hands over
_SUFFIXES = {PDF: ".pdf", JPEG: ".jpg", PNG: ".png"}
_INSTEAD = "add another file in Pleo and export the entry again"
_FORMS = {JPEG: "JPEG", PNG: "PNG", PDF: "PDF"}


@dataclass(frozen=True, slots=True)
class Accepted:
    """What may reach the accounting system: media types, files per entry and bytes per file; None is no limit."""

    media_types: frozenset[str] = USUAL
    files_max: int | None = None
    size_bytes_max: int | None = None


def accepted_by(system: Capabilities, *, office: bool) -> Accepted:
    """What a system takes; without `office` no Word or Excel files, even if it does."""
    types = USUAL if system.attachment_types is None else system.attachment_types
    return Accepted(
        media_types=types if office else types - OFFICE,
        files_max=system.attachments_per_entry_max,
        size_bytes_max=system.attachment_size_bytes_max,
    )


@dataclass(slots=True)
class Fitted:
    """The files to store, and why others are not among them."""

    attachments: list[Attachment] = field(default_factory=list)
    problems: list[EntryRefused] = field(default_factory=list)


class Fitting:
    """Makes files fit. Conversions run in processes of their own; a file that fits is not even opened, but a JPEG."""

    def __init__(self, accepted: Accepted, converter: Converter) -> None:
        self._accepted = accepted
        self._converter = converter

    async def fit(self, files: Sequence[Attachment], folder: Path) -> Fitted:
        """Give what to store for one entry; files that were made new lie in `folder`, named after their sha256.

        A file that fits is given back as it is. More files than the system takes become one PDF, in their order,
        and those that no PDF can hold (office files, PDFs under a password) stay beside it, if there is room.

        Repeat: safe; the same files give the same bytes.
        """
        fitted = Fitted()
        waiting: list[Attachment] = []
        for file in files:
            try:
                self._form(file)
                waiting.append(file)
            except EntryRefused as refused:
                fitted.problems.append(refused)
        files_max = self._accepted.files_max
        if files_max is not None and len(waiting) > files_max:
            waiting = await self._merged(waiting, folder, files_max, fitted)
        for file in waiting:
            try:
                fitted.attachments.append(await self._single(file, folder))
            except EntryRefused as refused:
                fitted.problems.append(refused)
        return fitted

    async def _single(self, file: Attachment, folder: Path) -> Attachment:
        form = self._form(file)
        small = file.size_bytes <= (self._accepted.size_bytes_max or file.size_bytes)
        if small and form == file.media_type and (form != JPEG or _orientation(file) == UPRIGHT):
            return file
        if form not in _FORMS or file.media_type == form == PDF:
            raise AttachmentTooLarge(
                f"Attachment {file.position} has {file.size_bytes} bytes, but the accounting system takes at most "
                f"{self._accepted.size_bytes_max}, and a file of this type is not made smaller; {_INSTEAD}"
            )
        if form == PNG and JPEG in self._accepted.media_types:
            form = JPEG  # a PNG that is too large: an image without loss is the wrong way to make it smaller
        try:
            return await self._made(form, [file], folder)
        except Unconvertible as fault:
            if small and form == file.media_type:  # a photo that cannot be turned is stored as it lies
                return file
            raise self._refused(fault) from fault

    def _form(self, file: Attachment) -> str:
        """Choose the media type a file is stored as: its own if that is taken, else the nearest that is.

        Raises:
            AttachmentUnsupported: there is none.
        """
        types = self._accepted.media_types
        kind = KINDS.get(file.media_type)
        others: tuple[str, ...] = ()
        if kind == "TEXT":
            others = (PDF,)
        elif kind == "TIFF":  # which may have pages
            others = (PDF, JPEG, PNG)
        elif kind is not None and kind != "PDF":
            others = (JPEG, PNG, PDF)
        form = next((form for form in (file.media_type, *others) if form in types), None)
        if form is None:
            by_rule = "by books.attachments_office or " if file.media_type in OFFICE else ""
            raise AttachmentUnsupported(
                f"Attachment {file.position} is of the type {file.media_type}, which is not let through "
                f"{by_rule}by the accounting system; {_INSTEAD}"
            )
        return form

    async def _merged(
        self, files: Sequence[Attachment], folder: Path, files_max: int, fitted: Fitted
    ) -> list[Attachment]:
        """Make one PDF of all files it can hold; gives it and the files beside it, as many as there is room for."""
        together = [file for file in files if file.media_type in KINDS and PDF in self._accepted.media_types]
        why = {file.position: "cannot be part of a PDF" for file in files if file not in together}
        made: list[Attachment] = []
        while len(together) > 1 and not made:
            try:
                made = [await self._made(PDF, together, folder)]
            except Unconvertible as fault:
                if fault.too_large:
                    fitted.problems.append(self._refused(fault))
                    return []
                why[fault.position] = fault.sentence
                together = [file for file in together if file.position != fault.position]
        made = made or together
        beside = [file for file in files if file.position in why]
        room = files_max - len(made)
        fitted.problems += [
            AttachmentUnsupported(
                f"Attachment {file.position} {why[file.position]}, and the accounting system takes only {files_max} "
                f"of the {len(files)} files of this entry, as files of their own; {_INSTEAD}"
            )
            for file in beside[room:]
        ]
        return [*made, *beside[:room]]

    async def _made(self, into: str, files: Sequence[Attachment], folder: Path) -> Attachment:
        """Convert files and put the result under its sha256."""
        identity = files[0].sha256 if len(files) == 1 else _identity(files)
        try:
            with _part_file(folder) as part:
                await self._converter.convert(files, _FORMS[into], part, size_bytes_max=self._accepted.size_bytes_max)
                path, sha256, size_bytes = await asyncio.to_thread(_named, part, _SUFFIXES[into])
        except OSError as error:
            raise AttachmentUnavailable(
                f"Attachment {files[0].position} could not be converted on this machine ({error.strerror}); "
                "make room in the temporary directory"
            ) from error
        return Attachment(files[0].position, path, into, sha256, size_bytes, original_sha256=identity)

    def _refused(self, fault: Unconvertible) -> EntryRefused:
        if fault.too_large:
            return AttachmentTooLarge(
                f"Attachment {fault.position} {fault.sentence}, but the accounting system takes at most "
                f"{self._accepted.size_bytes_max}; {_INSTEAD}"
            )
        return AttachmentUnsupported(f"Attachment {fault.position} {fault.sentence}; {_INSTEAD}")


def _orientation(file: Attachment) -> int:
    """Read which way up a JPEG is; a file that is gone is said so by whoever stores it."""
    try:
        return orientation(file.path)
    except OSError:
        return UPRIGHT


def _identity(files: Sequence[Attachment]) -> str:
    listed = "".join(f"{file.position} {file.sha256}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


@contextlib.contextmanager
def _part_file(folder: Path) -> Iterator[Path]:
    """Lend a temporary file; it is gone afterwards unless it was renamed."""
    number, name = tempfile.mkstemp(prefix=".converted-", suffix=".part", dir=folder)
    os.close(number)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _named(part: Path, suffix: str) -> tuple[Path, str, int]:
    """Rename a file after its SHA-256; gives its new path, the SHA-256, and its size in bytes."""
    with part.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    path = part.replace(part.with_name(f"{sha256}{suffix}"))
    return path, sha256, path.stat().st_size
