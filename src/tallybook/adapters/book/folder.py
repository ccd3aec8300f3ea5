"""The folder an export is written to: it stays ours, readers see whole files, and strangers' files are left alone.

A list of what we wrote stands in the folder. Only what it names is replaced or removed, and a folder that holds
anything but has no list is refused. Each file is written under a passing name, synced and renamed.
"""

import fcntl
import filecmp
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tallybook.adapters.book.database import Counts
from tallybook.adapters.book.receipts import sync, sync_folder
from tallybook.errors import SettingsError

LIST = ".tallybook-export.json"
_PASSING = ".tallybook-export.part"
_OURS = re.compile(
    r"main\.(beancount|journal)|\d{4}-\d{2}\.(beancount|journal)"
    r"|documents/\d{4}-\d{2}/\d+-\d+-[0-9a-f]{64}\.[a-z]{3,4}"
)


class ExportFolder:
    """A folder under export; used as a context manager, which holds a lock so that two exports do not mix."""

    def __init__(self, path: Path, counts: Counts) -> None:
        self.path = path
        self.counts = counts
        self._earlier: set[str] = set()
        self._written: set[str] = set()
        self._touched: set[Path] = set()
        self._lock = -1

    def __enter__(self) -> Self:
        """Take the folder.

        Raises:
            SettingsError: it is not ours to write to, or another export is writing to it.
            OSError: it cannot be created or written.
        """
        if self.path.exists() and not self.path.is_dir():
            raise SettingsError([f"{self.path} is a file; name a folder to export to"])
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._take()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the folder back."""
        (self.path / _PASSING).unlink(missing_ok=True)
        os.close(self._lock)

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError([f"another export is writing to {self.path}; try again when it is done"]) from None
        present = {entry.name for entry in os.scandir(self.path)} - {_PASSING}
        if not present:
            self._write_list(set())
        elif LIST not in present:
            raise SettingsError(
                [f"{self.path} is not empty and no earlier export of a book; name a new or an empty folder"]
            )
        else:
            self._earlier = self._read_list()

    def _read_list(self) -> set[str]:
        place = self.path / LIST
        try:
            files = json.loads(place.read_text(encoding="utf-8"))["files"]
        except (ValueError, KeyError, TypeError):
            files = None
        if not isinstance(files, list) or not all(isinstance(name, str) and _OURS.fullmatch(name) for name in files):
            raise SettingsError([f"{place} is not the list of an export; name a new or an empty folder"])
        return set(files)

    def _write_list(self, names: Iterable[str]) -> None:
        with self._passing() as place:
            place.write_text(json.dumps({"files": sorted(names)}, indent=0) + "\n", encoding="utf-8")
            self._put(place, LIST)

    def announce(self, names: Iterable[str]) -> None:
        """Say what is going to be written, before it is: whatever happens then, it is known to be ours.

        Repeat: safe.
        Raises:
            SettingsError: a stranger's file is in the way; nothing was written.
        """
        announced = set(names)
        strangers = sorted(name for name in announced - self._earlier if os.path.lexists(self.path / name))
        for folder in {Path(name).parent for name in announced} | {Path("documents")}:
            if (self.path / folder).is_symlink():
                strangers.append(str(folder))
        if strangers:
            raise SettingsError([f"{self.path / name} is in the way and not ours; move it away" for name in strangers])
        self._earlier |= announced
        self._write_list(self._earlier)
        sync_folder(self.path, self.counts)

    def write(self, name: str, parts: Iterable[str]) -> None:
        """Write a text file; one that has these bytes already is left as it is.

        Repeat: safe.
        """
        with self._passing() as place:
            with place.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(parts)
            self._put(place, name)

    def keep(self, name: str, source: Path) -> None:
        """Put a receipt in its place: a hard link where possible, else a copy.

        Repeat: safe; the name holds the content's sha256, so a file in its place is the right one.
        """
        self._written.add(name)
        place = self.path / name
        if place.is_file() and place.stat().st_size == source.stat().st_size:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        self._touched |= {place.parent, place.parent.parent, self.path}
        with self._passing() as passing:
            try:
                os.link(source, passing)
            except OSError:  # another file system, or one without links
                shutil.copyfile(source, passing)
                with passing.open("rb") as copy:
                    sync(copy.fileno(), self.counts)
            passing.replace(place)

    @contextmanager
    def _passing(self) -> Iterator[Path]:
        place = self.path / _PASSING
        place.unlink(missing_ok=True)  # of a killed export; never written through, it may be a link
        try:
            yield place
        finally:
            place.unlink(missing_ok=True)

    def _put(self, passing: Path, name: str) -> None:
        place = self.path / name
        self._written.add(name)
        if place.is_file() and not place.is_symlink() and filecmp.cmp(passing, place, shallow=False):
            return
        with passing.open("rb") as file:
            sync(file.fileno(), self.counts)
        passing.replace(place)
        self._touched.add(place.parent)

    def settle(self) -> None:
        """Make everything written so far last.

        Repeat: safe.
        """
        for folder in sorted(self._touched):
            sync_folder(folder, self.counts)
        self._touched.clear()

    def finish(self) -> None:
        """Remove what an earlier export wrote and this one did not, and say what is there now.

        Repeat: safe.
        """
        for name in sorted(self._earlier - self._written):
            (self.path / name).unlink(missing_ok=True)
        for folder in (*sorted((self.path / "documents").glob("*")), self.path / "documents"):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        self._write_list(self._written - {LIST})
        self._touched.add(self.path)
        self.settle()
