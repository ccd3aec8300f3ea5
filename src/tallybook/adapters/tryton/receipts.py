"""Receipts: attachments of the first document of an entry, each known by its position and sha256."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from tallybook.accounting.entry import Attachment
from tallybook.accounting.errors import AttachmentNotStored, AttachmentUnavailable, EntryRefused
from tallybook.adapters.tryton.rpc import Refused, Session, Upload, Warned

_NOTE = re.compile(r"tallybook receipt (\d+) ([0-9a-f]{64})(?: from ([0-9a-f]{64}))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ENDINGS = {
    "application/pdf": "pdf",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "image/heic": "heic",
}
_CHUNK_BYTES = 1 << 18


async def attached(session: Session, references: Sequence[str]) -> dict[str, set[tuple[int, str]]]:
    """Say which receipts records such as account.move,5 have, as (position, sha256).

    Repeat: safe.
    """
    if not references:
        return {}
    rows = await session.call(
        "model.ir.attachment.search_read",
        [["resource", "in", list(references)], ["description", "like", "tallybook receipt %"]],
        0, None, None, ["resource", "description"],
    )  # fmt: skip
    found: dict[str, set[tuple[int, str]]] = {}
    for row in rows:
        note = _NOTE.match(row["description"] or "")
        if note is not None:
            digests = [digest for digest in note.group(2, 3) if digest]
            found.setdefault(row["resource"], set()).update((int(note[1]), digest) for digest in digests)
    return found


async def attach(session: Session, reference: str, file: Attachment) -> EntryRefused | None:
    """Store a file with a record; None when it is stored.

    Repeat: stores it again; `attached` tells what is there.
    Raises:
        AccountingError: Tryton could not be asked; the file may be stored.
    """
    try:
        await asyncio.to_thread(_check, file)
        await session.create_with_file(
            "ir.attachment",
            {
                "name": f"receipt-{file.position}.{_ENDINGS.get(file.media_type, 'bin')}",
                "type": "data",
                "resource": reference,
                "description": f"tallybook receipt {file.position} {file.sha256}{_origin(file)}",
            },
            "data",
            Upload(file.path, file.size_bytes),
        )
    except EntryRefused as error:
        return error
    except OSError as error:
        return AttachmentUnavailable(f"The file at position {file.position} cannot be read ({error.strerror or error})")
    except (Refused, Warned) as error:
        return AttachmentNotStored(f"Tryton did not take the file at position {file.position}: {error}")
    return None


def _origin(file: Attachment) -> str:
    original = file.original_sha256
    return f" from {original}" if original is not None and _SHA256.fullmatch(original) else ""


def _check(file: Attachment) -> None:
    """See that a file is the one announced, before any of it is sent."""
    if not _SHA256.fullmatch(file.sha256):
        raise AttachmentNotStored(f"The file at position {file.position} has no sha256: {file.sha256[:80]!r}")
    sha256, size_bytes = _digest(file.path)
    if (sha256, size_bytes) != (file.sha256, file.size_bytes):
        raise AttachmentNotStored(
            f"The file at position {file.position} is not the one announced: {size_bytes} bytes with sha256 {sha256} "
            f"instead of {file.size_bytes} bytes with {file.sha256}"
        )


def _digest(path: Path) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes
