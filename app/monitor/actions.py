"""The operations on a process from its page: the functions, scopes and audit events are those of the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response as BaseResponse

from app.api.process import find
from app.monitor import session
from app.monitor.detail import content
from app.operations import ending, suspending
from app.responses.problem import Problem
from app.responses.problem_types import FORBIDDEN, INVALID_FIELDS
from app.schemas.processes import CancelRequest, MessageRequest, SuspendRequest
from app.security.auth import requires
from store.process_rows import ProcessRow

Action = Callable[[ProcessRow], object]


def add_to(blueprint: Blueprint) -> None:
    """Add the views that the forms send to."""
    for view in (retry, cancel, message, suspend, resume):
        name = view.__name__
        blueprint.add_url_rule(f"/<correlation_id>/{name}", name, view, methods=["POST"])


def changes(view: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a view that changes something: refuse it with `MONITOR=read-only`."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if session.is_read_only():
            raise Problem(FORBIDDEN, "MONITOR=read-only: the monitor changes nothing")
        return view(*args, **kwargs)

    return guarded


@requires("process:admin")
@changes
def retry(correlation_id: str) -> BaseResponse:
    """Retry the open incidents of the process."""
    return _do(correlation_id, ending.retry)


@requires("process:admin")
@changes
def cancel(correlation_id: str) -> BaseResponse:
    """Cancel the process."""
    return _do(
        correlation_id, lambda row: ending.cancel(row, loaded(CancelRequest(), reason=text_of("reason"))["reason"])
    )


@requires("process:admin")
@changes
def suspend(correlation_id: str) -> BaseResponse:
    """Suspend the process."""

    def act(row: ProcessRow) -> None:
        suspending.suspend(row, loaded(SuspendRequest(), reason=text_of("reason"))["reason"])

    return _do(correlation_id, act)


@requires("process:admin")
@changes
def resume(correlation_id: str) -> BaseResponse:
    """Resume the process."""
    return _do(correlation_id, suspending.resume)


@requires("process:admin")
@changes
def message(correlation_id: str) -> BaseResponse:
    """Send the process a message."""

    def send(row: ProcessRow) -> None:
        body = loaded(MessageRequest(), messageName=text_of("messageName"), variables=document_of("variables"))
        ending.send_message(row, body["messageName"], body["variables"])

    return _do(correlation_id, send)


def _do(correlation_id: str, action: Action) -> BaseResponse:
    row = find(correlation_id)
    try:
        action(row)
    except Problem as problem:
        page = render_template("monitor/process.html", refused=problem, **content(find(correlation_id)))
        return Response(page, problem.kind.status, problem.headers)
    return redirect(url_for("monitor.process", correlation_id=correlation_id), 303)


def text_of(name: str) -> str | None:
    """The text of a field of the form, without spaces around it; None if it is empty or missing."""
    return request.form.get(name, "").strip() or None


def document_of(name: str) -> Any:
    """The JSON in a field of the form; an empty object if the field is empty.

    Raises:
        Problem: it is not JSON.
    """
    text = text_of(name)
    try:
        return {} if text is None else json.loads(text)
    except ValueError as error:
        raise Problem(
            INVALID_FIELDS, "errors names each wrong field", errors={name: [f"Must be JSON: {error}"]}
        ) from None


def loaded(schema: Any, **fields: Any) -> dict[str, Any]:
    """The fields as a schema of the API loads them; a None is left out.

    Raises:
        Problem: a field is wrong.
    """
    try:
        found: dict[str, Any] = schema.load({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise Problem(INVALID_FIELDS, "errors names each wrong field", errors=error.messages_dict) from None
    return found
