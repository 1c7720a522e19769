"""`/api/process/{correlationId}/data`: export or delete all data of one process."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from flask_smorest import Blueprint

from app.api.process import find
from app.responses.problem import Problem
from app.responses.problem_types import ENGINE_AWAY, STILL_RUNS
from app.schemas.data import DataAnswer, ErasedAnswer
from app.schemas.problems import ProblemAnswer
from app.security.auth import current_actor, requires
from app.services import services
from service.erasure import erase, export
from service.errors import OperationUnavailable, ProcessStillRunning

blp = Blueprint("data", __name__, url_prefix="/api/process", description="All data of one process")


@blp.route("/<correlation_id>/data")
class Data(MethodView):
    @requires("process:admin")
    @blp.response(200, DataAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable")
    def get(self, correlation_id: str) -> dict[str, Any]:
        """Export all data of a process: its row, events, webhooks and the engine's history"""
        try:
            return export(find(correlation_id))
        except OperationUnavailable as error:
            raise _engine_unavailable(error) from None

    @requires("process:admin")
    @blp.response(200, ErasedAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(409, schema=ProblemAnswer, description="The process has not ended")
    @blp.alt_response(503, schema=ProblemAnswer, description="The engine is unavailable; no row was deleted")
    def delete(self, correlation_id: str) -> dict[str, Any]:
        """Delete all data of an ended process; this cannot be undone"""
        row = find(correlation_id)
        try:
            done = erase(row, actor=current_actor())
        except ProcessStillRunning as error:
            raise Problem(STILL_RUNS, str(error), correlationId=row.correlation_id, currentStatus=row.status) from None
        except OperationUnavailable as error:
            raise _engine_unavailable(error) from None
        return {
            "erasureId": done.id,
            "events": done.events,
            "webhooks": done.webhooks,
            "engineInstances": done.instances,
        }


def _engine_unavailable(error: OperationUnavailable) -> Problem:
    return Problem(ENGINE_AWAY, str(error), headers={"Retry-After": str(services().settings.retry_after_s)})
