"""`/api/process/definitions`: which processes can be started, and their variables."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from flask_smorest import Blueprint

from app.openapi.definitions import definitions
from app.schemas.definitions import DefinitionsAnswer
from app.security.auth import requires

blp = Blueprint("definitions", __name__, url_prefix="/api/process", description="Which processes can be started")


@blp.route("/definitions")
class Definitions(MethodView):
    @requires("process:read")
    @blp.response(200, DefinitionsAnswer)
    def get(self) -> dict[str, Any]:
        """List the registered processes: steps, queue, the schema of a start's variables and an example"""
        return {"processes": definitions()}
