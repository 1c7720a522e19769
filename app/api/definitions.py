"""`/api/process/definitions`: which processes can be started, and their variables; suspend and resume them."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from flask_smorest import Blueprint

from app.openapi.definitions import definitions
from app.operations.suspending import set_definition_suspended
from app.parsing import StrictParser
from app.schemas.definitions import DefinitionsAnswer, SuspensionAnswer
from app.schemas.problems import ProblemAnswer
from app.schemas.processes import SuspendRequest
from app.security.auth import requires

blp = Blueprint("definitions", __name__, url_prefix="/api/process", description="Which processes can be started")
blp.ARGUMENTS_PARSER = StrictParser()


@blp.route("/definitions")
class Definitions(MethodView):
    @requires("process:read")
    @blp.response(200, DefinitionsAnswer)
    def get(self) -> dict[str, Any]:
        """List the registered processes: steps, queue, the schema of a start's variables and an example"""
        return {"processes": definitions()}


@blp.route("/definitions/<key>/suspend")
class SuspendDefinition(MethodView):
    @requires("process:admin")
    @blp.arguments(SuspendRequest, required=False)
    @blp.response(200, SuspensionAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this key")
    @blp.alt_response(409, schema=ProblemAnswer, description="It is not deployed, or the engine refuses it")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable; call again")
    def post(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        """Suspend all versions of a process and their instances; a repeated call gets the same answer

        New starts are accepted, and begin when the process is resumed.
        """
        versions = set_definition_suspended(key, suspended=True, reason=body["reason"])
        return {"processKey": key, "suspended": True, "versions": versions}


@blp.route("/definitions/<key>/resume")
class ResumeDefinition(MethodView):
    @requires("process:admin")
    @blp.response(200, SuspensionAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this key")
    @blp.alt_response(409, schema=ProblemAnswer, description="It is not deployed, or the engine refuses it")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable; call again")
    def post(self, key: str) -> dict[str, Any]:
        """Resume all versions of a process and their instances; a repeated call gets the same answer"""
        return {"processKey": key, "suspended": False, "versions": set_definition_suspended(key, suspended=False)}
