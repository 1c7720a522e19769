"""`/health`: is this web process alive, and is the whole system ready?"""

from __future__ import annotations

from typing import Any

from flask import Response
from flask.views import MethodView
from flask_smorest import Blueprint

from app.responses.answers import answer
from app.schemas.health import LiveAnswer, ReadyAnswer
from app.services import services
from service.health import Part, moment
from tasks.topics.unhandled import unhandled_topics

blp = Blueprint("health", __name__, url_prefix="/health", description="Liveness and readiness")


@blp.route("/live")
class Live(MethodView):
    @blp.response(200, LiveAnswer)
    def get(self) -> dict[str, str]:
        """Is this web process alive? Never depends on anything else"""
        return {"status": "alive"}


@blp.route("/ready")
class Ready(MethodView):
    @blp.response(200, ReadyAnswer)
    @blp.alt_response(503, schema=ReadyAnswer, description="Starts cannot be accepted: the database is away")
    def get(self) -> Response:
        """Which parts are away, and since when

        `ready`: all is well. `degraded` (200): starts are accepted and kept, but some part is away. `unavailable`
        (503): starts are refused.
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
        }
        return answer(body, 503 if status == "unavailable" else 200)


def _shown(part: Part) -> dict[str, Any]:
    shown = {"up": part.up, "detail": part.detail, **part.facts}
    return shown if part.up else {**shown, "since": moment(part.since or 0)}
