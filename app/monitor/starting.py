"""`/monitor/new/process/{processKey}`: start a process with a form that is made from its schema."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response as BaseResponse

from app.monitor.actions import changes
from app.monitor.forms import fields_of, place, variables_of
from app.monitor.hints import flatten_messages
from app.openapi.definitions import definitions
from app.responses.problem import Problem
from app.responses.problem_types import CORRELATION_ID_CONFLICT, INVALID_FIELDS, MAINTENANCE, UNKNOWN_PROCESS
from app.schemas.starts import StartRequest
from app.security.auth import requires
from app.services import services
from app.starts.start import Preference

#: problems that name a correlation id although no process of this form was accepted
_NOT_ACCEPTED = (CORRELATION_ID_CONFLICT, MAINTENANCE)


def add_to(blueprint: Blueprint) -> None:
    """Add the pages."""
    blueprint.add_url_rule("/new/process", "choose", choose)
    blueprint.add_url_rule("/new/process/<key>", "form", form)
    blueprint.add_url_rule("/new/process/<key>", "start", start, methods=["POST"])


@requires("process:start")
@changes
def choose() -> str:
    """The list of processes that can be started."""
    return render_template("monitor/choose.html", definitions=definitions())


@requires("process:start")
@changes
def form(key: str) -> str:
    """The form of a process, filled with its example."""
    definition = _definition(key)
    return render_template(
        "monitor/start.html",
        definition=definition,
        fields=fields_of(definition["startSchema"]),
        # The form has the id before it is sent, so a form that is sent twice starts one process.
        correlation_id=str(uuid.uuid4()),
    )


@requires("process:start")
@changes
def start(key: str) -> BaseResponse:
    """Start the process and redirect to its page. If the start is refused, show the form again with the errors."""
    definition = _definition(key)
    given = request.form.to_dict()
    fields = fields_of(definition["startSchema"], given)
    correlation_id = given.get("correlationId", "").strip()
    body: dict[str, Any] = {"processKey": key, **({"correlationId": correlation_id} if correlation_id else {})}
    try:
        body["variables"] = variables_of(fields, given)
        answer = services().starter.start(StartRequest().load(body), {}, Preference(0.0))
    except ValidationError as error:
        problem = Problem(
            INVALID_FIELDS, "the messages below the fields name what is wrong", errors=error.messages_dict
        )
    except Problem as found:
        if found.kind not in _NOT_ACCEPTED and "correlationId" in found.members:
            # The same form has started the process before, and it has ended with an error: show its page.
            return _to(found.members["correlationId"])
        problem = found
    else:
        return _to((answer.get_json() or {})["correlationId"])
    errors = dict(problem.errors or {})
    id_errors = flatten_messages(errors.pop("correlationId", []))
    variables = errors.pop("variables", {})
    # The errors of `variables_of` are not nested below `variables`; those of the start are.
    rest = place(fields, {**errors, **(variables if isinstance(variables, dict) else {"variables": variables})})
    page = render_template(
        "monitor/start.html",
        definition=definition,
        fields=fields,
        correlation_id=correlation_id,
        refused=problem,
        id_errors=id_errors,
        rest=rest,
    )
    return Response(page, problem.kind.status, problem.headers)


def _definition(key: str) -> dict[str, Any]:
    for definition in definitions():
        if definition["key"] == key:
            return definition
    raise Problem(UNKNOWN_PROCESS, f"no process has the key {key[:200]!r}")


def _to(correlation_id: str) -> BaseResponse:
    return redirect(url_for("monitor.process", correlation_id=correlation_id), 303)
