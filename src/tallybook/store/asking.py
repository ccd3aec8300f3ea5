"""Asking the database something from the event loop: in a thread, and with one error for whatever is wrong with it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TypeVar

import sqlalchemy as sa

from tallybook.store.errors import DatabaseUnusable

_Answer = TypeVar("_Answer")


async def asked(connections: sa.Engine, question: Callable[[sa.Connection], _Answer]) -> _Answer:
    """Read something.

    Repeat: safe.
    Raises:
        DatabaseUnusable: the database does not answer.
    """
    return await _in_thread(connections.connect, question)


async def written(connections: sa.Engine, statement: Callable[[sa.Connection], _Answer]) -> _Answer:
    """Write something in one transaction of its own.

    Repeat: writes again.
    Raises:
        DatabaseUnusable: the database does not answer; all was written, or nothing.
    """
    return await _in_thread(connections.begin, statement)


async def _in_thread(
    connected: Callable[[], AbstractContextManager[sa.Connection]], work: Callable[[sa.Connection], _Answer]
) -> _Answer:
    def in_thread() -> _Answer:
        with connected() as connection:
            return work(connection)

    try:
        return await asyncio.to_thread(in_thread)
    except sa.exc.SQLAlchemyError as error:
        raise DatabaseUnusable(f"the database did not answer ({type(error).__name__})") from None


def aware(instant: datetime) -> datetime:
    """Give an instant as it was stored; SQLite keeps no zone."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
