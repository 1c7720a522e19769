"""Logs one line for each request with `ACCESS_LOG=on`: route, status, time, caller and the ids of the log context."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

from app.security.auth import Principal
from settings import Settings

log = logging.getLogger(__name__)

#: paths that monitoring requests every few seconds; they are logged only if they fail
_PROBES = ("/health/", "/metrics")


def install(app: Flask, settings: Settings) -> None:
    """Log each request when its answer begins, unless `ACCESS_LOG=off`.

    Install it before all other functions of requests: then its time contains theirs, and it sees the final status.
    """
    if settings.access_log == "off":
        return
    app.before_request(_begin)
    app.after_request(_write)


def _begin() -> None:
    g.access_since = time.perf_counter()


def _write(response: Response) -> Response:
    if response.status_code < 400 and request.path.startswith(_PROBES):
        return response
    principal = g.get("principal")
    fields = {
        "method": request.method,
        # The rule, not the path: lines of one route are found by one value, and a path may be any text.
        "route": request.url_rule.rule if request.url_rule is not None else None,
        "status": response.status_code,
        "ms": round((time.perf_counter() - g.access_since) * 1000, 1),
        "principal": principal.name if isinstance(principal, Principal) else None,
        "problem": g.get("problem"),
    }
    log.info("request answered", extra={name: value for name, value in fields.items() if value is not None})
    return response
