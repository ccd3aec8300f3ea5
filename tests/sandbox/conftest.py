"""Real sandboxes on free ports, one per profile for all tests; each test founds its own world in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tallybook.sandbox.server import running

Json = dict[str, Any]


@dataclass
class Pleo:
    """A sandbox as a test uses it: `http` carries the access token of the world's company."""

    http: httpx.Client
    url: str
    company_id: str
    api_key: str
    access_token: str

    def found(self, world: str = "empty", **options: Any) -> Json:
        """Start with a new world."""
        return self.ok(self.http.post("/_sandbox/worlds", json={"world": world, "seed": 1} | options))

    def add(self, *expenses: Json) -> list[str]:
        """Add expenses, filled in by the sandbox."""
        ids: list[str] = self.ok(self.http.post("/_sandbox/expenses", json=list(expenses)))["ids"]
        return ids

    def export(self, *entry_ids: str, **options: Any) -> Json:
        """Press Export for these entries, or for everything."""
        body = {"entryIds": list(entry_ids) or None} | options
        return self.ok(self.http.post("/_sandbox/exports", json=body))

    def job_of(self, count: int, **options: Any) -> tuple[str, list[str]]:
        """Add so many expenses and export them: the job's id and the entries'."""
        ids = self.add(*[{}] * count)
        return self.export(*ids, **options)["id"], ids

    def started_job_of(self, count: int, **options: Any) -> tuple[str, list[str]]:
        """Do as `job_of`, and start the job."""
        job_id, ids = self.job_of(count, **options)
        assert self.event(job_id, "started").status_code == 202
        return job_id, ids

    def event(self, job_id: str, event: str, **more: Any) -> httpx.Response:
        """Send an event."""
        return self.http.post("/v3/export-job-events", json={"jobId": job_id, "event": event} | more)

    def update(self, job_id: str, *updates: Json) -> httpx.Response:
        """Update items."""
        return self.http.put(f"/v3/export-jobs/{job_id}/items", json=list(updates))

    def job(self, job_id: str) -> Json:
        """Read a job."""
        found: Json = self.ok(self.http.get(f"/v3/export-jobs/{job_id}"))["data"]
        return found

    def items(self, job_id: str) -> dict[str, Json]:
        """Read a job's items, by entry."""
        data = self.ok(self.http.get(f"/v3/export-jobs/{job_id}/items", params={"limit": 500}))["data"]
        return {item["accountingEntryId"]: item for item in data}

    def documents(self, job_id: str) -> list[Json]:
        """Read a job's documents."""
        data: list[Json] = self.ok(self.http.get("/v3/export-items", params={"job_id": job_id}))["data"]
        return data

    def lane(self, entry_id: str) -> str:
        """Say in which lane an entry is."""
        lane: str = self.ok(self.http.get(f"/_sandbox/expenses/{entry_id}"))["lane"]
        return lane

    def advance(self, seconds: int) -> None:
        """Move the clock on."""
        self.ok(self.http.post("/_sandbox/clock", json={"advanceSeconds": seconds}))

    def fault(self, kind: str, **order: Any) -> None:
        """Order a fault."""
        self.ok(self.http.post("/_sandbox/faults", json={"kind": kind} | order))

    @staticmethod
    def ok(answer: httpx.Response) -> Json:
        """Give the body of an answer that must be good."""
        assert answer.is_success, answer.text
        body: Json = answer.json()
        return body


def _pleo(profile: str) -> Iterator[Pleo]:
    with running(world="empty", profile=profile) as address:
        headers = {"authorization": f"Bearer {address.access_token}"}
        with httpx.Client(base_url=address.url, headers=headers, timeout=30) as http:
            yield Pleo(http, address.url, address.company_id, address.api_key, address.access_token)


@pytest.fixture(scope="session")
def reference_server() -> Iterator[Pleo]:
    """A sandbox that follows the definition."""
    yield from _pleo("reference")


@pytest.fixture(scope="session")
def guide_server() -> Iterator[Pleo]:
    """A sandbox that follows the guide."""
    yield from _pleo("guide")


@pytest.fixture
def pleo(reference_server: Pleo) -> Pleo:
    """A new, empty world under the profile `reference`."""
    reference_server.found()
    return reference_server


@pytest.fixture
def guide(guide_server: Pleo) -> Pleo:
    """A new, empty world under the profile `guide`."""
    guide_server.found()
    return guide_server
