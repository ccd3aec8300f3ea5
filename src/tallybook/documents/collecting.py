"""All files of one entry: downloaded, dead links renewed once, made to fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tallybook.accounting.entry import Attachment
from tallybook.bookkeeping.attachments import FileToFetch
from tallybook.documents.fitting import Fitting
from tallybook.errors import TallybookError
from tallybook.pleo.errors import ReceiptError, ReceiptLinkExpired
from tallybook.pleo.receipt_renewal import FreshLinks
from tallybook.pleo.receipts import Receipt, ReceiptDownloader


@dataclass(frozen=True, slots=True)
class Collected:
    """The files of an entry that can be stored, and for each that cannot why, in a sentence that names it."""

    attachments: tuple[Attachment, ...]
    problems: tuple[TallybookError, ...]


async def collect(
    files: Sequence[FileToFetch],
    folder: Path,
    *,
    entry_id: str,
    receipts: ReceiptDownloader,
    fitting: Fitting,
    links: FreshLinks,
    required: bool,
) -> Collected:
    """Have the files of one entry in `folder`, as the accounting system takes them.

    With `required` the first problem ends it, and no file is given.

    Repeat: safe; the same contents give the same files.
    Raises:
        PleoError: a link is dead, and Pleo does not give a new one now.
    """
    fetched: list[Attachment] = []
    problems: list[TallybookError] = []
    for file in files:
        try:
            receipt = await _fetched(file, folder, entry_id, receipts, links)
        except ReceiptError as fault:
            problems.append(type(fault)(f"Attachment {file.position}: {fault}"))
            if required:
                break
            continue
        fetched.append(
            Attachment(
                position=file.position,
                path=receipt.path,
                media_type=receipt.media_type,
                sha256=receipt.sha256,
                size_bytes=receipt.size_bytes,
            )
        )
    if required and problems:
        return Collected((), tuple(problems))
    fitted = await fitting.fit(fetched, folder)
    problems += fitted.problems
    return Collected(() if required and problems else tuple(fitted.attachments), tuple(problems))


async def _fetched(
    file: FileToFetch, folder: Path, entry_id: str, receipts: ReceiptDownloader, links: FreshLinks
) -> Receipt:
    name = f"receipt {file.position} of {entry_id}"
    try:
        return await receipts.fetch(file.url, folder, name=name)
    except ReceiptLinkExpired:
        url = await links.link(entry_id, file.position, file.declared_size_bytes)
        if url is None:
            raise
    return await receipts.fetch(url, folder, name=name)
