"""`/api/process/incidents`: the open incidents, grouped by their cause."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from flask_smorest import Blueprint

from app.parsing import StrictParser
from app.schemas.incidents import IncidentsAnswer, IncidentsQuery
from app.security.auth import requires
from app.views import incidents_document
from service.incidents import grouped

blp = Blueprint("incidents", __name__, url_prefix="/api/process/incidents", description="Open incidents by their cause")
blp.ARGUMENTS_PARSER = StrictParser()


@blp.route("")
class Incidents(MethodView):
    @requires("process:read")
    @blp.arguments(IncidentsQuery, location="query")
    @blp.response(200, IncidentsAnswer)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List the open incidents in groups, the largest first"""
        return incidents_document(grouped(process_key=query.get("processKey"), step=query.get("step")))
