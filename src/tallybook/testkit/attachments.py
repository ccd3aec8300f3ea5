"""Proofs of attachments: every file is with its entry, byte for byte, or is refused; none is dropped in silence."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tallybook.accounting.entry import Attachment, Entry, Recorded
from tallybook.accounting.errors import (
    AttachmentNotStored,
    AttachmentTooLarge,
    AttachmentUnavailable,
    AttachmentUnsupported,
)
from tallybook.accounting.system import AccountingSystem
from tallybook.testkit.bench import Bench
from tallybook.testkit.entries import Entries
from tallybook.testkit.oracle import Oracle, recorded, require_search
from tallybook.testkit.verdict import Unproven, not_applicable, require

LARGE_BYTES = 12_000_000
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\xdac\xfc\xcf\xc0P\x0f\x00\x04\x85\x01\x80\x84\xa9\x8c!\x00\x00\x00\x00IEND\xaeB`\x82"
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n%%EOF\n"
ODD_NAMES = {
    "quotes and blanks": "my 'first' \"receipt\" .pdf",
    "a formula": "=1+1;@cmd|.pdf",
    "letters of many scripts": "Öl-Rechnung 日本 чек 🧾.pdf",
    "dots and a dash": "..-rf.pdf.exe.pdf",
    "no ending": "receipt",
    "120 characters": "r" * 116 + ".pdf",
}


@dataclass
class Files:
    """Writes files to attach; each content is its own unless one is given."""

    folder: Path
    _count: int = 0

    def pdf(self, position: int = 1, name: str | None = None, size_bytes: int = 0) -> Attachment:
        """A small PDF, or one padded to a size."""
        self._count += 1
        content = PDF + f"% {self._count}\n".encode()
        return self.file(content + b" " * (size_bytes - len(content)), "application/pdf", position, name)

    def file(self, content: bytes, media_type: str, position: int = 1, name: str | None = None) -> Attachment:
        """A file of any content."""
        self._count += 1
        path = self.folder / str(self._count) / (name or f"receipt-{self._count}")
        path.parent.mkdir()
        path.write_bytes(content)
        return Attachment(position, path, media_type, hashlib.sha256(content).hexdigest(), len(content))


class AttachmentsProof:
    """`attach`."""

    async def test_several_files_of_several_entries(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """Several files, PDF and image, are each with the entry they were attached to."""
        batch = entries.batch(3)
        first, second, _ = await recorded(system, batch)
        of_first = [files.pdf(1), files.file(PNG, "image/png", 2), files.pdf(3)]
        of_second = [files.pdf(1)]
        pairs = [(first, of_first[0]), (second, of_second[0]), (first, of_first[1]), (first, of_first[2])]
        await _require_stored(system, pairs)
        await oracle.require_held(batch, files={first.key: of_first, second.key: of_second})

    async def test_attached_twice(
        self, bench: Bench, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """A file that is there is not stored again, also not by books opened anew."""
        entry = entries.entry()
        (there,) = await recorded(system, [entry])
        both = [files.pdf(1), files.pdf(2)]
        await _require_stored(system, [(there, both[0])])
        await _require_stored(system, [(there, file) for file in both])
        again = bench.adapter.open(bench.settings)
        try:
            await _require_stored(again, [(there, file) for file in both])
        finally:
            await again.aclose()
        await oracle.require_held([entry], files={there.key: both})

    async def test_find_tells_what_is_attached(self, system: AccountingSystem, entries: Entries, files: Files) -> None:
        """`find` and a repeated `record` tell position and sha256 of each file, so that only what lacks is sent."""
        require_search(system)
        entry = entries.entry()
        (there,) = await recorded(system, [entry])
        both = [files.pdf(1), files.pdf(2)]
        await _require_stored(system, [(there, file) for file in both])
        wanted = frozenset((file.position, file.sha256) for file in both)
        found = (await system.find([entry.key]))[entry.key].attached
        require(found == wanted, f"find tells of {len(found & wanted)} of 2 files")
        (again,) = await recorded(system, [entry])
        require(again.attached == wanted, f"A repeated record tells of {len(again.attached & wanted)} of 2 files")

    async def test_the_same_content_twice(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """The same bytes at two positions of an entry, and at another entry, are three files."""
        batch = entries.batch(2)
        first, second = await recorded(system, batch)
        one = files.pdf(1)
        two = replace(one, position=2)
        await _require_stored(system, [(first, one), (first, two), (second, one)])
        await oracle.require_held(batch, files={first.key: [one, two], second.key: [one]})

    async def test_a_large_file(self, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files) -> None:
        """A file of 12 MB, or as large as the books take, arrives byte for byte."""
        entry = entries.entry()
        (there,) = await recorded(system, [entry])
        large = files.pdf(size_bytes=min(LARGE_BYTES, system.capabilities.attachment_size_bytes_max or LARGE_BYTES))
        await _require_stored(system, [(there, large)])
        await oracle.require_held([entry], files={entry.key: [large]})

    async def test_a_file_too_large(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """A file larger than the books take is refused as too large, and the one beside it is stored."""
        size_bytes_max = system.capabilities.attachment_size_bytes_max
        if size_bytes_max is None:
            not_applicable("the books set no limit")
        entry = entries.entry()
        (there,) = await recorded(system, [entry])
        large, small = files.pdf(1, size_bytes=size_bytes_max + 1), files.pdf(2)
        refused = await system.attach([(there, large), (there, small)])
        require([type(it.error) for it in refused] == [AttachmentTooLarge], f"Refused as {refused}")
        oracle.require_harmless(refused[0].error)
        await oracle.require_held([entry], files={entry.key: [small]})

    @pytest.mark.parametrize("kind", ODD_NAMES)
    async def test_an_odd_name(
        self, kind: str, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """A file whose name on disk is odd in this way arrives byte for byte."""
        entry = entries.entry()
        (there,) = await recorded(system, [entry])
        odd = files.pdf(name=ODD_NAMES[kind])
        await _require_stored(system, [(there, odd)])
        await oracle.require_held([entry], files={entry.key: [odd]})

    async def test_a_type_nobody_expects(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """A program instead of a receipt is stored as it is or refused as unsupported; the PDF beside it is stored."""
        entry = entries.entry()
        (there,) = await recorded(system, [entry])
        odd = files.file(b"MZ\x90\x00 this is a program", "application/x-msdownload", 1, "receipt.exe")
        usual = files.pdf(2)
        refused = await system.attach([(there, odd), (there, usual)])
        require(
            all(isinstance(it.error, AttachmentUnsupported) for it in refused),
            f"Refused by another leaf than AttachmentUnsupported: {refused}",
        )
        require(len(refused) <= 1, "A PDF was refused beside a program")
        await oracle.require_held([entry], files={entry.key: [usual] if refused else [odd, usual]})

    async def test_a_file_that_is_gone(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """A file that is gone from the disk is refused, and the ones beside it are stored."""
        batch = entries.batch(2)
        first, second = await recorded(system, batch)
        gone, here, other = files.pdf(1), files.pdf(2), files.pdf(1)
        gone.path.unlink()
        refused = await system.attach([(first, gone), (first, here), (second, other)])
        require(
            [it.key for it in refused] == [first.key], f"Files were refused for {len(refused)} entries, not for one"
        )
        require(
            isinstance(refused[0].error, AttachmentUnavailable | AttachmentNotStored),
            f"{type(refused[0].error).__name__} instead of AttachmentUnavailable: {refused[0].error}",
        )
        oracle.require_harmless(refused[0].error)
        await oracle.require_held(batch, files={first.key: [here], second.key: [other]})

    async def test_a_file_that_was_altered(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """A file whose bytes are not the ones announced is refused, not stored under a wrong sha256."""
        entry = entries.entry()
        (there,) = await recorded(system, [entry])
        altered = files.pdf()
        altered.path.write_bytes(b"%PDF-1.4 something else")
        refused = await system.attach([(there, altered)])
        require(
            [type(it.error) for it in refused] in ([AttachmentNotStored], [AttachmentUnavailable]),
            f"An altered file is answered with {refused}",
        )
        await oracle.require_held([entry])

    async def test_an_entry_that_is_not_there(
        self, system: AccountingSystem, oracle: Oracle, entries: Entries, files: Files
    ) -> None:
        """A file for an entry that is not in the books is refused, and the one for an entry that is, stored."""
        entry, stranger = entries.batch(2)
        (there,) = await recorded(system, [entry])
        missing = missing_entry(there, stranger)
        file, other = files.pdf(), files.pdf()
        refused = await system.attach([(missing, other), (there, file)])
        require([it.key for it in refused] == [stranger.key], "The file of a missing entry was not refused")
        require(
            isinstance(refused[0].error, AttachmentNotStored),
            f"{type(refused[0].error).__name__} instead of AttachmentNotStored: {refused[0].error}",
        )
        await oracle.require_held([entry], files={entry.key: [file]})


def missing_entry(like: Recorded, entry: Entry) -> Recorded:
    """An answer for an entry that was never recorded, or removed since."""
    return replace(like, key=entry.key, external_id="987654321")


async def _require_stored(system: AccountingSystem, pairs: list[tuple[Recorded, Attachment]]) -> None:
    for refused in await system.attach(pairs):
        raise Unproven(f"A good file was refused: {type(refused.error).__name__}: {refused.error}")
