"""The demo: a local Pleo in a process of its own, a company's expenses, and two exports into a book or a Tryton.

It runs the code that production runs, over real HTTP. All it leaves stands in one folder: settings, the chart of
accounts, the book with its receipts, and the sandbox's state.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import tomli_w

from tallybook import app, settings
from tallybook.errors import TallybookError
from tallybook.outcome import JobReport
from tallybook.pleo.models import ExportJobItem
from tallybook.workflow import Progress

_MARK = "tallybook-demo"  # a file by this name says the folder is the demo's own to replace

# What Tryton needs to know of the demo's company, and the embedded book does not, which keeps currencies apart.
_EUR_PER_DKK = "0.134"  # about the central rate
_EXCHANGE_ACCOUNT = "3830"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo's things are."""

    folder: Path
    config: Path
    book: Path
    chart: Path
    pleo: Path
    key: Path
    tryton: Path


def place(folder: Path) -> Place:
    """Lay out a fresh folder, replacing an empty one or that of an earlier demo.

    Repeat: the earlier demo's folder is deleted.
    Raises:
        TallybookError: the folder is there and is not an earlier demo's, or it cannot be made.
    """
    try:
        if folder.exists() and not (folder / _MARK).exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise TallybookError(f"{folder} is there already and no earlier demo's; name another folder with --dir")
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        (folder / _MARK).write_text("This folder belongs to `tallybook demo`, which replaces it.\n", encoding="utf-8")
    except OSError as error:
        raise TallybookError(
            f"the demo's folder {folder} cannot be made ({error.strerror or error}); name another with --dir"
        ) from error
    return Place(
        folder,
        config=folder / "tallybook.toml",
        book=folder / "book.sqlite",
        chart=folder / "chart.toml",
        pleo=folder / "pleo.sqlite",
        key=folder / "pleo-api-key",
        tryton=folder / "tryton",
    )


class Sandbox:
    """The sandbox's own API, as the demo uses it."""

    def __init__(self, url: str) -> None:
        self.url = url
        # Making a large world takes a while; there is one answer when it is done.
        self._http = httpx.AsyncClient(base_url=f"{url}/_sandbox", timeout=httpx.Timeout(600.0), trust_env=False)

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the sandbox and return its JSON.

        Raises:
            TallybookError: it refused, or is gone.
        """
        try:
            answer = await self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise TallybookError(f"the sandbox at {self.url} does not answer ({type(error).__name__})") from error
        if answer.is_error:
            raise TallybookError(f"the sandbox refused {method} {path}: {answer.text[:300]}")
        return answer.json()

    async def aclose(self) -> None:
        """Close the connections.

        Repeat: safe.
        """
        await self._http.aclose()


@asynccontextmanager
async def sandbox_process(data: Path) -> AsyncIterator[Sandbox]:
    """Start a sandbox on a free port in a process of its own, and stop it by its own pid at the end.

    It also ends by itself when this process is gone.
    """
    async with _started(
        "the sandbox", "sandbox", "serve", "--port", "0", "--world", "empty", "--data", str(data)
    ) as told:
        sandbox = Sandbox(told["url"])
        try:
            yield sandbox
        finally:
            await sandbox.aclose()


@asynccontextmanager
async def _started(what: str, *command: str) -> AsyncIterator[dict[str, Any]]:
    """Start a command of ours that serves, and give what it says of itself once it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tallybook", *command, "--json", "--stop-with-stdin",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us: it must outlive it until the page is done
    )  # fmt: skip
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        line = await process.stdout.readline()
        if not line:
            raise TallybookError(f"{what} did not start (exit code {await process.wait()})")
        yield json.loads(line)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def prepare(place: Place, sandbox: Sandbox, *, items: int, seed: int) -> dict[str, Any]:
    """Create the demo company in the sandbox, and write its settings and chart of accounts; returns the world.

    Repeat: replaces the world.
    """
    world: dict[str, Any] = await sandbox.call(
        "POST", "/worlds", {"world": "demo", "items": items, "seed": seed, "troubles": True}
    )
    write_settings(place, sandbox.url, world)
    return world


@asynccontextmanager
async def books(place: Place, sandbox: Sandbox, world: dict[str, Any], kind: str) -> AsyncIterator[str | None]:
    """Have the books ready for the length of a block: the embedded book, or a Tryton in a process of its own.

    Gives the command that serves this Tryton again, where the settings look for it.

    Repeat: the book's chart is brought up to date; a Tryton goes on with the company that is there.
    Raises:
        TallybookError: they cannot be made.
    """
    if kind == "tryton":
        chart = _chart(world)
        chart["company"] |= {"currency": world["company"]["currency"], "exchange_account": _EXCHANGE_ACCOUNT}
        chart["currencies"] = [{"code": "EUR", "rate": _EUR_PER_DKK}]
        place.chart.write_text(tomli_w.dumps(chart), encoding="utf-8")
        payable = world["books"]["roles"]["accounts_payable"]
        async with _started(
            "Tryton", "tryton", "serve", "--chart", str(place.chart), "--dir", str(place.tryton), "--payable", payable
        ) as where:
            write_settings(place, sandbox.url, world, {"adapter": "tryton", "tryton": where})
            port = httpx.URL(where["url"]).port
            yield f"tallybook tryton serve --chart {place.chart} --dir {place.tryton} --port {port}"
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tallybook", "book", "init", str(place.chart), "--book", str(place.book),
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    if await process.wait():
        raise TallybookError("the demo's book could not be made; the reason stands above")
    yield None


