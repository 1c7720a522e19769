"""`/api/process/{correlationId}`: run an ended process again as a new one; read and change variables."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask.views import MethodView
from flask_smorest import Blueprint

from app.api.process import find
from app.openapi.spec import LOCATION, REPLAYED
from app.operations.rerun import rerun
from app.operations.variables import change_variables, variables_document
from app.parsing import StrictParser
from app.schemas.problems import ProblemAnswer
from app.schemas.reruns import RerunAnswer, RerunRequest
from app.schemas.starts import PendingAnswer, StartHeaders
from app.schemas.variables import VariablesAnswer, VariablesChangedAnswer, VariablesRequest
from app.security.auth import requires

blp = Blueprint("repair", __name__, url_prefix="/api/process", description="Repair processes")
blp.ARGUMENTS_PARSER = StrictParser()


@blp.route("/<correlation_id>/rerun")
class Rerun(MethodView):
    @requires("process:repair")
    @blp.arguments(RerunRequest, required=False)
    @blp.arguments(StartHeaders, location="headers")
    @blp.response(200, RerunAnswer, headers=REPLAYED)
    @blp.alt_response(202, schema=PendingAnswer, description="Accepted; poll Location", headers=REPLAYED | LOCATION)
    @blp.alt_response(
        400, schema=ProblemAnswer, description="The body is not valid JSON, or the Idempotency-Key cannot be used"
    )
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id, or this key any more")
    @blp.alt_response(
        409,
        schema=ProblemAnswer,
        description="The process has not ended, or another start has the new correlation id, or the new process was "
        "cancelled",
    )
    @blp.alt_response(
        422, schema=ProblemAnswer, description="Some fields are invalid, or the new process ended with a business error"
    )
    @blp.alt_response(500, schema=ProblemAnswer, description="The new process failed with a technical error")
    @blp.alt_response(
        503,
        schema=ProblemAnswer,
        description="The database is unavailable, or too many starts wait; send the request again with the same "
        "correlation id",
    )
    def post(self, body: dict[str, Any], labels: dict[str, str], correlation_id: str) -> Response:
        """Run an ended process again as a new one, with the same or an edited input

        It is a start: it waits as a start does, and repeated with the same new correlation id it joins the first call.
        """
        return rerun(find(correlation_id), body, labels)


@blp.route("/<correlation_id>/variables")
class ProcessVariables(MethodView):
    @requires("process:read")
    @blp.response(200, VariablesAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(409, schema=ProblemAnswer, description="The process has ended, or has no instance yet")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable")
    def get(self, correlation_id: str) -> dict[str, Any]:
        """Read the variables of a running process, with their types, redacted"""
        return variables_document(find(correlation_id))

    @requires("process:repair")
    @blp.arguments(VariablesRequest)
    @blp.response(200, VariablesChangedAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(409, schema=ProblemAnswer, description="The process has ended, or has no instance yet")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable; call again")
    def patch(self, body: dict[str, Any], correlation_id: str) -> dict[str, Any]:
        """Set variables of a running process; a variable keeps its type"""
        return change_variables(find(correlation_id), body)
