"""A set of import files on disk: a folder that is complete or absent, with a manifest of what is in it.

The files are written into a folder with a passing name, synced, and the folder is renamed: who looks into
`import_dir` sees a whole set or none. A set that has its name is never written again.

    datev-000007-2026-10/
        EXTF_Buchungsstapel_000007_2026-10.csv
        receipts-1.zip
        manifest.json
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tallybook.accounting.errors import AccountingSettingInvalid, EntryRefused
from tallybook.accounting.handover import Booked, ImportSet, Names
from tallybook.import_files.format import Format, Place, Receipt

MANIFEST = "manifest.json"
_RECEIPTS_MAX = 4_000  # of one zip
_CHUNK_BYTES = 1 << 18
_SUFFIXES = {
    "application/pdf": "pdf",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/heic": "heic",
    "image/tiff": "tif",
    "image/avif": "avif",
    "text/plain": "txt",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}


class SetFolder:
    """Where a set belongs. Everything blocks, so it runs in a thread."""

    def __init__(self, into: Path, form: Format, made: ImportSet, *, zip_size_bytes_max: int) -> None:
        self.form, self.made, self.zip_size_bytes_max = form, made, zip_size_bytes_max
        self.final = into / f"{form.name}-{made.number:06d}-{made.period.name}"
        self.passing = into / f".{self.final.name}.part"

    def head(self) -> dict[str, object]:
        """Say which set this is: the beginning of its manifest."""
        made = self.made
        return {
            "system": self.form.name,
            "number": made.number,
            "company_id": made.company_id,
            "job_id": made.job_id,
            "period": made.period.name,
            "made_at": made.made_at.isoformat(),
            "again_of": made.again_of,
            "reason": made.reason,
        }

    def earlier(self) -> str | None:
        """Look for the set itself, which a run wrote that was killed then: the sha256 of its manifest.

        Repeat: safe.
        Raises:
            AccountingSettingInvalid: something else has the set's name.
        """
        if not os.path.lexists(self.final):
            return None
        try:
            manifest = (self.final / MANIFEST).read_bytes()
            told = json.loads(manifest)
        except (OSError, ValueError):
            told = None
        if not isinstance(told, dict) or {name: told.get(name) for name in self.head()} != self.head():
            raise AccountingSettingInvalid(
                f"{self.final} is in the way: it is not the set of import files that belongs there; move it away"
            )
        return hashlib.sha256(manifest).hexdigest()

    def begin(self, names: Names) -> "SetInWriting":
        """Make the passing folder anew.

        Repeat: safe; what a killed run left in it is deleted.
        """
        self.discard()
        self.passing.mkdir(parents=True)
        return SetInWriting(self, names)

    def discard(self) -> None:
        """Delete the passing folder.

        Repeat: safe.
        """
        shutil.rmtree(self.passing, ignore_errors=True)


class SetInWriting:
    """A set that has not got its name yet; `publish` it or `abandon` it."""

    def __init__(self, folder: SetFolder, names: Names) -> None:
        self._folder = folder
        self._writer = folder.form.writer(folder.passing, folder.made, names)
        self._manifest = (folder.passing / MANIFEST).open("x", encoding="ascii", newline="\n")
        self._manifest.write(json.dumps(folder.head(), indent=1)[:-2] + ',\n "entries": [')
        self._entries = 0
        self._zips: list[_ReceiptsZip] = []

    def add(self, entries: Sequence[Booked]) -> None:
        """Write entries, their receipts, and where they are into the manifest.

        Raises:
            AccountingSettingInvalid: by settings that changed since it was settled, an entry has no place in the files.
            OSError: the disk is full, or a receipt is gone.
        """
        for booked in entries:
            told = {
                "entry_id": booked.recorded.key.entry_id,
                "number": booked.recorded.external_id,
                "rows": [_told(place) for place in self._placed(booked)],
                "receipts": self._keep_receipts(booked) if booked.files else [],
            }
            self._manifest.write(("," if self._entries else "") + "\n  " + json.dumps(told))
            self._entries += 1

    def _placed(self, booked: Booked) -> Sequence[Place]:
        try:
            return self._writer.add(booked)
        except EntryRefused as error:
            raise AccountingSettingInvalid(
                f"{self._folder.final.name} cannot be written: {booked.recorded.external_id} was settled, and by the "
                f"Settings of today it has no place in it. {error}"
            ) from error

    def _keep_receipts(self, booked: Booked) -> list[dict[str, str]]:
        """Put the receipts of one entry into one zip: its document names them all."""
        into = self._zip_with_room(len(booked.files), sum(file.size_bytes for file in booked.files))
        told: dict[str, dict[str, str]] = {}
        for file in booked.files:
            stem, suffix = f"{booked.recorded.external_id}-{file.position}", _SUFFIXES.get(file.media_type, "bin")
            name = f"{stem}.{suffix}"
            if name in told:  # two files at one position: the entry changed, and both were stored
                name = f"{stem}-{file.sha256[:12]}.{suffix}"
            into.add(Receipt(booked.recorded.key.entry_id, name), file.path, file.size_bytes)
            told[name] = {"zip": into.path.name, "name": name, "sha256": file.sha256}
        return list(told.values())

    def _zip_with_room(self, files: int, size_bytes: int) -> "_ReceiptsZip":
        if not self._zips or not self._zips[-1].has_room(files, size_bytes):
            self._end_zip()
            path = self._folder.passing / f"receipts-{len(self._zips) + 1}.zip"
            self._zips.append(_ReceiptsZip(path, self._folder.made, self._folder.zip_size_bytes_max))
        return self._zips[-1]

    def _end_zip(self) -> None:
        if self._zips:
            self._zips[-1].close(self._folder.form.receipts_index(self._zips[-1].receipts, self._folder.made))

    def publish(self) -> str:
        """End the files, sync them, and give the folder its name; answers the sha256 of the manifest.

        Raises:
            OSError: the disk is full, or another program made a folder of the set's name meanwhile.
        """
        passing, final = self._folder.passing, self._folder.final
        self._writer.close()
        self._end_zip()
        files = [
            {"name": path.name, "sha256": _sha256(path), "size_bytes": path.stat().st_size}
            for path in sorted(passing.iterdir())
            if path.name != MANIFEST
        ]
        self._manifest.write("\n ],\n" + json.dumps({"files": files}, indent=1)[2:] + "\n")
        self._manifest.close()
        sha256 = _sha256(passing / MANIFEST)
        for path in (*passing.iterdir(), passing):
            _sync(path)
        passing.rename(final)  # refused by the system if a folder with content has that name
        _sync(final.parent)
        return sha256

    def abandon(self) -> None:
        """Give up what was not published.

        Repeat: safe.
        """
        self._writer.close()
        self._manifest.close()
        if self._zips:
            self._zips[-1].close(None)
        self._folder.discard()


def _told(place: Place) -> dict[str, object]:
    return {"file": place.file, "first_row": place.first_row, "rows": place.rows}


class _ReceiptsZip:
    """Receipts as they are, one after the other; each is read in pieces, so its size costs no memory."""

    def __init__(self, path: Path, made: ImportSet, size_bytes_max: int) -> None:
        self.path = path
        self.receipts: list[Receipt] = []
        self._made, self._size_bytes_max, self._size_bytes = made, size_bytes_max, 0
        self._zip = zipfile.ZipFile(path, "x", zipfile.ZIP_STORED)  # receipts are compressed already

    def has_room(self, files: int, size_bytes: int) -> bool:
        return len(self.receipts) + files <= _RECEIPTS_MAX and self._size_bytes + size_bytes <= self._size_bytes_max

    def add(self, receipt: Receipt, source: Path, size_bytes: int) -> None:
        with source.open("rb") as read, self._zip.open(self._named(receipt.name, size_bytes), "w") as kept:
            shutil.copyfileobj(read, kept, _CHUNK_BYTES)
        self.receipts.append(receipt)
        self._size_bytes += size_bytes

    def _named(self, name: str, size_bytes: int) -> zipfile.ZipInfo:
        made_at = self._made.made_at
        year = max(made_at.year, 1980)  # a zip knows no earlier one
        info = zipfile.ZipInfo(name, (year, made_at.month, made_at.day, made_at.hour, made_at.minute, made_at.second))
        info.create_system, info.external_attr, info.file_size = 3, 0o644 << 16, size_bytes
        return info

    def close(self, index: tuple[str, bytes] | None) -> None:
        if self._zip.fp is None:
            return  # closed before
        if index is not None:
            self._zip.writestr(self._named(index[0], len(index[1])), index[1])
        self._zip.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
