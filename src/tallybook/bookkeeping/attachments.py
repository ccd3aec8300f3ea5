"""Attachments: which files of an item are to be fetched."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from tallybook.accounting.errors import AttachmentTooLarge, AttachmentUnavailable, EntryRefused, EntrySettingInvalid
from tallybook.bookkeeping.rules import AttachmentRule, Rules
from tallybook.pleo.models import ItemFile


@dataclass(frozen=True, slots=True)
class FileToFetch:
    """One file of an item, as Pleo declares it; what it really is shows when it is there.

    `position` is its place in Pleo's list, from 1; a place Pleo left empty is counted, so that a file keeps its own.
    """

    position: int
    url: str
    declared_type: str | None
    declared_size_bytes: int | None


def files_to_fetch(
    files: Sequence[ItemFile | None] | None, rules: Rules
) -> tuple[tuple[FileToFetch, ...], tuple[str, ...]]:
    """Choose the files to fetch, in Pleo's order, and note in a sentence each that is left out.

    Raises:
        AttachmentTooLarge: under `required`, a file declares more bytes than allowed.
        AttachmentUnavailable: under `required`, a file has no link.
        EntrySettingInvalid: under `required`, there are files and the accounting system keeps none.
    Source: docs/decisions.md 21; Pleo guide "Attachment handling".
    """
    chosen: list[FileToFetch] = []
    notes: list[str] = []
    if rules.attachments is AttachmentRule.NONE:
        return (), ()
    for position, file in enumerate(files or (), start=1):
        if file is None:
            continue
        obstacle = _obstacle(file, position, rules)
        if obstacle is None:
            size = file.size if file.size is not None and file.size >= 0 else None
            chosen.append(FileToFetch(position, file.url, file.type, size))
        elif rules.attachments is AttachmentRule.BEST_EFFORT:
            notes.append(str(obstacle))
        else:
            raise obstacle
    return tuple(chosen), tuple(notes)


def files_missing(
    files: Sequence[FileToFetch], attached: Container[int], files_max: int | None
) -> tuple[FileToFetch, ...]:
    """Choose what to fetch for an entry that is in the books, by the positions of the files that are there.

    Where there are more files than the accounting system takes for an entry, they were merged, and only when they
    are merged again does it show whether the result is there: then all are fetched, unless each one is there.

    Source: docs/decisions.md 21.
    """
    missing = tuple(file for file in files if file.position not in attached)
    merged = files_max is not None and len(files) > files_max
    return tuple(files) if merged and missing else missing


def _obstacle(file: ItemFile, position: int, rules: Rules) -> EntryRefused | None:
    if not rules.attachments_supported:
        return EntrySettingInvalid(
            f"Attachment {position} cannot be stored, since the accounting system keeps no files; "
            'set books.attachments = "best_effort" or "none" in the settings of Tallybook.'
        )
    if not file.url.strip():
        return AttachmentUnavailable(f"Attachment {position} has no link; add the receipt again in Pleo.")
    if file.size is not None and file.size > rules.attachment_size_bytes_max:
        limit = rules.attachment_size_bytes_max
        size = str(file.size) if file.size < 10**15 else "more than 10^15"
        return AttachmentTooLarge(
            f"Attachment {position} has {size} bytes, but at most {limit} are allowed; add a smaller file in Pleo."
        )
    return None
