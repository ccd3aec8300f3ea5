"""The stage for whole exports: a real sandbox over HTTP, a real book, settings as a user writes them."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import tomli_w

from tallybook import app, demo, settings
from tallybook.adapters.book import reference
from tallybook.adapters.book.database import opened
from tallybook.clock import Clock, SystemClock
from tallybook.outcome import JobReport
from tallybook.sandbox import server


class HurriedClock:
    """The real time, but waiting takes none: pauses are written down instead."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self.now, self.monotonic_s = self._system.now, self._system.monotonic_s
        self.pauses_s: list[float] = []

    async def sleep(self, delay_s: float) -> None:
        self.pauses_s.append(delay_s)
        await asyncio.sleep(0)


class Stage:
    """A sandbox, a folder with settings and a book, and what a test does with them."""

    def __init__(self, address: server.SandboxAddress, folder: Path) -> None:
        self.url, self.folder = address.url, folder
        self.http = httpx.Client(base_url=address.url, timeout=60, trust_env=False)
        self.place = demo.Place(
            folder,
            config=folder / "tallybook.toml",
            book=folder / "book.sqlite",
            chart=folder / "chart.toml",
            pleo=folder / "pleo.sqlite",
            key=folder / "pleo-api-key",
            tryton=folder / "tryton",
        )
        self.clock: Clock = HurriedClock()
        self.changes: dict[str, dict[str, Any]] = {}

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the sandbox's own API."""
        answer = self.http.request(method, f"/_sandbox{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def found(self, items: int = 0, *, seed: int = 1, troubles: bool = False) -> None:
        """Found a company with this many expenses, and write settings and book for it."""
        world = self.call("POST", "/worlds", {"world": "demo", "items": items, "seed": seed, "troubles": troubles})
        demo.write_settings(self.place, self.url, world)
        with opened(self.place.book, create=True) as book:
            reference.update(book, reference.read(self.place.chart))

    def add(self, *expenses: dict[str, Any]) -> list[str]:
        """Add expenses, in part: the sandbox fills in a card purchase of 100.00."""
        ids: list[str] = self.call("POST", "/expenses", list(expenses))["ids"]
        return ids

    def press_export(self, *, vendor_based: bool = False, only_failed: bool = False) -> str:
        """Press Export; returns the job's id."""
        wanted = {"vendorBasedBookkeeping": vendor_based, "onlyFailed": only_failed}
        job: dict[str, str] = self.call("POST", "/exports", wanted)
        return job["id"]

    def settings(self) -> settings.Settings:
        """Read the settings file, with the test's own changes in it."""
        table = settings.load(self.place.config, {}).model_dump(mode="json", exclude_none=True)
        for section, changes in self.changes.items():
            table[section] = {**table[section], **changes}
        changed = self.folder / "changed.toml"
        changed.write_text(
            tomli_w.dumps(
                {section: {k: v for k, v in values.items() if v is not None} for section, values in table.items()}
            ),
            encoding="utf-8",
        )
        return settings.load(changed, {})

    def run(self, job_id: str | None = None, *, stopping: Callable[[], bool] = lambda: False) -> list[JobReport]:
        """Run what is pending, as `tallybook run` does."""

        async def exports() -> list[JobReport]:
            async with app.company(self.settings(), clock=self.clock) as company:
                return await app.export_pending(company, job_id=job_id, stopping=stopping)

        return asyncio.run(exports())

    def export(self, *, vendor_based: bool = False, only_failed: bool = False) -> JobReport:
        """Press Export and run it."""
        (report,) = self.run(self.press_export(vendor_based=vendor_based, only_failed=only_failed))
        return report

    def job(self, job_id: str) -> dict[str, Any]:
        """Read the job as Pleo shows it."""
        return next(job for job in self.call("GET", "/jobs?limit=1000")["data"] if job["id"] == job_id)

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """The latest result of every expense, by entry id."""
        rows = self.call("GET", "/expenses?limit=1000")["data"]
        return {row["id"]: row["outcome"] or {} for row in rows}

    def journal(self, part: str = "") -> list[dict[str, Any]]:
        """Every call the sandbox was sent, whose method and path contain a text."""
        found, after = [], 0
        while True:
            page = self.call("GET", f"/journal?after={after}&limit=1000")
            found += page["data"]
            if not page["next"]:
                return [call for call in found if part in f"{call['method']} {call['path']}"]
            after = page["next"]

    def events(self) -> list[str]:
        """The job events the sandbox was sent, in order, whatever it answered."""
        return [json.loads(call["requestBody"])["event"] for call in self.journal("POST /v3/export-job-events")]

    def booked(self) -> list[tuple[str, str]]:
        """Entry id and external id of everything in the book, read with sqlite3 and not through the adapter."""
        with closing(sqlite3.connect(f"file:{self.place.book}?mode=ro", uri=True)) as book:
            return book.execute("SELECT entry_id, printf('%06d', number) FROM entries ORDER BY entry_id").fetchall()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A sandbox of its own for each test, with an empty company."""
    with server.running(world="empty") as address:
        made = Stage(address, tmp_path)
        made.found()
        yield made
        made.http.close()
