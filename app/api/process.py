"""`/api/process`: start a process, read its status, list processes, complete, retry, cancel, send a message."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask.views import MethodView
from flask_smorest import Blueprint
from marshmallow import EXCLUDE

from app.openapi.spec import LOCATION, REPLAYED
from app.operations import suspending
from app.operations.ending import cancel, complete, retry, send_message
from app.parsing import IDEMPOTENCY_KEY, StrictParser
from app.responses import cursors
from app.responses.answers import answer
from app.responses.maintenance import maintenance_document
from app.responses.problem import Problem
from app.responses.problem_types import INVALID_IDEMPOTENCY_KEY, UNKNOWN_CORRELATION_ID
from app.schemas.incidents import RetryRequest
from app.schemas.problems import ProblemAnswer
from app.schemas.processes import (
    CancelRequest,
    CompleteRequest,
    ListQuery,
    MessageRequest,
    PageAnswer,
    StatusAnswer,
    StatusQuery,
    SuspendRequest,
)
from app.schemas.starts import PendingAnswer, StartAnswer, StartHeaders, StartRequest
from app.security.auth import requires
from app.services import services
from app.starts.start import preference
from app.views import row_document, standing_document, status_document
from store.finding import Search, Traits
from store.overview import COUNT_LIMIT
from store.process_rows import PENDING, ProcessRow
from telemetry import log_context

blp = Blueprint("process", __name__, url_prefix="/api/process", description="Start processes and get their results")
blp.ARGUMENTS_PARSER = StrictParser()


@blp.route("/start")
class Start(MethodView):
    @requires("process:start")
    @blp.arguments(StartRequest)
    @blp.arguments(StartHeaders, location="headers")
    @blp.response(200, StartAnswer, headers=REPLAYED)
    @blp.alt_response(202, schema=PendingAnswer, description="Accepted; poll Location", headers=REPLAYED | LOCATION)
    @blp.alt_response(
        400, schema=ProblemAnswer, description="The body is not valid JSON, or the Idempotency-Key cannot be used"
    )
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this key")
    @blp.alt_response(
        409, schema=ProblemAnswer, description="Another start has the correlation id, or the process was cancelled"
    )
    @blp.alt_response(
        422, schema=ProblemAnswer, description="Some fields are invalid, or the process ended with a business error"
    )
    @blp.alt_response(500, schema=ProblemAnswer, description="The process failed with a technical error")
    @blp.alt_response(
        503,
        schema=ProblemAnswer,
        description="The database is unavailable, too many starts wait, or the service is in maintenance; send the "
        "start again with the same correlation id",
    )
    def post(self, body: dict[str, Any], labels: dict[str, str]) -> Response:
        """Start a process and wait for its result

        A repeated start with the same correlation id and content joins the first. Send `Prefer: wait=N` to wait N
        seconds at most, or `Prefer: respond-async` not to wait (RFC 7240).
        """
        return services().starter.start(body, labels)


@blp.route("/status/all")
class ProcessList(MethodView):
    @requires("process:read")
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, PageAnswer)
    @blp.alt_response(400, schema=ProblemAnswer, description="The cursor is invalid")
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List processes, newest first"""
        wanted: dict[str, Any] = {
            "search": Search(query.get("identifier"), query.get("q")),
            "traits": Traits(
                statuses=tuple(dict.fromkeys(query.get("status", ()))),
                incident=query.get("incident"),
                batch_id=query.get("batchId"),
                application_id=query.get("applicationId"),
                error_code=query.get("errorCode"),
                failed_step=query.get("failedStep"),
                started_by=query.get("startedBy"),
            ),
            "process_key": query.get("processKey"),
            "started_after": query.get("startedAfter"),
            "started_before": query.get("startedBefore"),
        }
        processes = services().processes
        rows = processes.page(limit=query["limit"] + 1, before_seq=cursors.read(query.get("cursor")), **wanted)
        shown = rows[: query["limit"]]
        more = len(rows) > len(shown)
        return {
            "processes": [row_document(row) for row in shown],
            "nextCursor": cursors.write(shown[-1].seq) if more else None,
            "truncated": processes.is_cut(wanted["search"]),
            "count": processes.count(most=COUNT_LIMIT + 1, **wanted) if query["count"] else None,
        }


