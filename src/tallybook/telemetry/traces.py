"""Traces by OpenTelemetry: a span for each job, step and call to Pleo; ids only. Not even imported until set up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tallybook import __version__
from tallybook.errors import SettingsError
from tallybook.telemetry import logs

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_EXPORT_WITHIN_S = 2.0  # so that a collector that is away does not hold up the end of the process
_tracer: "Tracer | None" = None  # of this process, like the log


@contextmanager
def tracing(endpoint: str | None) -> Iterator[None]:
    """Send the spans made inside to an OTLP/HTTP endpoint; without one, make none. The end sends what is left.

    Repeat: one at a time.
    Raises:
        SettingsError: the extra packages are not installed.
    """
    global _tracer  # noqa: PLW0603 - spans are made where the work is done
    if endpoint is None:
        yield
        return
    provider = _provider(endpoint)
    _tracer = provider.get_tracer("tallybook", __version__)
    try:
        yield
    finally:
        _tracer = None
        provider.shutdown()


@contextmanager
def span(name: str, **ids: str | int) -> Iterator[None]:
    """Make a span around the block, under the one it stands in; an error marks it and leaves no text in it."""
    if _tracer is None:
        yield
        return
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - only where traces are on

    with _tracer.start_as_current_span(
        name, attributes=ids, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield
        except Exception as error:
            made.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def past(name: str, duration_s: float, *, failed: bool, **ids: str | int) -> None:
    """Make a span of something that has just ended, under the one at hand."""
    if _tracer is None:
        return
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - only where traces are on

    ended_ns = time.time_ns()
    made = _tracer.start_span(name, attributes=ids, start_time=ended_ns - int(duration_s * 1e9))
    if failed:
        made.set_status(Status(StatusCode.ERROR))
    made.end(ended_ns)


def _provider(endpoint: str) -> "TracerProvider":
    try:  # only here: who has not asked for traces pays nothing for them
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            ["telemetry.otlp_endpoint is set without OpenTelemetry; in Tallybook's clone: pip install '.[otel]'"]
        ) from None
    logs.bridge("opentelemetry")
    ids = {"service.name": "tallybook", "service.version": __version__}
    provider = TracerProvider(resource=Resource.create(ids), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_WITHIN_S)))
    return provider
