"""`/health`: liveness of this web process, and readiness of the whole system."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask.views import MethodView
from flask_smorest import Blueprint

from app.responses.answers import answer
from app.responses.maintenance import maintenance_document
from app.schemas.health import LiveAnswer, ReadyAnswer
from app.services import services
from service.catalogue import unhandled_topics
from service.health import Part, moment

blp = Blueprint("health", __name__, url_prefix="/health", description="Liveness and readiness")


@blp.route("/live")
class Live(MethodView):
    @blp.response(200, LiveAnswer)
    def get(self) -> dict[str, str]:
        """Check that this web process is alive; depends on no other part"""
        return {"status": "alive"}


@blp.route("/ready")
class Ready(MethodView):
    @blp.response(200, ReadyAnswer)
    @blp.alt_response(503, schema=ReadyAnswer, description="Starts cannot be accepted: the database is unavailable")
    def get(self) -> Response:
        """Check each part of the system: which are not up, and since when

        `ready`: all parts are up. `degraded` (200): some part is not up; starts are accepted and run later.
        `unavailable` (503): the database is unavailable, so starts are refused.
        """
        parts = services().health.parts()
        unhandled = unhandled_topics()
        status = "ready" if all(part.up for part in parts.values()) else "degraded"
        if not parts["database"].up:
            status = "unavailable"
        body = {
            "status": status,
            "parts": {name: _shown(part) for name, part in parts.items()},
            "topicsWithoutHandler": unhandled,
            "pausedTopics": services().health.paused_topics(),
            "waitingRequests": services().waiters.count,
            "maintenance": maintenance_document(services().health.maintenance()),
        }
        return answer(body, 503 if status == "unavailable" else 200)


def _shown(part: Part) -> dict[str, Any]:
    shown = {"up": part.up, "detail": part.detail, **part.facts}
    return shown if part.up else {**shown, "since": moment(part.since or 0)}
