"""Runs that are this process's by the database, and that it does not run: it ends itself, and a start takes them up.

The package stores the end of a run in a last write of its own. Where that write fails (a full disk, a database that
went away), the run counts as under way for ever, and its company's later jobs wait behind it.
"""

from collections.abc import Callable

import structlog
from dbos import DBOS

from tallybook.clock import Clock
from tallybook.engine.engine import Engine
from tallybook.engine.presence import exit_at_once

LOOK_EVERY_S = 30.0
log = structlog.get_logger()


async def watch_own_runs(engine: Engine, clock: Clock, lost: Callable[[], None] = exit_at_once) -> None:
    """Look every so often until cancelled; calls `lost` for a run found twice in the database and not in this process.

    Twice, because a run is claimed in the database a moment before it begins here.

    Repeat: safe.
    """
    before: set[str] = set()
    while True:
        await clock.sleep(LOOK_EVERY_S)
        try:
            claimed = await DBOS.list_workflows_async(
                status="PENDING", executor_id=engine.presence.worker, load_input=False, load_output=False
            )
        except Exception as error:  # noqa: BLE001 - a database that is away for a while; next time, then
            log.warning("own_runs_not_seen", error=type(error).__name__)
            continue
        idle = {run.workflow_id for run in claimed} - engine.running
        if stranded := idle & before:
            log.error("run_stranded", runs=sorted(stranded))
            lost()
            return
        before = idle
