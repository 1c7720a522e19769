"""`/api/process/bulk`: retry or cancel many processes by a filter."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from flask_smorest import Blueprint

from app.operations.bulk import cancel_many, retry_many
from app.parsing import StrictParser
from app.schemas.bulk import BulkAnswer, BulkCancelRequest, BulkRetryRequest
from app.security.auth import requires

blp = Blueprint("bulk", __name__, url_prefix="/api/process/bulk", description="Many processes at once")
blp.ARGUMENTS_PARSER = StrictParser()


@blp.route("/retry")
class BulkRetry(MethodView):
    @requires("process:admin")
    @blp.arguments(BulkRetryRequest)
    @blp.response(200, BulkAnswer)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Retry the processes that have an open incident and match; without `dryRun: false`, only list them"""
        return retry_many(body)


@blp.route("/cancel")
class BulkCancel(MethodView):
    @requires("process:admin")
    @blp.arguments(BulkCancelRequest)
    @blp.response(200, BulkAnswer)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Cancel the processes that run or have an open incident, and match; without `dryRun: false`, only list them"""
        return cancel_many(body)
