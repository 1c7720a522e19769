"""Every error answer of the API: RFC 9457 problem details, shaped here and nowhere else."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from app.answers import answer
from store.database import DatabaseAway

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of error: the last part of its `type` URI, its HTTP status and its title."""

    name: str
    status: int
    title: str


INVALID_JSON = ProblemType("invalid-json", 400, "The body is no JSON document")
INVALID_CURSOR = ProblemType("invalid-cursor", 400, "The cursor is not one that this API gave")
UNKNOWN_PROCESS = ProblemType("unknown-process", 404, "No such process is known here")
UNKNOWN_CORRELATION_ID = ProblemType("unknown-correlation-id", 404, "No process has this correlation id")
UNKNOWN_TRACEABILITY_ID = ProblemType("unknown-traceability-id", 404, "No event has this traceability id")
CORRELATION_ID_CONFLICT = ProblemType("correlation-id-conflict", 409, "The correlation id belongs to another start")
ALREADY_ENDED = ProblemType("already-ended", 409, "The process has ended otherwise")
BODY_TOO_LARGE = ProblemType("body-too-large", 413, "The body is larger than this service takes")
NOT_JSON = ProblemType("unsupported-media-type", 415, "The body must be application/json")
INVALID_FIELDS = ProblemType("invalid-fields", 422, "Some fields are not as they must be")
PROCESS_FAILED = ProblemType("process-failed", 422, "The process ended in a business error")
PROCESS_CANCELLED = ProblemType("process-cancelled", 409, "The process was cancelled")
PROCESS_ERROR = ProblemType("process-error", 500, "The process stands still on a technical error")
NO_INCIDENT = ProblemType("no-incident", 409, "The process does not stand on an incident")
MESSAGE_NOT_CORRELATED = ProblemType("message-not-correlated", 409, "Nothing in the process waits for this message")
ENGINE_AWAY = ProblemType("engine-away", 503, "The engine cannot be reached; nothing was changed")
DATABASE_AWAY = ProblemType("database-away", 503, "The store cannot be reached; nothing was accepted")
TOO_MANY_STARTS = ProblemType("too-many-pending-starts", 503, "Too many starts are waiting; nothing was accepted")


class Problem(Exception):
    """An error answer, raised anywhere below a view."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        *,
        errors: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.members = members

    def response(self) -> Response:
        """The answer."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.kind.name}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": request.path,
        }
        if self.errors is not None:
            body["errors"] = self.errors
        body |= {name: value for name, value in self.members.items() if value is not None}
        response = answer(body, self.kind.status, self.headers)
        response.mimetype = MEDIA_TYPE
        return response


def register_error_handlers(app: Flask) -> None:
    """Turn everything that a view may raise into a problem; a fault of ours shows no stack trace."""
    app.register_error_handler(Problem, lambda problem: problem.response())
    app.register_error_handler(DatabaseAway, _database_away)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _fault)


def _database_away(error: DatabaseAway) -> Response:
    log.warning("answered 503: database is away: %s", error)
    retry_after = str(current_app.config["SETTINGS"].retry_after_s)
    return Problem(DATABASE_AWAY, "try again in a moment", headers={"Retry-After": retry_after}).response()


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 413:
        limit_kb = current_app.config["SETTINGS"].max_body_kb
        return Problem(BODY_TOO_LARGE, f"the limit is {limit_kb} KiB").response()
    phrase = HTTPStatus(status).phrase
    kind = ProblemType(phrase.lower().replace(" ", "-"), status, phrase)
    allow = error.get_response().headers.get("Allow")
    return Problem(kind, error.description or phrase, headers={"Allow": allow} if allow else None).response()


def _fault(error: Exception) -> Response:
    log.exception("fault while answering %s %s", request.method, request.path, exc_info=error)
    kind = ProblemType("internal-error", 500, "Something went wrong here")
    return Problem(kind, "the fault was logged").response()
