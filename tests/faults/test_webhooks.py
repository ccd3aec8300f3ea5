"""Notifications that are lost, come twice, late or out of order: every job runs, and runs once."""

import socket

import pytest

from tests.faults import matrix, staff, witness
from tests.faults.databases import Databases
from tests.faults.scene import Scene

JOBS = 4


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("kind", "poll_every_s", "databases"),
    [
        ("drop", 1, "sqlite"),
        ("duplicate", 3600, "sqlite"),
        ("duplicate", 3600, "postgresql"),
        ("overtaken", 1, "postgresql"),
        ("delay", 1, "sqlite"),
        ("tampered", 1, "sqlite"),
    ],
    indirect=["databases"],
)
def test_whatever_becomes_of_notifications_every_job_runs_once(
    company: Scene, databases: Databases, kind: str, poll_every_s: int
) -> None:
    """Job after job, each of their notifications hit; those that get lost are made good by polling."""
    company.begin(databases.fresh())
    address = free_address()
    company.variables = {
        "TALLYBOOK_SERVE_LISTEN": address,
        "TALLYBOOK_SERVE_POLL_EVERY_S": str(poll_every_s),
        "TALLYBOOK_WEBHOOKS_SECRET": company.subscribe(f"http://{address}"),
    }
    order = {"kind": kind, "times": JOBS, "copies": 5, "delaySeconds": 1}
    company.call("POST", "/webhooks/faults", order)
    try:
        with staff.employed(company.house.launcher, 1, lambda _: company.order("serve", "--log", "json")):
            for part in range(JOBS):
                company.press_export(company.exported[part::JOBS])
                matrix.wait_until_final([company])
            company.call("GET", "/webhooks/deliveries?settled=true")
    finally:
        company.variables = {}
    counts = witness.count(company.evidence())
    assert counts.wrong == []
    assert counts.entries == len(company.exported)