@blp.route("/status/<correlation_id>")
class ProcessStatus(MethodView):
    @requires("process:read")
    # Unknown parameters are ignored: polling clients may add some against caches.
    @blp.arguments(StatusQuery, location="query", unknown=EXCLUDE)
    @blp.response(200, StatusAnswer)
    @blp.alt_response(202, schema=StatusAnswer, description="Not ended yet; poll again after Retry-After seconds")
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    def get(self, query: dict[str, Any], correlation_id: str) -> Response:
        """Read the status and the result of a process

        Send `Prefer: wait=N` to get the answer when the process ends, or after N seconds (a long poll). With
        `?active=true`, the answer also shows where the process stands, and what it waits for.
        """
        preferred = preference(services().settings, default_s=0)
        row = services().starter.wait_for(find(correlation_id), preferred)
        headers = {"Preference-Applied": preferred.applied} if preferred.applied else {}
        document = status_document(row)
        if query["active"] and (row.status == PENDING or row.incident_id is not None):
            document["active"] = standing_document(row)
        if row.status != PENDING:
            return answer(document, 200, headers)
        headers["Retry-After"] = str(services().settings.retry_after_s)
        document["maintenance"] = maintenance_document(services().maintenance.shown())
        return answer(document, 202, headers)


@blp.route("/complete")
class Complete(MethodView):
    @requires("process:complete")
    @blp.arguments(CompleteRequest)
    @blp.response(200, StatusAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(409, schema=ProblemAnswer, description="The process has already ended with another result")
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """End a process with a result or an error; a repeated call gets the same answer"""
        return status_document(complete(find(body["correlationId"]), body))


@blp.route("/<correlation_id>/retry")
class Retry(MethodView):
    @requires("process:admin")
    @blp.arguments(RetryRequest, required=False)
    @blp.response(200, StatusAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(
        409, schema=ProblemAnswer, description="The process has no open incident, or the engine refuses the retry"
    )
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable; call again")
    def post(self, body: dict[str, Any], correlation_id: str) -> dict[str, Any]:
        """Retry the open incidents of a process; a repeated call gets the same answer"""
        return status_document(retry(find(correlation_id), body["variables"]))


@blp.route("/<correlation_id>/cancel")
class Cancel(MethodView):
    @requires("process:admin")
    @blp.arguments(CancelRequest, required=False)
    @blp.response(200, StatusAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(409, schema=ProblemAnswer, description="The process has already ended with another result")
    def post(self, body: dict[str, Any], correlation_id: str) -> dict[str, Any]:
        """Cancel a process and delete its instance; a repeated call gets the same answer"""
        return status_document(cancel(find(correlation_id), body["reason"]))


@blp.route("/<correlation_id>/suspend")
class Suspend(MethodView):
    @requires("process:admin")
    @blp.arguments(SuspendRequest, required=False)
    @blp.response(200, StatusAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(409, schema=ProblemAnswer, description="The process has ended, or has no instance yet")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable; call again")
    def post(self, body: dict[str, Any], correlation_id: str) -> dict[str, Any]:
        """Suspend a process and those that it called; a repeated call gets the same answer

        No step of it begins, and none of its timers fires. A step that runs ends, and its outcome counts when the
        process is resumed.
        """
        return status_document(suspending.suspend(find(correlation_id), body["reason"]))


@blp.route("/<correlation_id>/resume")
class Resume(MethodView):
    @requires("process:admin")
    @blp.response(200, StatusAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(409, schema=ProblemAnswer, description="The process has ended, or has no instance yet")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable; call again")
    def post(self, correlation_id: str) -> dict[str, Any]:
        """Resume a process and those that it called; a repeated call gets the same answer"""
        return status_document(suspending.resume(find(correlation_id)))


@blp.route("/<correlation_id>/message")
class Message(MethodView):
    @requires("process:admin")
    @blp.arguments(MessageRequest)
    @blp.response(200, StatusAnswer)
    @blp.alt_response(
        400, schema=ProblemAnswer, description="The body is not valid JSON, or the request has an Idempotency-Key"
    )
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(
        409,
        schema=ProblemAnswer,
        description="The process does not wait for this message, has ended, or the engine refuses the message",
    )
    @blp.alt_response(422, schema=ProblemAnswer, description="Some fields are invalid")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable")
    def post(self, body: dict[str, Any], correlation_id: str) -> dict[str, Any]:
        """Deliver a message, with variables, to a process that waits for it

        A message is not idempotent, so a request with an `Idempotency-Key` is refused.
        """
        if IDEMPOTENCY_KEY in request.headers:
            raise Problem(INVALID_IDEMPOTENCY_KEY, f"{IDEMPOTENCY_KEY}: a message does not support it")
        return status_document(send_message(find(correlation_id), body["messageName"], body["variables"]))


def find(correlation_id: str) -> ProcessRow:
    """The process row of a correlation id.

    Raises:
        Problem: no process has this correlation id.
    """
    log_context.bind(correlation_id=correlation_id)
    row = services().processes.by_correlation_id(correlation_id)
    if row is None:
        raise Problem(UNKNOWN_CORRELATION_ID, f"no process has the correlation id {correlation_id[:200]!r}")
    log_context.bind(traceability_id=row.traceability_id)
    return row
