"""Repairs from the page of a process: a form is checked first, and the page shows what it would do, to be confirmed."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.api.process import find
from app.monitor.actions import changes, document_of, loaded, text_of
from app.monitor.detail import content
from app.operations.rerun import rerun
from app.responses.problem import Problem
from app.responses.problem_types import CORRELATION_ID_CONFLICT
from app.schemas.reruns import RerunRequest
from app.security.auth import requires
from app.services import services
from app.starts.start import Preference


def add_to(blueprint: Blueprint) -> None:
    """Add the views that the forms send to."""
    blueprint.add_url_rule("/<correlation_id>/rerun", "rerun", run_again, methods=["POST"])


@requires("process:repair")
@changes
def run_again(correlation_id: str) -> BaseResponse:
    """Show what a rerun would start; once it is confirmed, start it and redirect to the page of the new process."""
    row = find(correlation_id)
    # The id is chosen before the form is confirmed, so a form that is sent twice starts one process.
    new_id = text_of("correlationId") or str(uuid.uuid4())
    is_confirmed = text_of("confirmed") is not None
    try:
        body = loaded(RerunRequest(), correlationId=new_id, variables=document_of("variables"), dryRun=not is_confirmed)
        answer = rerun(row, body, {}, Preference(0.0))
    except Problem as problem:
        if is_confirmed and problem.kind is not CORRELATION_ID_CONFLICT and _is_rerun(new_id, correlation_id):
            # The same form has started the process before, and it has ended with an error: show its page.
            return _to(new_id)
        page = render_template("monitor/process.html", refused=problem, **content(row))
        return Response(page, problem.kind.status, problem.headers)
    if is_confirmed:
        return _to(new_id)
    plan: dict[str, Any] = {
        "title": "This would start",
        "button": "Start it",
        "action": url_for("monitor.rerun", correlation_id=correlation_id),
        "document": (answer.get_json() or {})["wouldStart"],
        "fields": {"correlationId": new_id, "variables": request.form.get("variables", ""), "confirmed": "yes"},
    }
    return Response(render_template("monitor/process.html", plan=plan, **content(row)))


def _is_rerun(correlation_id: str, of: str) -> bool:
    row = services().processes.by_correlation_id(correlation_id)
    return row is not None and row.rerun_of == of


def _to(correlation_id: str) -> BaseResponse:
    return redirect(url_for("monitor.process", correlation_id=correlation_id), 303)
