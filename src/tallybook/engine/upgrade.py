"""Before an upgrade: which runs, begun by another release, the present one could not go on with.

Read from the engine's own tables without launching the engine, which would take up its runs. docs/engine.md has the
rule this keeps.
"""

import re
from dataclasses import dataclass

import sqlalchemy as sa

from tallybook.engine.engine import VERSION
from tallybook.store.database import Database
from tallybook.store.errors import DatabaseUnusable

# Every checkpoint a run of VERSION may have; a test holds it to what runs leave behind.
_KNOWN = re.compile(r"0 company lock|1 start|2 validate|3-6 page \d+|7 decide|7 complete|DBOS\.sleep")
_UNFINISHED = "status IN ('ENQUEUED', 'PENDING', 'DELAYED')"


@dataclass(frozen=True, slots=True)
class Stranded:
    """A run that the present release leaves alone or could not go on with, and why."""

    run: str
    company_id: str
    why: str


def stranded(database: Database) -> list[Stranded]:
    """Name the unfinished runs that the present release could not go on with, the oldest first.

    Blocks. Repeat: safe; reads only.
    Raises:
        DatabaseUnusable: the database does not answer.
    """
    if not database.shared and not database.file.exists():
        return []
    connections = database.connect()
    try:
        with connections.connect() as connection:
            return _stranded(connection, "dbos." if database.shared else "")
    except sa.exc.SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        raise DatabaseUnusable(f"The database {database.shown} cannot be used: {said}; check database.url") from None
    finally:
        connections.dispose()


def _stranded(connection: sa.Connection, schema: str) -> list[Stranded]:
    if not sa.inspect(connection).has_table("workflow_status", schema=schema.rstrip(".") or None):
        return []  # no server has ever exported from here
    runs = connection.execute(
        sa.text(
            "SELECT workflow_uuid, queue_partition_key, application_version "
            f"FROM {schema}workflow_status WHERE {_UNFINISHED} ORDER BY workflow_uuid"
        )
    ).all()
    steps = connection.execute(
        sa.text(
            f"SELECT DISTINCT workflow_uuid, function_name FROM {schema}operation_outputs WHERE workflow_uuid IN "
            f"(SELECT workflow_uuid FROM {schema}workflow_status WHERE {_UNFINISHED})"
        )
    ).all()
    unknown = {str(run): str(step) for run, step in steps if not _KNOWN.fullmatch(str(step))}
    found: list[Stranded] = []
    for run, company_id, version in runs:
        if version is not None and version != VERSION:
            found.append(Stranded(str(run), str(company_id), f"it was begun under {version}, and this is {VERSION}"))
        elif run in unknown:
            found.append(Stranded(str(run), str(company_id), f"this release has no step {unknown[run]!r}"))
    return found
