"""The request id of every log line and answer, and the trace that a caller goes on with (W3C Trace Context)."""

from __future__ import annotations

import re
import uuid

from flask import Flask, Response, g, has_request_context, request
from structlog.contextvars import bind_contextvars, clear_contextvars

#: ids that are taken from a caller: nothing that could break a log line or a header
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:~-]{1,128}\Z")
#: version, trace id, parent id, flags (W3C Trace Context, 3.2.2); version ff and ids of zeros are invalid
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")


def install(app: Flask) -> None:
    """Take or make an id at the beginning of each request, and echo it."""
    app.before_request(_begin)
    app.after_request(_echo)


def current_traceparent() -> str | None:
    """The valid `traceparent` of this request."""
    if not has_request_context():
        return None
    given = request.headers.get("traceparent")
    return given if given is not None and _TRACEPARENT.match(given) else None


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.match(given) else str(uuid.uuid4())
    # Threads are used again: what the last request left goes first.
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)


def _echo(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("request_id") or str(uuid.uuid4())
    return response
