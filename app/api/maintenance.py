"""`/api/process/maintenance`: let no process and no step begin, for a release or a repair."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from flask_smorest import Blueprint

from app.parsing import StrictParser
from app.responses.maintenance import maintenance_document
from app.schemas.maintenance import MaintenanceAnswer, MaintenanceRequest
from app.security.auth import current_actor, requires
from service import maintenance
from store.maintenance import Maintenance
from tasks.runtime import runtime

blp = Blueprint(
    "maintenance",
    __name__,
    url_prefix="/api/process/maintenance",
    description="Let no process and no step begin for a while",
)
blp.ARGUMENTS_PARSER = StrictParser()

_OFF = {"on": False, "since": None, "reason": None, "starts": None, "until": None, "changedBy": None}


@blp.route("")
class MaintenanceSwitch(MethodView):
    @requires("process:read")
    @blp.response(200, MaintenanceAnswer)
    def get(self) -> dict[str, Any]:
        """Read whether the service is in maintenance"""
        return _document(runtime().maintenance.current())

    @requires("process:admin")
    @blp.arguments(MaintenanceRequest)
    @blp.response(200, MaintenanceAnswer)
    def put(self, body: dict[str, Any]) -> dict[str, Any]:
        """Begin maintenance, or change it; the answer comes when no process and no step begins any more

        Running steps end, and what they have done is kept. A repeated call gets the same answer.
        """
        maintenance.begin(body["reason"], starts=body["starts"], until=body["until"], actor=current_actor())
        return _document(runtime().maintenance.current())

    @requires("process:admin")
    @blp.response(200, MaintenanceAnswer)
    def delete(self) -> dict[str, Any]:
        """End maintenance: held starts and waiting steps begin; a repeated call gets the same answer"""
        maintenance.end(actor=current_actor())
        return _document(runtime().maintenance.current())


def _document(found: Maintenance | None) -> dict[str, Any]:
    if found is None:
        return _OFF
    return {"on": True, **(maintenance_document(found) or {}), "changedBy": found.actor}