def write_settings(place: Place, url: str, world: dict[str, Any], books: dict[str, Any] | None = None) -> None:
    """Write settings, key and chart of accounts for a world of the sandbox; `books` is the section, if no book's.

    Repeat: written anew.
    """
    place.key.touch(mode=0o600)
    place.key.write_text(world["apiKey"] + "\n", encoding="utf-8")
    place.config.write_text(tomli_w.dumps(_settings(place, url, world, books)), encoding="utf-8")
    place.chart.write_text(tomli_w.dumps(_chart(world)), encoding="utf-8")


def _settings(place: Place, url: str, world: dict[str, Any], books: dict[str, Any] | None) -> dict[str, Any]:
    host = httpx.URL(url).netloc.decode()
    return {
        "pleo": {
            "base_url": url,
            "company_id": world["company"]["id"],
            "api_key_file": place.key.name,
            "receipt_hosts": [host],
            "receipt_hosts_insecure": [host],
        },
        "books": {"posting": "posted", **(books or {"adapter": "book", "book": {"path": place.book.name}})},
        "accounts": world["books"]["roles"],
    }


def _chart(world: dict[str, Any]) -> dict[str, Any]:
    books = world["books"]
    return {
        "company": {"name": world["company"]["name"]},
        "accounts": books["accounts"],
        "tax_codes": [
            {
                "code": tax["code"],
                "name": tax["name"],
                **{
                    key: tax[name]
                    for key, name in (("ingoing_account", "ingoingAccount"), ("outgoing_account", "outgoingAccount"))
                    if tax.get(name)
                },
            }
            for tax in books["taxCodes"]
        ],
        "tag_groups": books["tagGroups"],
        "vendors": [
            {_snake(key): value for key, value in vendor.items() if value is not None} for vendor in books["vendors"]
        ],
        "closed_periods": [
            {"from_on": date.fromisoformat(period["from"]), "to_on": date.fromisoformat(period["to"])}
            for period in books["closedPeriods"]
        ],
    }


def _snake(name: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in name)


async def press_export(sandbox: Sandbox, *, only_failed: bool) -> str:
    """Press Export in the sandbox, for everything queued or for what failed; returns the job's id."""
    job = await sandbox.call(
        "POST", "/exports", {"entryIds": None, "vendorBasedBookkeeping": True, "onlyFailed": only_failed}
    )
    return str(job["id"])


async def run(
    place: Place, job_id: str, progress: Callable[[Progress], None], stopping: Callable[[], bool]
) -> JobReport | None:
    """Run one export as `tallybook run` would; None: it was stopped before it began.

    Repeat: safe; what is done is found done.
    """
    async with app.company(settings.load(place.config, {})) as company:
        reports = await app.export_pending(company, job_id=job_id, progress=progress, stopping=stopping)
        return reports[0] if reports else None


async def failed_items(place: Place, job_id: str) -> Sequence[ExportJobItem]:
    """Read from Pleo which items of a job failed, and why."""
    async with app.company(settings.load(place.config, {})) as company:
        return [item async for item in company.pleo.job_items(job_id, status="failed")]


async def disagreements(place: Place, sandbox: Sandbox, kind: str = "book") -> list[str]:
    """Compare the sandbox's exported entries with the book's: a sentence for every entry that only one of them has.

    Repeat: safe; reads only.
    """
    exported: dict[str, str] = {}
    after = ""
    while True:
        page = await sandbox.call("GET", f"/expenses?lane=exported&limit=1000{after}")
        exported |= {row["id"]: row["outcome"]["externalId"] for row in page["data"]}
        if not page["next"]:
            break
        after = f"&after={page['next']}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tallybook", kind, "entries", "--json", "--config", str(place.config),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    text, _ = await process.communicate()
    booked = {row["entry_id"]: row["external_id"] for row in json.loads(text)}
    return [
        f"{entry_id}: Pleo has it as {exported.get(entry_id, 'not exported')}, "
        f"the books as {booked.get(entry_id, 'not booked')}"
        for entry_id in sorted(exported.keys() | booked.keys())
        if exported.get(entry_id) != booked.get(entry_id)
    ]
