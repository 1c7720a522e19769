"""Turns every exception into an answer: RFC 9457 problem details."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from app.responses.problem import Problem
from app.responses.problem_types import (
    BAD_REQUEST,
    BODY_TOO_LARGE,
    DATABASE_AWAY,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    NOT_JSON,
    REQUEST_TIMEOUT,
    TOO_MANY_REQUESTS,
    ProblemType,
)
from store.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

#: the problem type for an HTTP error that Flask or Werkzeug raises
_BY_STATUS = {
    kind.status: kind
    for kind in (BAD_REQUEST, NOT_FOUND, METHOD_NOT_ALLOWED, REQUEST_TIMEOUT, NOT_JSON, TOO_MANY_REQUESTS)
}

#: converts a problem to an answer
Shape = Callable[[Problem], Response]


def register_error_handlers(app: Flask) -> None:
    """Answer every exception of a view with a problem. An unexpected exception answers without its stack trace."""
    app.extensions["problem_shapes"] = {}
    app.register_error_handler(Problem, _shaped)
    app.register_error_handler(DatabaseUnavailable, _database_unavailable)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _internal_error)


def shape_below(app: Flask, path: str, shape: Shape) -> None:
    """Let `shape` answer the problems of `path` and the paths below it, instead of JSON."""
    app.extensions["problem_shapes"][path] = shape


def _shaped(problem: Problem) -> Response:
    shapes: dict[str, Shape] = current_app.extensions["problem_shapes"]
    for path, shape in shapes.items():
        if request.path == path or request.path.startswith(f"{path}/"):
            # app/metrics.py counts it.
            g.problem = problem.kind.name or str(problem.kind.status)
            return shape(problem)
    return problem.response()


def _database_unavailable(error: DatabaseUnavailable) -> Response:
    log.warning("database unavailable, request answered with 503: %s", error)
    retry_after = str(current_app.config["SETTINGS"].retry_after_s)
    return _shaped(Problem(DATABASE_AWAY, describe_effect(error), headers={"Retry-After": retry_after}))


def describe_effect(error: DatabaseUnavailable) -> str:
    """Whether the database may have carried out the request, for the `detail` of a problem."""
    if error.maybe_done:
        return "the database did not confirm the change: the request may have been carried out"
    return "nothing was changed; try again in a moment"


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 413:
        limit_kb = current_app.config["SETTINGS"].max_body_kb
        return _shaped(Problem(BODY_TOO_LARGE, f"the limit is {limit_kb} KiB"))
    phrase = HTTPStatus(status).phrase
    # An HTTP status without a problem type here gets the type `about:blank` (RFC 9457, 4.2.1).
    kind = _BY_STATUS.get(status) or ProblemType("", status, phrase)
    allow = error.get_response().headers.get("Allow")
    return _shaped(Problem(kind, error.description or phrase, headers={"Allow": allow} if allow else None))


def _internal_error(error: Exception) -> Response:
    log.exception("unexpected exception in %s %s, answered with 500", request.method, request.path, exc_info=error)
    return _shaped(Problem(INTERNAL_ERROR, "the server has logged the error"))
