"""Tracing with OpenTelemetry: one trace from the HTTP request through start and steps to the end of the process.

Tracing is off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set. While it is off, the SDK isn't imported, and :func:`span`
only checks a variable. Each process has one batching exporter, which it creates at its first span, so that no exporter
is shared across a fork.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

#: longest time to send one batch to the collector, in seconds; a shutdown waits for at most two batches
EXPORT_TIMEOUT_S = 2.0
#: most spans that wait for an unavailable collector; further ones are dropped
MAX_QUEUED = 1_024
#: most spans in one batch
BATCH = 512
#: pause between two batches, in milliseconds
EVERY_MS = 1_000

_settings: Settings | None = None
_provider: TracerProvider | None = None
_tracer: Tracer | None = None


def configure(settings: Settings) -> None:
    """Turn tracing on if an endpoint is set, else off; creates no thread and no connection yet."""
    global _settings
    flush()
    _settings = settings if settings.otel_exporter_otlp_endpoint else None


def is_on() -> bool:
    """True when spans are recorded."""
    return _settings is not None


def engine_calls() -> Callable[[str, str], AbstractContextManager[Any]] | None:
    """A function that makes the span of a request to the engine from its method and path; None while tracing is off."""
    return _engine_call if is_on() else None


def span(
    name: str,
    *,
    parent: str | None = None,
    kind: str = "INTERNAL",
    attributes: Mapping[str, Any] | None = None,
    only_within: bool = False,
) -> AbstractContextManager[Span | None]:
    """A span around a block, which is the current span inside; None while tracing is off.

    An exception that leaves the block marks the span as an error. Only its type is recorded, because its message may
    hold personal data.

    Args:
        parent: a `traceparent`; None for the current span.
        kind: INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER.
        attributes: attributes of the span, without those that are None.
        only_within: True to record nothing when there is neither a current span nor a parent.
    """
    if _settings is None:
        return nullcontext()
    return _span(name, parent, kind, attributes or {}, only_within)


@contextmanager
def _span(
    name: str, parent: str | None, kind: str, attributes: Mapping[str, Any], only_within: bool
) -> Iterator[Span | None]:
    from opentelemetry import trace

    if only_within and not parent and not trace.get_current_span().get_span_context().is_valid:
        yield None
        return
    with _own_tracer().start_as_current_span(
        name,
        context=_context(parent) if parent else None,
        kind=trace.SpanKind[kind],
        attributes={key: value for key, value in attributes.items() if value is not None},
        record_exception=False,
        set_status_on_exception=False,
    ) as this:
        try:
            yield this
        except BaseException as error:
            fail(type(error).__name__)
            raise


def annotate(**attributes: Any) -> None:
    """Add attributes to the current span; in a name, `_` becomes `.` and `__` becomes `_`."""
    if _settings is None:
        return
    from opentelemetry import trace

    current = trace.get_current_span()
    for name, value in attributes.items():
        if value is not None:
            current.set_attribute(name.replace("__", "\0").replace("_", ".").replace("\0", "_"), value)


def name_it(name: str, **attributes: Any) -> None:
    """Rename the current span, when its name wasn't known at its beginning, and add attributes."""
    if _settings is None:
        return
    from opentelemetry import trace

    trace.get_current_span().update_name(name)
    annotate(**attributes)


def fail(kind: str) -> None:
    """Mark the current span as an error of this kind."""
    if _settings is None:
        return
    from opentelemetry import trace

    current = trace.get_current_span()
    current.set_attribute("error.type", kind)
    current.set_status(trace.Status(trace.StatusCode.ERROR, kind))


def traceparent() -> str | None:
    """The current span as a `traceparent` (W3C Trace Context), to continue its trace elsewhere; None without a span."""
    if _settings is None:
        return None
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def send_now() -> None:
    """Send the queued spans now, because this process may be killed soon."""
    if _provider is not None:
        _provider.force_flush()


def flush() -> None:
    """Send the queued spans and close the exporter of this process; takes a few seconds if the collector is slow."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        provider.shutdown()


def _context(parent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})


def _own_tracer() -> Tracer:
    global _provider, _tracer
    if _tracer is None:
        if _settings is None:
            raise RuntimeError("tracing is off")
        _provider = _make_provider(_settings)
        _tracer = _provider.get_tracer("celery-camunda")
    return _tracer


def _make_provider(settings: Settings) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    headers = dict(entry.split("=", 1) for entry in settings.otel_exporter_otlp_headers)
    exporter = OTLPSpanExporter(
        endpoint=settings.otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces",
        headers={name.strip(): value.strip() for name, value in headers.items()},
        timeout=EXPORT_TIMEOUT_S,
    )
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.otel_sample_ratio)),
        resource=Resource.create({"service.name": settings.otel_service_name, "process.pid": os.getpid()}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, max_queue_size=MAX_QUEUED, schedule_delay_millis=EVERY_MS, max_export_batch_size=BATCH
        )
    )
    return provider


def _engine_call(method: str, path: str) -> AbstractContextManager[Any]:
    """The span of one request to the engine inside a trace; requests of polls, outside of a trace, are left out."""
    shown = path.split("?", maxsplit=1)[0]
    attributes = {"http.request.method": method, "url.path": shown}
    return span(f"engine {method} {_pattern(shown)}", kind="CLIENT", attributes=attributes, only_within=True)


def _pattern(path: str) -> str:
    """A path with `{id}` in place of ids, because otherwise every task would have its own span name."""
    return "/".join("{id}" if any(it.isdigit() for it in part) and "-" in part else part for part in path.split("/"))


def _forget() -> None:
    # The thread of the parent's exporter doesn't exist in the child, and its queue would be sent twice.
    global _provider, _tracer
    _provider = _tracer = None


os.register_at_fork(after_in_child=_forget)
atexit.register(flush)
