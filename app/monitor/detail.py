"""`/monitor/{correlationId}`: one process, on its diagram and step by step."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, render_template, request

from app.answers import answer
from app.api.events import follow
from app.api.process import find
from app.auth import requires
from app.problems import NOT_FOUND, Problem
from app.services import services
from store.events import EventRow
from store.overview import OverviewStore
from store.processes import PENDING, ProcessRow
from tasks.redaction import shown
from tasks.runtime import runtime
from tasks.trail import trail_of

#: newest events that a page shows
EVENTS = 200
#: newest events that are put on the diagram
_ON_DIAGRAM = 500


def add_to(blueprint: Blueprint) -> None:
    """Add the page and what its script asks for."""
    blueprint.add_url_rule("/<correlation_id>", "process", page)
    blueprint.add_url_rule("/<correlation_id>/state", "state", state)
    blueprint.add_url_rule("/<correlation_id>/trail", "trail", trail)
    blueprint.add_url_rule("/<correlation_id>/events", "events", events)


@requires("process:read")
def page(correlation_id: str) -> str:
    """The process."""
    return render_template("monitor/process.html", **content(find(correlation_id)))


@requires("process:read")
def state(correlation_id: str) -> str:
    """The parts of the page that change."""
    return render_template("monitor/_changed.html", **content(find(correlation_id)))


@requires("process:read")
def trail(correlation_id: str) -> Response:
    """Where the process has been; with its diagram if the script has none yet."""
    row = find(correlation_id)
    try:
        found = trail_of(row, services().events.newest_phases_of(row.correlation_id, limit=_ON_DIAGRAM))
    except LookupError as error:
        raise Problem(NOT_FOUND, str(error)) from None
    document = {
        "version": found.version,
        "elements": {name: asdict(element) for name, element in found.elements.items()},
        "flows": found.flows,
        "note": found.note,
    }
    if "diagram" in request.args:
        document["xml"] = found.xml
    return answer(document)


@requires("process:read")
def events(correlation_id: str) -> Response:
    """The stream of the API, for this session."""
    return follow(find(correlation_id))


def content(row: ProcessRow) -> dict[str, Any]:
    """What the page shows of a process."""
    timeline = OverviewStore(runtime().database).timeline(row.correlation_id, limit=EVENTS)
    settings = services().settings
    return {
        "row": row,
        "variables": shown(row.variables),
        "result": shown(row.result),
        "waiting": services().waiters.count_of(row.id),
        "timeline": timeline,
        "attempts": _attempts(timeline),
        "is_cut": len(timeline) == EVENTS,
        "is_over": row.status != PENDING,
        "is_stuck": row.incident_id is not None,
        # an incident is no end: whoever mends it, or gives up, does it here
        "may_end": row.status == PENDING or row.incident_id is not None,
        "flower_url": settings.monitor_flower_url.rstrip("/"),
        "cockpit_url": _cockpit_url(settings.monitor_cockpit_url, row.process_instance_id),
    }


def _attempts(timeline: list[EventRow]) -> dict[int, int]:
    """The number of each attempt among those of its external task, by the event's key."""
    seen: dict[str, int] = {}
    numbers = {}
    for event in timeline:
        if event.external_task_id is not None:
            numbers[event.seq] = seen[event.external_task_id] = seen.get(event.external_task_id, 0) + 1
    return numbers


def _cockpit_url(root: str, instance_id: str | None) -> str | None:
    if not root or instance_id is None:
        return None
    return f"{root.rstrip('/')}/#/process-instance/{quote(instance_id)}"
