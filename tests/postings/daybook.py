"""An accounting system that takes what it is told, twice if told twice: lines in a file, and no key to search by."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tallybook.accounting.entry import Attachment, Entry, EntryKey, PostingState, Recorded
from tallybook.accounting.system import Capabilities, Need, ReferenceData, Refused


class Daybook:
    """An `AccountingSystem` that numbers what it takes and can tell nothing of it afterwards."""

    def __init__(self, path: Path, batch_size: int = 10) -> None:
        self.path = path
        self.capabilities = Capabilities(can_find=False, batch_size=batch_size, identity=str(path))

    def rows(self) -> list[dict[str, Any]]:
        """Everything in it, for the witness: no part of what it offers."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    async def check_ready(self, need: Need) -> None:
        """Is always ready."""

    async def reference_data(self) -> ReferenceData:
        return ReferenceData()

    async def find(self, keys: Sequence[EntryKey]) -> Mapping[EntryKey, Recorded]:
        raise NotImplementedError(len(keys))

    async def record(self, entries: Sequence[Entry]) -> Sequence[Recorded | Refused]:
        number = len(self.rows())
        answers = []
        with self.path.open("a") as file:
            for entry in entries:
                number += 1
                file.write(json.dumps({"number": f"D{number}", "entry_id": entry.key.entry_id}) + "\n")
                at = datetime(2026, 3, 1, tzinfo=UTC)
                answers.append(Recorded(entry.key, f"D{number}", at, PostingState.DRAFT, entry.content_hash))
            file.flush()
            os.fsync(file.fileno())
        return answers

    async def attach(self, files: Sequence[tuple[Recorded, Attachment]]) -> Sequence[Refused]:
        with self.path.with_suffix(".files").open("a") as kept:
            kept.writelines(f"{entry.external_id} {file.sha256}\n" for entry, file in files)
        return []

    async def post(self, entries: Sequence[Recorded]) -> Sequence[Recorded | Refused]:
        return entries

    async def aclose(self) -> None:
        """Keeps nothing open."""
