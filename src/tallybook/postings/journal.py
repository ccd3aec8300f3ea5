"""The journal's table: read by key, written in groups, each group one transaction.

A row is changed only by whoever has seen its latest version, in the same statement that changes it: of two writers that
want the same entry one gets it, and the other is told. A commit has reached the disk when it returns.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tallybook.accounting.entry import EntryKey
from tallybook.postings.errors import AnotherWriter, JournalUnusable
from tallybook.postings.posting import JournalState, Posting
from tallybook.store.tables import metadata
from tallybook.store.tables import posting as table

_Answer = TypeVar("_Answer")
# Statements carry so many rows at most: SQLite takes 32766 parameters, and keys of 1000 come from one page.
_KEYS_PER_STATEMENT = 1000


@dataclass(frozen=True, slots=True)
class Journal:
    """The posting journal as one writer sees it; `run` names the writer in the rows it writes."""

    connections: sa.Engine
    run: str = ""

    async def read(self, keys: Sequence[EntryKey]) -> dict[EntryKey, Posting]:
        """Say what is known of these entries; of most, nothing.

        Repeat: safe.
        Raises:
            JournalUnusable: the database does not answer.
        """
        return await self._reading(lambda connection: _read(connection, keys)) if keys else {}

    async def write(self, postings: Sequence[Posting]) -> set[EntryKey]:
        """Write postings in one transaction; returns the keys of those it took.

        Not taken is one whose row has another version than the posting was read with: somebody else was quicker.

        Repeat: takes none; their versions have moved on.
        Raises:
            JournalUnusable: the database does not answer; the postings were written, all of them, or none was.
        """
        if not postings:
            return set()
        rows = [_row(each, self.run) for each in postings]
        return await self._writing(lambda connection: _write(connection, rows))

    async def claim(self, intents: Sequence[Posting]) -> None:
        """Write intents in one transaction, all of them or none.

        Repeat: refused; their versions have moved on.
        Raises:
            AnotherWriter: somebody else has written about one of the entries meanwhile; none is stored.
            JournalUnusable: the database does not answer; all were stored, or none was.
        """
        rows = [_row(each, self.run) for each in intents]

        def claim(connection: sa.Connection) -> None:
            lost = {each.key for each in intents} - _write(connection, rows)
            if lost:
                raise AnotherWriter(
                    f"Another run is writing {len(lost)} of the same entries ({min(lost).entry_id} and so on), so this "
                    "one writes none of them; what is in the books is found when they are looked at again"
                )

        await self._writing(claim)

    async def open_postings(self, company_id: str, limit: int = 1000) -> list[Posting]:
        """List what may be in the books or not, the oldest first.

        Repeat: safe.
        Raises:
            JournalUnusable: the database does not answer.
        """
        wanted = (
            sa.select(table)
            .where(table.c.company_id == company_id, sa.text("state IN ('intent', 'uncertain')"))
            .order_by(table.c.attempted_at, table.c.entry_id)
            .limit(limit)
        )
        return await self._reading(lambda connection: [_posting(row) for row in connection.execute(wanted)])

    async def _reading(self, work: Callable[[sa.Connection], _Answer]) -> _Answer:
        return await self._in_thread(work, self.connections.connect)

    async def _writing(self, work: Callable[[sa.Connection], _Answer]) -> _Answer:
        return await self._in_thread(work, self.connections.begin)

    async def _in_thread(
        self,
        work: Callable[[sa.Connection], _Answer],
        connected: Callable[[], AbstractContextManager[sa.Connection]],
    ) -> _Answer:
        def in_thread() -> _Answer:
            try:
                with connected() as connection:
                    return work(connection)
            except sa.exc.SQLAlchemyError as error:
                raise JournalUnusable(
                    f"The posting journal cannot be read or written ({type(error).__name__}), so nothing is written to "
                    "the books; see whether the database of database.url answers and has room"
                ) from None  # the cause would show the statement's parameters

        return await asyncio.to_thread(in_thread)


@contextmanager
def empty_journal() -> Iterator[Journal]:
    """Have a journal that knows of nothing, in memory: for who only looks where there is no database yet."""
    connections = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
    metadata.create_all(connections)
    try:
        yield Journal(connections)
    finally:
        connections.dispose()


def _read(connection: sa.Connection, keys: Sequence[EntryKey]) -> dict[EntryKey, Posting]:
    found: dict[EntryKey, Posting] = {}
    for company_id in {key.company_id for key in keys}:
        ids = [key.entry_id for key in keys if key.company_id == company_id]
        for start in range(0, len(ids), _KEYS_PER_STATEMENT):
            some = ids[start : start + _KEYS_PER_STATEMENT]
            wanted = sa.select(table).where(table.c.company_id == company_id, table.c.entry_id.in_(some))
            found |= {each.key: each for each in map(_posting, connection.execute(wanted))}
    return found


def _write(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> set[EntryKey]:
    insert = sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    keys = {table.c.company_id, table.c.entry_id}
    statement = insert.on_conflict_do_update(
        index_elements=list(keys),
        set_={column.name: insert.excluded[column.name] for column in table.c if column not in keys},
        where=table.c.version == insert.excluded.version - 1,
    ).returning(table.c.company_id, table.c.entry_id)
    # In the order of the keys, so that two writers of the same rows never wait for each other.
    ordered = sorted(rows, key=lambda row: (row["company_id"], row["entry_id"]))
    return {EntryKey(*row) for row in connection.execute(statement, ordered)}


def _row(posting: Posting, run: str) -> dict[str, Any]:
    return {
        "company_id": posting.key.company_id,
        "entry_id": posting.key.entry_id,
        "state": posting.state.value,
        "version": posting.version + 1,
        "run": run,
        "job_id": posting.job_id,
        "books": posting.books,
        "content_hash": posting.content_hash,
        "attempted_at": posting.attempted_at.astimezone(UTC),
        "recorded_at": posting.recorded_at and posting.recorded_at.astimezone(UTC),
        "external_id": _storable(posting.external_id),
        "external_url": _storable(posting.external_url),
        "replaces": _storable(posting.replaces),
        "settled": posting.settled,
        "error": posting.error,
    }


def _posting(row: sa.Row[Any]) -> Posting:
    return Posting(
        key=EntryKey(row.company_id, row.entry_id),
        state=JournalState(row.state),
        books=row.books,
        job_id=row.job_id,
        content_hash=row.content_hash,
        attempted_at=_aware(row.attempted_at),
        version=row.version,
        recorded_at=row.recorded_at and _aware(row.recorded_at),
        external_id=row.external_id,
        external_url=row.external_url,
        replaces=row.replaces,
        settled=row.settled,
        error=row.error,
    )


def _storable(text: str | None) -> str | None:
    """Numbers come from accounting systems: what a database cannot keep must not stop an export."""
    return text and text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _aware(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)  # SQLite keeps no zone
