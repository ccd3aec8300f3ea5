"""The audit log: what people did, who they said they are, and what came of it. Nothing deletes it."""

import getpass
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa

from tallybook.errors import TallybookError
from tallybook.store.asking import asked, aware, written
from tallybook.store.tables import audit
from tallybook.telemetry import logs

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did; ids are those it was about. `result` None: Tallybook ended before it was known."""

    at: datetime
    who: str
    action: str
    company_id: str | None = None
    job_id: str | None = None
    entry_id: str | None = None
    detail: str | None = None
    result: str | None = None
    id: int = 0  # the log's own, once it has it


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit log in one database."""

    connections: sa.Engine

    async def over(
        self, deed: Deed, work: Callable[[], Awaitable[_Answer]], told: Callable[[_Answer], str] = lambda _: "done"
    ) -> _Answer:
        """Do the work of a deed, written down before it and after, so that nothing is done unseen.

        What came of it is what `told` says of the answer, or the class of the error.

        Repeat: as the work; another row.
        Raises:
            DatabaseUnusable: the log cannot be written; then nothing was done.
            TallybookError: what the work raises.
        """
        deed_id = await self.begin(deed)
        result = "broke; the log says where"
        try:
            answer = await work()
            result = told(answer)
        except TallybookError as error:
            result = f"refused: {logs.told(error)}"
            raise
        finally:
            await self.end(deed_id, result)
        return answer

    async def begin(self, deed: Deed) -> int:
        """Write down what is about to be done; returns the id under which `end` writes what came of it.

        Repeat: another row.
        Raises:
            DatabaseUnusable: the database does not answer; then it must not be done.
        """
        row = {name: _storable(getattr(deed, name)) for name in ("who", "action", "detail", "result")}
        ids = {name: _storable(getattr(deed, name)) for name in ("company_id", "job_id", "entry_id")}
        inserted = sa.insert(audit).values(at=deed.at, **row, **ids).returning(audit.c.id)
        made: int = await written(self.connections, lambda connection: connection.execute(inserted).scalar_one())
        return made

    async def end(self, deed_id: int, result: str) -> None:
        """Write down what came of it.

        Repeat: the last one counts.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        changed = sa.update(audit).where(audit.c.id == deed_id).values(result=_storable(result))
        await written(self.connections, lambda connection: connection.execute(changed))

    async def newest(self, limit: int, *, before_id: int | None = None) -> list[Deed]:
        """Read the newest deeds, or the newest before one, the newest first.

        Repeat: safe.
        Raises:
            DatabaseUnusable: the database does not answer.
        """
        wanted = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before_id is not None:
            wanted = wanted.where(audit.c.id < before_id)
        rows = await asked(self.connections, lambda connection: connection.execute(wanted).mappings().all())
        return [Deed(**{**row, "at": aware(row["at"])}) for row in rows]


def user_of_command_line() -> str:
    """Say who is at the command line, for the audit log."""
    return f"{getpass.getuser()} on the command line"


def _storable(text: str | None) -> str | None:
    """Names come from people: what a database cannot keep must not keep a deed out of the log."""
    return text and text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
