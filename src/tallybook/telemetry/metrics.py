"""Prometheus metrics of this process; docs/metrics.md says what each is good for, and a test holds the two together.

Labels are bounded: companies of the settings, operations, statuses, classes and reasons, never a job or an entry.
"""

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypedDict

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from tallybook import __version__

REGISTRY: Final = CollectorRegistry()


class _Ours(TypedDict):
    registry: CollectorRegistry


_OURS: Final[_Ours] = {"registry": REGISTRY}
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

JOBS: Final = Counter("tallybook_jobs", "Runs that ended, by what came of them.", ["outcome"], **_OURS)
ITEMS: Final = Counter("tallybook_items", "Items whose result Pleo acknowledged.", ["result", "reason"], **_OURS)
PLEO_CALLS: Final = Counter("tallybook_pleo_calls", "Attempts at calls to Pleo.", ["operation", "status"], **_OURS)
PLEO_CALL_SECONDS: Final = Histogram(
    "tallybook_pleo_call_seconds", "How long they took.", ["operation"], buckets=_SECONDS, **_OURS
)
BOOKS_CALLS: Final = Counter("tallybook_books_calls", "Calls to the accounting system.", ["call", "result"], **_OURS)
BOOKS_CALL_SECONDS: Final = Histogram(
    "tallybook_books_call_seconds", "How long they took.", ["call"], buckets=_SECONDS, **_OURS
)
WEBHOOKS: Final = Counter("tallybook_webhooks", "Notifications, by what came of them.", ["result"], **_OURS)
POLLS: Final = Counter("tallybook_polls", "Times Pleo was asked what is waiting.", ["company", "result"], **_OURS)
POLLED_AT: Final = Gauge("tallybook_polled_timestamp_seconds", "When Pleo last answered that.", ["company"], **_OURS)
PAUSED: Final = Gauge("tallybook_paused", "1 while the company is paused, 0 while it is not.", ["company"], **_OURS)
LANE_DEPTH: Final = Gauge("tallybook_lane_depth", "Jobs that wait or run, in all workers.", ["company"], **_OURS)
LANE_OLDEST: Final = Gauge("tallybook_lane_oldest_seconds", "Age of the oldest of them.", ["company"], **_OURS)
JOB_EXPIRES_IN: Final = Gauge(
    "tallybook_job_expires_in_seconds", "Until Pleo lets the running job expire.", ["company"], **_OURS
)
LEASE_AGE: Final = Gauge("tallybook_lease_age_seconds", "Since this worker renewed its lease; 0 on SQLite.", **_OURS)
BUILD: Final = Gauge(
    "tallybook_build_info", "Always 1; what is running.", ["version", "runs_version", "python"], **_OURS
)
ProcessCollector(**_OURS)


def text() -> bytes:
    """Write all metrics as Prometheus reads them.

    Repeat: safe.
    """
    return generate_latest(REGISTRY)


def build(runs_version: str) -> None:
    """Say what is running: the release, the version its runs are kept under, and Python's."""
    BUILD.labels(__version__, runs_version, platform.python_version()).set(1)


def lane(company_id: str, depth: int, oldest_s: float) -> None:
    """Say how many jobs wait or run for a company, and how old the oldest is, in seconds."""
    LANE_DEPTH.labels(company_id).set(depth)
    LANE_OLDEST.labels(company_id).set(oldest_s)


@contextmanager
def books_call(call: str) -> Iterator[None]:
    """Count a call to the books by how it ends, and measure it."""
    began_s, result = time.monotonic(), "cut off"
    try:
        yield
        result = "ok"
    except Exception as error:
        result = type(error).__name__
        raise
    finally:
        BOOKS_CALLS.labels(call, result).inc()
        BOOKS_CALL_SECONDS.labels(call).observe(time.monotonic() - began_s)


def job_expires(company_id: str, left_s: Callable[[], float]) -> None:
    """Show how long the company's running job has left, in seconds, asked anew at every look."""
    JOB_EXPIRES_IN.labels(company_id).set_function(left_s)


def job_over(company_id: str) -> None:
    """Show no time to expiry for the company any more.

    Repeat: safe.
    """
    JOB_EXPIRES_IN.remove(company_id)
