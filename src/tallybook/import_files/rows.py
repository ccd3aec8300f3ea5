"""Rows written to numbered files, a new one when the next entry would make it longer than an importer takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from tallybook.import_files.format import Place


class RowFiles:
    """Files of one kind in a set: `stem.suffix`, then `stem_2.suffix` and so on; the rows of an entry stay together."""

    def __init__(self, folder: Path, stem: str, suffix: str, *, head: Sequence[bytes], rows_max: int) -> None:
        self._folder, self._stem, self._suffix = folder, stem, suffix
        self._head, self._rows_max = head, rows_max
        self._file: BinaryIO | None = None
        self._parts = self._rows = 0

    def add(self, rows: Sequence[bytes]) -> Place | None:
        """Write the rows of one entry; None if there are none."""
        if not rows:
            return None
        if self._file is None or self._rows + len(rows) > self._rows_max:
            self.close()
            self._parts, self._rows = self._parts + 1, 0
            self._file = (self._folder / self._name()).open("xb")
            self._file.writelines(self._head)
        self._file.writelines(rows)
        first = len(self._head) + self._rows + 1
        self._rows += len(rows)
        return Place(self._name(), first, len(rows))

    def _name(self) -> str:
        return f"{self._stem}{f'_{self._parts}' if self._parts > 1 else ''}.{self._suffix}"

    def close(self) -> None:
        """End the file at hand. Repeat: safe."""
        if self._file is not None:
            self._file.close()
            self._file = None
