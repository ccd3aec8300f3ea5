"""`tallybook tryton serve` and `entries`: a Tryton of one's own to try things out, and what is in one."""

import asyncio
import json
import os
import secrets
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tallybook.adapters.tryton import chart, company, local, marks, preparing
from tallybook.adapters.tryton.rpc import Session
from tallybook.adapters.tryton.settings import TrytonSettings, read_settings

PASSWORD_FILE = "tryton-password"  # noqa: S105 - a file's name


async def serve(
    folder: Path, told: chart.Chart, *, years: list[int], payable: list[str], port: int, as_json: bool
) -> None:
    """Install Tryton, found a company in a new database under `folder`, and serve it until SIGINT or SIGTERM.

    Repeat: goes on with the company that is there.
    Raises:
        TrytonNotStarted: it could not be installed or started.
    """
    site = await asyncio.to_thread(_site, folder)
    stopping = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopping.set)
    with local.running(site, port) as server:
        where = {
            "url": server.url,
            "database": local.DATABASE,
            "user": local.USER,
            "password_file": str(site.folder / PASSWORD_FILE),
        }
        async with _session(read_settings(where)) as session:
            if not session.context.get("company"):
                await company.found(session, told, years=years, payable=payable)
            await preparing.prepare(session, session.context["company"], "TALLYBOOK")
        print(json.dumps(where) if as_json else f"Tryton is running at {server.url}; Ctrl-C stops it", flush=True)  # noqa: T201 - the command's own word
        await stopping.wait()


def _site(folder: Path) -> local.Site:
    """Have a database and a password in the folder."""
    folder = folder.absolute()
    cache = local.default_cache()
    environment = local.install(cache)
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / PASSWORD_FILE
    if secret.exists():
        return local.Site(environment, folder, secret.read_text(encoding="utf-8").strip())
    site = local.Site(environment, folder, secrets.token_urlsafe(24))
    site.found(cache)
    secret.touch(mode=0o600)
    secret.write_text(site.password + "\n", encoding="utf-8")
    return site


@asynccontextmanager
async def _session(settings: TrytonSettings) -> AsyncIterator[Session]:
    session = Session(settings)
    try:
        await session.enter()
        yield session
    finally:
        await session.aclose()


async def entries(settings: TrytonSettings) -> list[dict[str, Any]]:
    """List every entry of ours in Tryton, whatever journal it is in now: its id at the source, and Tryton's own.

    Repeat: safe; reads only.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    async with _session(settings) as session:
        for model in ("account.invoice", "account.move"):
            rows = await session.call(
                f"model.{model}.search_read",
                [["description", "like", "[tallybook %"]], 0, None, [["id", "ASC"]], ["description", "state"],
            )  # fmt: skip
            for row in rows:
                mark = marks.read(row["description"])
                if mark is None:
                    continue
                entry = found.setdefault((mark.owner, mark.entry_id), {"entry_id": mark.entry_id, "documents": 0})
                entry["documents"] += 1
                if mark.number == 1:
                    entry |= {"external_id": f"{model},{row['id']}", "state": row["state"]}
    return list(found.values())


def stop_with_stdin() -> None:
    """End with whoever holds the other end of stdin, also when that one is killed."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()
