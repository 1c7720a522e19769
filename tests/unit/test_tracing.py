"""Tracing: no spans while it is off; parents, errors and forks while it is on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from settings import Settings
from telemetry import tracing
from tests.support.collector import Collector

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = CALLER[:-2] + "00"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        tracing.configure(
            Settings(otel_exporter_otlp_endpoint=collector.url, otel_exporter_otlp_headers=["x-tenant=blue"])
        )
        try:
            yield collector
        finally:
            tracing.configure(Settings())


def test_nothing_of_opentelemetry_is_imported_while_tracing_is_off() -> None:
    code = (
        "import sys; from app import create_app; import tasks.worker.bootsteps, tasks.steps.run, tasks.starts.start\n"
        "import telemetry.tracing as t\n"
        "create_app().test_client().get('/health/live')\n"
        "with t.span('x') as span: t.annotate(a=1); t.fail('y')\n"
        "assert span is None and t.traceparent() is None\n"
        "print(sorted(name for name in sys.modules if name.startswith('opentelemetry')))"
    )
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_engine_calls_are_not_observed_while_tracing_is_off() -> None:
    tracing.configure(Settings())
    assert tracing.engine_calls() is None


def test_spans_continue_the_callers_trace_and_have_their_parents(collector: Collector) -> None:
    with tracing.span("outer", parent=CALLER, kind="SERVER", attributes={"given": "x", "none": None}):
        handed_on = tracing.traceparent()
        with tracing.span("inner"):
            tracing.annotate(http_response_status__code=200)
    tracing.flush()

    inner, outer = collector.spans
    assert (outer.trace_id, outer.parent_id) == (CALLER[3:35], CALLER[36:52])
    assert handed_on == f"00-{outer.trace_id}-{outer.span_id}-01"
    assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)
    assert (outer.kind, outer.attributes) == ("SERVER", {"given": "x"})
    assert inner.attributes == {"http.response.status_code": 200}
    assert collector.headers[0]["x-tenant"] == "blue"


def test_exception_makes_its_span_an_error_without_its_text(collector: Collector) -> None:
    with pytest.raises(ValueError, match="geheim"), tracing.span("broken"):
        raise ValueError("geheim")
    tracing.flush()
    (span,) = collector.spans
    assert span.is_error
    assert span.attributes == {"error.type": "ValueError"}


def test_span_only_within_is_left_out_where_nothing_is_traced(collector: Collector) -> None:
    with tracing.span("poll", only_within=True) as span:
        assert span is None
    tracing.flush()
    assert collector.spans == []


def test_span_only_within_goes_on_with_a_parent_that_is_given(collector: Collector) -> None:
    with tracing.span("follow", parent=CALLER, only_within=True):
        pass
    tracing.flush()
    (span,) = collector.spans
    assert (span.trace_id, span.parent_id) == (CALLER[3:35], CALLER[36:52])


def test_unsampled_trace_of_the_caller_is_not_sent_but_passed_on(collector: Collector) -> None:
    with tracing.span("outer", parent=UNSAMPLED):
        handed_on = tracing.traceparent()
    tracing.flush()
    assert collector.spans == []
    assert handed_on is not None
    assert (handed_on[:35], handed_on[-2:]) == (CALLER[:35], "00")


def test_forked_child_sends_its_own_spans_and_not_its_parents(collector: Collector) -> None:
    with tracing.span("parent"):
        pass
    pid = os.fork()
    if pid == 0:
        with tracing.span("child"):
            pass
        tracing.flush()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    tracing.flush()
    assert sorted((span.name, span.pid) for span in collector.spans) == [("child", pid), ("parent", os.getpid())]


def test_flush_takes_a_limited_time_when_the_collector_is_unavailable() -> None:
    tracing.configure(Settings(otel_exporter_otlp_endpoint="http://127.0.0.1:1"))
    begun = time.monotonic()
    with tracing.span("lost"):
        pass
    tracing.configure(Settings())
    assert time.monotonic() - begun < 3 * tracing.EXPORT_TIMEOUT_S
