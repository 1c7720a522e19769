"""`/monitor/{correlationId}`: one process, with its diagram and its events."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import Blueprint, Response, render_template, request

from app.api.events import follow
from app.api.process import find
from app.responses.answers import answer
from app.responses.problem import Problem
from app.responses.problem_types import NOT_FOUND
from app.security.auth import requires
from app.services import services
from app.standing_text import awaited_messages
from app.views import RERUNS, standing_document
from service.history.execution_overlay import overlay_of
from store.event_rows import FAILED, PhaseRow
from store.process_rows import PENDING, ProcessRow
from telemetry.logs.redaction import shown_error

#: newest events that a page shows
EVENTS = 200
#: newest events that the execution overlay of the diagram uses
_ON_DIAGRAM = 500


def add_to(blueprint: Blueprint) -> None:
    """Add the page and the views for its script."""
    blueprint.add_url_rule("/<correlation_id>", "process", page)
    blueprint.add_url_rule("/<correlation_id>/state", "state", state)
    blueprint.add_url_rule("/<correlation_id>/active", "active", active)
    blueprint.add_url_rule("/<correlation_id>/trail", "trail", trail)
    blueprint.add_url_rule("/<correlation_id>/event/<uuid:execution_id>", "event", event)
    blueprint.add_url_rule("/<correlation_id>/events", "events", events)


@requires("process:read")
def page(correlation_id: str) -> str:
    """The page of the process."""
    return render_template("monitor/process.html", **content(find(correlation_id)))


@requires("process:read")
def state(correlation_id: str) -> str:
    """The parts of the page that change while the process runs."""
    return render_template("monitor/_changed.html", **content(find(correlation_id)))


@requires("process:read")
def active(correlation_id: str) -> str:
    """Where the process stands and what it waits for. The page asks for it apart, as the engine may answer slowly."""
    row = find(correlation_id)
    standing = standing_document(row)
    return render_template(
        "monitor/_active.html", row=row, active=standing, awaited=dict(awaited_messages(standing)).items()
    )


@requires("process:read")
def trail(correlation_id: str) -> Response:
    """The execution overlay of the process; with the diagram if the request has the parameter `diagram`."""
    row = find(correlation_id)
    try:
        found = overlay_of(row, services().events.newest_phases_of(row.correlation_id, limit=_ON_DIAGRAM))
    except LookupError as error:
        raise Problem(NOT_FOUND, str(error)) from None
    # A message of the engine can contain what a handler wrote, with values of secret fields.
    messages = shown_error([element.message for element in found.elements.values()], row.variables)
    document = {
        "version": found.version,
        "elements": {
            name: {**asdict(element), "message": message}
            for (name, element), message in zip(found.elements.items(), messages, strict=True)
        },
        "flows": found.flows,
        "note": found.note,
    }
    if "diagram" in request.args:
        document["xml"] = found.xml
    return answer(document)


@requires("process:read")
def event(correlation_id: str, execution_id: UUID) -> str:
    """The request and response of one event. The page loads them when a user opens the event, as they may be large."""
    row = find(correlation_id)
    found = services().events.by_execution_id(execution_id)
    if found is None or found.correlation_id != row.correlation_id:
        raise Problem(NOT_FOUND, f"this process has no event {execution_id}")
    return render_template(
        "monitor/_event.html",
        event=found,
        identifiers=shown_error(found.identifiers, row.variables),
        request_body=shown_error(found.business_action_request, row.variables),
        response_body=shown_error(found.business_action_response, row.variables),
        fault=shown_error(found.error_details, row.variables),
        flower_url=_flower_url(),
    )


@requires("process:read")
def events(correlation_id: str) -> Response:
    """The event stream of the API, for a caller with a session."""
    return follow(find(correlation_id))


def content(row: ProcessRow) -> dict[str, Any]:
    """The values for the templates of the page."""
    timeline = services().events.newest_phases_of(row.correlation_id, limit=EVENTS)
    results = shown_error([phase.result for phase in timeline], row.variables)
    settings = services().settings
    return {
        "row": row,
        "variables": shown_error(row.variables, row.variables),
        "result": shown_error(row.result, row.result, row.variables),
        "error": shown_error(row.error, row.variables),
        "identifiers": shown_error(row.identifiers, row.variables),
        "waiting": services().waiters.count_of(row.id),
        "timeline": timeline,
        "results": {phase.seq: text for phase, text in zip(timeline, results, strict=True)},
        "attempts": _attempts(timeline),
        "is_cut": len(timeline) == EVENTS,
        "is_over": row.status != PENDING,
        "is_stuck": row.incident_id is not None,
        "traceback": None if row.incident_id is None else _traceback(row, timeline),
        # A process with an open incident has not ended, so ops can still cancel it or send it a message.
        "may_end": row.status == PENDING or row.incident_id is not None,
        # A cancelled process has ended when its instance is deleted too.
        "may_rerun": row.status != PENDING and row.incident_id is None and not row.engine_open,
        "reruns": services().processes.reruns_of(row.correlation_id, most=RERUNS),
        "cockpit_url": _cockpit_url(settings.monitor_cockpit_url, row.process_instance_id),
    }


def _traceback(row: ProcessRow, timeline: list[PhaseRow]) -> str | None:
    """The traceback of the newest failed attempt, which opened the incident; None if no attempt of ours failed."""
    newest = next((phase for phase in reversed(timeline) if phase.phase == FAILED), None)
    found = None if newest is None else services().events.by_execution_id(newest.execution_id)
    if found is None or not found.error_details:
        return None
    return str(shown_error(found.error_details, row.variables))


def _attempts(timeline: list[PhaseRow]) -> dict[int, int]:
    """The number of each attempt among the attempts of its external task, by the `seq` of the event."""
    seen: dict[str, int] = {}
    numbers = {}
    for phase in timeline:
        if phase.external_task_id is not None:
            numbers[phase.seq] = seen[phase.external_task_id] = seen.get(phase.external_task_id, 0) + 1
    return numbers


def _flower_url() -> str:
    return services().settings.monitor_flower_url.rstrip("/")


def _cockpit_url(root: str, instance_id: str | None) -> str | None:
    if not root or instance_id is None:
        return None
    return f"{root.rstrip('/')}/#/process-instance/{quote(instance_id)}"
