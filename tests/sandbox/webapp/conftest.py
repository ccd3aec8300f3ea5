"""The export page over HTTP, as a browser without scripts sends and reads it."""

import html
import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest


@dataclass
class Pages:
    """The pages of a sandbox; redirects are followed, as a browser does."""

    pleo: Any

    def get(self, path: str, status: int = 200, **headers: str) -> str:
        """Read a page."""
        answer: httpx.Response = self.pleo.http.get(path, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.text

    def post(self, path: str, status: int = 200, /, **form: Any) -> str:
        """Send a form and read the page it leads to."""
        answer: httpx.Response = self.pleo.http.post(path, data=form, follow_redirects=True)
        assert answer.status_code == status, answer.text
        return answer.text

    def seen(self, path: str) -> str:
        """Read a page as a person does: its text alone."""
        return text_of(self.get(path))

    def suppliers(self, query: str = "") -> list[str]:
        """Name the suppliers of the rows a lane shows."""
        return re.findall(
            r'<a class="clip" href="/expenses/[^"]*"><span dir="auto">(.*?)</span>', self.get(f"/?{query}")
        )

    def export(self, *entry_ids: str, **form: str) -> str:
        """Queue these expenses, press Export, and give the job's id."""
        self.post("/queue", into="queue", entry=list(entry_ids))
        self.post("/export", what="queue", **form)
        jobs = self.pleo.ok(self.pleo.http.get("/_sandbox/jobs", params={"limit": 1000}))["data"]
        job_id: str = jobs[-1]["id"]
        return job_id

    def ended(self, job_id: str, event: str, *updates: dict[str, Any]) -> None:
        """Let an integration start the job, report, and send its final event."""
        self.pleo.event(job_id, "started")
        if updates:
            self.pleo.ok(self.pleo.update(job_id, *updates))
        assert self.pleo.event(job_id, event).status_code == 202


def text_of(page: str) -> str:
    """Take the tags out of a page, and the marks out of its text."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


@pytest.fixture
def pages(pleo: Any) -> Pages:
    """The pages of a new, empty world."""
    return Pages(pleo)
