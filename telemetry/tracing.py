"""OpenTelemetry spans of the work at hand: one trace from the HTTP request through start and steps to settle.

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set: then the SDK is not even imported, and :func:`span` is one look at a
variable. Everything that is sent goes through one batching exporter a process, made at its first span, so that none is
shared across a fork.
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

#: longest that one batch may take to reach the collector, in seconds; a shutdown waits for two at most
EXPORT_TIMEOUT_S = 2.0
#: spans kept for a collector that is away, at most; more are dropped
MAX_QUEUED = 1_024
#: spans sent at once
BATCH = 512
#: pause between two batches, in milliseconds
EVERY_MS = 1_000

_settings: Settings | None = None
_provider: TracerProvider | None = None
_tracer: Tracer | None = None


def configure(settings: Settings) -> None:
    """Turn tracing on if an endpoint is set, else off. Makes no thread and no connection yet."""
    global _settings
    flush()
    _settings = settings if settings.otel_exporter_otlp_endpoint else None


def is_on() -> bool:
    """True when spans are recorded."""
    return _settings is not None


def engine_calls() -> Callable[[str, str], AbstractContextManager[Any]] | None:
    """Makes the span of a call to the engine from its method and path; None while no spans are recorded."""
    return _engine_call if is_on() else None


def span(
    name: str,
    *,
    parent: str | None = None,
    kind: str = "INTERNAL",
    attributes: Mapping[str, Any] | None = None,
    only_within: bool = False,
) -> AbstractContextManager[Span | None]:
    """A span around a block; the current one inside. None, at no cost, while tracing is off.

    An exception that leaves the block makes it an error and is recorded by its type alone: its text may hold what
    nobody is to read.

    Args:
        parent: a `traceparent`; the current span when None.
        kind: INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER.
        attributes: those that are None are left out.
        only_within: nothing is recorded where no span is current and no parent is given.
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
    with _its_tracer().start_as_current_span(
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
    """Add attributes to the current span; `_` in a name stands for `.`, `__` for `_`."""
    if _settings is None:
        return
    from opentelemetry import trace

    current = trace.get_current_span()
    for name, value in attributes.items():
        if value is not None:
            current.set_attribute(name.replace("__", "\0").replace("_", ".").replace("\0", "_"), value)


def name_it(name: str, **attributes: Any) -> None:
    """Give the current span a name that was not known when it began, and attributes."""
    if _settings is None:
        return
    from opentelemetry import trace

    trace.get_current_span().update_name(name)
    annotate(**attributes)


def fail(kind: str) -> None:
    """Make the current span an error of this kind."""
    if _settings is None:
        return
    from opentelemetry import trace

    current = trace.get_current_span()
    current.set_attribute("error.type", kind)
    current.set_status(trace.Status(trace.StatusCode.ERROR, kind))


def traceparent() -> str | None:
    """The current span for whoever goes on with its trace (W3C Trace Context); None outside of one."""
    if _settings is None:
        return None
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def send_now() -> None:
    """Send what is queued without waiting for more: this process may be the next to be killed."""
    if _provider is not None:
        _provider.force_flush()


def flush() -> None:
    """Send what is queued, and end the exporter of this process: at most a few seconds, however its collector does."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        provider.shutdown()


def _context(parent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})


def _its_tracer() -> Tracer:
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
    """The span of one call to the engine, where it belongs to a request or a step; polls would be noise."""
    shown = path.split("?", maxsplit=1)[0]
    attributes = {"http.request.method": method, "url.path": shown}
    return span(f"engine {method} {_pattern(shown)}", kind="CLIENT", attributes=attributes, only_within=True)


def _pattern(path: str) -> str:
    """A path with ids left out, or every task would make a name of its own."""
    return "/".join("{id}" if any(it.isdigit() for it in part) and "-" in part else part for part in path.split("/"))


def _forget() -> None:
    # The parent's exporter thread does not live here; its queue would be sent twice.
    global _provider, _tracer
    _provider = _tracer = None


os.register_at_fork(after_in_child=_forget)
atexit.register(flush)
