"""Serves `/metrics`: counters of this server's processes and gauges of the whole system. Counts requests."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request

from app.responses.problem import Problem
from app.responses.problem_types import UNAUTHORIZED
from settings import Settings
from tasks.worker.gauges import System
from telemetry.metrics import declared
from telemetry.metrics.showing import may_read, render

#: the endpoint of starts; refused starts are counted by problem type
START = "process.Start"
#: methods that are counted under their name; all others count as "other", so that callers cannot add label values
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def install(app: Flask, settings: Settings) -> None:
    """Serve `/metrics`, and count each request of the app when its answer begins."""
    system = System()

    @app.get("/metrics")
    def metrics() -> Response:
        if not may_read(request.headers.get("Authorization"), settings.metrics_token):
            challenge = {"WWW-Authenticate": 'Bearer realm="metrics"'}
            raise Problem(UNAUTHORIZED, "send METRICS_TOKEN as a bearer token", headers=challenge)
        body, media_type = render(request.headers.get("Accept", ""), [system])
        return Response(body, content_type=media_type)

    app.before_request(_begin)
    app.after_request(_count)


def note_start(process_key: str, outcome: str) -> None:
    """Count the start of this request.

    Args:
        process_key: the process that is started.
        outcome: `accepted`, or `joined` for a repeated start that joins the first.
    """
    declared.STARTS.labels(process_key, outcome).inc()
    g.started = process_key
    g.waits_since = time.perf_counter()


def _begin() -> None:
    g.begun = time.perf_counter()


def _count(response: Response) -> Response:
    status = str(response.status_code)
    route = request.url_rule.rule if request.url_rule is not None else "other"
    method = request.method if request.method in _METHODS else "other"
    declared.HTTP_REQUESTS.labels(method, route, status).inc()
    if (begun := g.get("begun")) is not None:
        declared.HTTP_SECONDS.labels(route).observe(time.perf_counter() - begun)
    problem = g.get("problem")
    if problem is not None:
        declared.PROBLEMS.labels(problem).inc()
    if (process_key := g.get("started")) is not None:
        declared.START_ANSWERS.labels(process_key, status).inc()
        answer = "async" if response.status_code == 202 else "sync"
        declared.START_WAIT.labels(process_key, answer).observe(time.perf_counter() - g.waits_since)
    elif request.endpoint == START and problem is not None:
        declared.STARTS_REFUSED.labels(problem).inc()
    return response
