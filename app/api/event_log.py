"""`/api/process/event-log`: what happened, step by step."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from flask_smorest import Blueprint

from app.parsing import StrictParser
from app.responses import cursors
from app.responses.problem import Problem
from app.responses.problem_types import UNKNOWN_TRACEABILITY_ID
from app.schemas.event_log import EventLogAnswer, EventQuery
from app.schemas.problems import ProblemAnswer
from app.security.auth import requires
from app.services import services
from app.views import event_document

blp = Blueprint("event-log", __name__, url_prefix="/api/process", description="What happened, step by step")
blp.ARGUMENTS_PARSER = StrictParser()


@blp.route("/event-log/<traceability_id>")
class EventLog(MethodView):
    @requires("process:read")
    @blp.arguments(EventQuery, location="query")
    @blp.response(200, EventLogAnswer)
    @blp.alt_response(400, schema=ProblemAnswer, description="The cursor is invalid")
    @blp.alt_response(404, schema=ProblemAnswer, description="No process and no event has this traceability id")
    def get(self, query: dict[str, Any], traceability_id: str) -> dict[str, Any]:
        """Read the events of one traceability id, in order"""
        after = cursors.read(query.get("cursor"))
        rows = services().events.by_traceability_id(traceability_id, after_seq=after or 0, limit=query["limit"] + 1)
        if not rows and after is None and not services().processes.has_traceability_id(traceability_id):
            raise Problem(UNKNOWN_TRACEABILITY_ID, f"no process has the traceability id {traceability_id[:200]!r}")
        shown = rows[: query["limit"]]
        more = len(rows) > len(shown)
        return {
            "eventLog": [event_document(row) for row in shown],
            "nextCursor": cursors.write(shown[-1].seq) if more else None,
        }
