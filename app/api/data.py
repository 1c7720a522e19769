"""`/api/process/{correlationId}/data`: export or delete all data of one process."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from flask_smorest import Blueprint

from app.api.process import find
from app.operations.ending import engine_problem
from app.responses.problem import Problem
from app.responses.problem_types import STILL_RUNS
from app.schemas.data import DataAnswer, ErasedAnswer
from app.schemas.problems import ProblemAnswer
from app.security.auth import current_actor, requires
from service.erasure import erase, export
from service.errors import OperationRefused, OperationUnavailable, ProcessStillRunning

blp = Blueprint("data", __name__, url_prefix="/api/process", description="All data of one process")


@blp.route("/<correlation_id>/data")
class Data(MethodView):
    @requires("process:admin")
    @blp.response(200, DataAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(409, schema=ProblemAnswer, description="The engine refuses to show its history")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable")
    def get(self, correlation_id: str) -> dict[str, Any]:
        """Export all data of a process: its row, events, webhooks and the engine's history"""
        try:
            return export(find(correlation_id))
        except (OperationUnavailable, OperationRefused) as error:
            raise engine_problem(error, correlation_id) from None

    @requires("process:admin")
    @blp.response(200, ErasedAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(409, schema=ProblemAnswer, description="The process has not ended, or the engine refuses")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable; no row was deleted")
    def delete(self, correlation_id: str) -> dict[str, Any]:
        """Delete all data of an ended process; this cannot be undone"""
        row = find(correlation_id)
        try:
            done = erase(row, actor=current_actor())
        except ProcessStillRunning as error:
            raise Problem(STILL_RUNS, str(error), correlationId=row.correlation_id, currentStatus=row.status) from None
        except (OperationUnavailable, OperationRefused) as error:
            raise engine_problem(error, correlation_id) from None
        return {
            "erasureId": done.id,
            "events": done.events,
            "webhooks": done.webhooks,
            "engineInstances": done.instances,
        }
