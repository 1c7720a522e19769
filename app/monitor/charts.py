"""`/monitor/insight`: numbers and charts of the processes and steps in a span of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request

from app.monitor.sharing import Shared
from app.responses.answers import answer
from app.responses.problem import Problem
from app.responses.problem_types import INVALID_FIELDS
from app.security.auth import requires
from app.services import services
from store.clock import now
from store.insight import MOST_ATTEMPTS, MOST_PROCESSES, Insight, InsightStore
from store.process_rows import STATUSES
from tasks.runtime import runtime

#: the spans of time to choose from, each with the number of intervals in its charts
SPANS = {
    "15min": (timedelta(minutes=15), 15),
    "1h": (timedelta(hours=1), 30),
    "6h": (timedelta(hours=6), 36),
    "24h": (timedelta(hours=24), 48),
    "7d": (timedelta(days=7), 56),
    "30d": (timedelta(days=30), 60),
}
DEFAULT = "1h"


@dataclass(frozen=True, slots=True)
class _Snapshot:
    begin: datetime
    insight: Insight


def add_to(blueprint: Blueprint) -> None:
    """Add the page and the data for its script."""
    blueprint.add_url_rule("/insight", "insight", page)
    blueprint.add_url_rule("/insight/data", "insight_data", data)


@requires("process:read")
def page() -> str:
    """The page with numbers and charts."""
    span = _span()
    snapshot = _snapshot(span)
    return render_template(
        "monitor/insight.html", span=span, spans=list(SPANS), insight=snapshot.insight, **_sums(snapshot)
    )


@requires("process:read")
def data() -> Response:
    """The data of the charts: times in seconds since 1970, and the numbers for each time."""
    span = _span()
    snapshot = _snapshot(span)
    length, parts = SPANS[span]
    moments = snapshot.insight.moments
    begin, width = snapshot.begin.timestamp(), length.total_seconds() / parts
    return answer(
        {
            "times": [begin + width * number for number in range(parts)],
            "byStatus": {status: [moment.by_status[status] for moment in moments] for status in STATUSES},
            "starts": [moment.starts for moment in moments],
            # Whether a start was answered with 200 or 202 is not stored, so the end of the process decides.
            "answersAreEstimates": True,
            "inTime": [moment.in_time for moment in moments],
            "late": [moment.late for moment in moments],
            "undecided": [moment.undecided for moment in moments],
            "onIncident": [moment.on_incident for moment in moments],
        }
    )


def _span() -> str:
    span = request.args.get("span", DEFAULT)
    if span not in SPANS:
        raise Problem(
            INVALID_FIELDS,
            "errors names each wrong field",
            errors={"span": ["Must be one of " + ", ".join(SPANS) + "."]},
        )
    return span


def _snapshot(span: str) -> _Snapshot:
    shared: Shared[_Snapshot] = current_app.extensions.setdefault("monitor.insight", Shared())
    return shared.get(span, lambda: _read_snapshot(span))


def _read_snapshot(span: str) -> _Snapshot:
    length, parts = SPANS[span]
    width_s = length.total_seconds() / parts
    # Intervals end at round times, so that a chart does not flicker when it is refreshed.
    end = datetime.fromtimestamp((now().timestamp() // width_s + 1) * width_s, UTC)
    found = InsightStore(runtime().database).look(
        end - length, end, parts=parts, wait_ms=services().settings.sync_timeout_ms
    )
    return _Snapshot(end - length, found)


def _sums(snapshot: _Snapshot) -> dict[str, Any]:
    insight = snapshot.insight
    starts = sum(moment.starts for moment in insight.moments)
    in_time = sum(moment.in_time for moment in insight.moments)
    decided = in_time + sum(moment.late for moment in insight.moments)
    return {
        "starts": starts,
        "outcomes": {status: sum(moment.by_status[status] for moment in insight.moments) for status in STATUSES},
        "on_incident": sum(moment.on_incident for moment in insight.moments),
        "in_time": None if not decided else in_time / decided,
        "wait_s": services().settings.sync_timeout_ms / 1000,
        "begin": snapshot.begin,
        "most_processes": MOST_PROCESSES,
        "most_attempts": MOST_ATTEMPTS,
    }
