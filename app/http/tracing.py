"""Gives each request an id for log lines and the answer, and continues the caller's trace (W3C Trace Context)."""

from __future__ import annotations

import re
import uuid
from contextlib import ExitStack

from flask import Flask, Response, g, has_request_context, request

from telemetry import log_context, tracing

#: request ids that are accepted from a caller; other characters could break a log line or a header
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:~-]{1,128}\Z")
#: version, trace id, parent id, flags (W3C Trace Context, 3.2.2); version ff and ids of zeros are invalid
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")

#: paths that monitoring requests every few seconds; they get no spans
_UNTRACED = ("/health/", "/metrics")


def install(app: Flask) -> None:
    """Take the request id from the caller, or make one, and return it with the answer."""
    app.before_request(_begin)
    app.after_request(_echo)
    if tracing.is_on():
        app.before_request(_begin_span)
        app.after_request(_note_status)
        app.teardown_request(_end_span)


def current_traceparent() -> str | None:
    """The `traceparent` to pass on: of this request's span if the request is traced, otherwise the caller's."""
    if not has_request_context():
        return None
    return tracing.traceparent() or _given_traceparent()


def _given_traceparent() -> str | None:
    given = request.headers.get("traceparent")
    return given if given is not None and _TRACEPARENT.match(given) else None


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.match(given) else str(uuid.uuid4())
    names = request.view_args or {}
    log_context.begin(
        request_id=g.request_id,
        correlation_id=names.get("correlation_id"),
        traceability_id=names.get("traceability_id"),
    )


def _echo(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("request_id") or str(uuid.uuid4())
    return response


def _begin_span() -> None:
    if request.path.startswith(_UNTRACED):
        return
    route = request.url_rule.rule if request.url_rule is not None else None
    attributes = {
        "http.request.method": request.method,
        "http.route": route,
        "url.path": request.path,
        "request.id": g.request_id,
    }
    g.span = ExitStack()
    g.span.enter_context(
        tracing.span(
            f"{request.method} {route or 'unknown'}",
            parent=_given_traceparent(),
            kind="SERVER",
            attributes=attributes,
        )
    )


def _note_status(response: Response) -> Response:
    if "span" in g:
        tracing.annotate(http_response_status__code=response.status_code)
        if response.status_code >= 500:
            tracing.fail(str(response.status_code))
    return response


def _end_span(_error: BaseException | None = None) -> None:
    held: ExitStack | None = g.pop("span", None)
    if held is not None:
        held.close()
