"""`/monitor/insight`: how processes and steps went over a span of time."""

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

#: the spans to choose from, each with the number of parts that its charts show
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
class _Looked:
    begin: datetime
    insight: Insight


def add_to(blueprint: Blueprint) -> None:
    """Add the page and what its script asks for."""
    blueprint.add_url_rule("/insight", "insight", page)
    blueprint.add_url_rule("/insight/data", "insight_data", data)


@requires("process:read")
def page() -> str:
    """Numbers and charts."""
    span = _span()
    looked = _look(span)
    return render_template(
        "monitor/insight.html", span=span, spans=list(SPANS), insight=looked.insight, **_sums(looked)
    )


@requires("process:read")
def data() -> Response:
    """What the charts draw: times in seconds since 1970, and a number for each."""
    span = _span()
    looked = _look(span)
    length, parts = SPANS[span]
    moments = looked.insight.moments
    begin, width = looked.begin.timestamp(), length.total_seconds() / parts
    return answer(
        {
            "times": [begin + width * number for number in range(parts)],
            "byStatus": {status: [moment.by_status[status] for moment in moments] for status in STATUSES},
            "starts": [moment.starts for moment in moments],
            # 200 or 202: told from when processes ended, since how a request was answered is not stored
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


def _look(span: str) -> _Looked:
    shared: Shared[_Looked] = current_app.extensions.setdefault("monitor.insight", Shared())
    return shared.get(span, lambda: _look_now(span))


def _look_now(span: str) -> _Looked:
    length, parts = SPANS[span]
    width_s = length.total_seconds() / parts
    # Parts end at round times, so that a chart does not flicker when it is asked for again.
    end = datetime.fromtimestamp((now().timestamp() // width_s + 1) * width_s, UTC)
    found = InsightStore(runtime().database).look(
        end - length, end, parts=parts, wait_ms=services().settings.sync_timeout_ms
    )
    return _Looked(end - length, found)


def _sums(looked: _Looked) -> dict[str, Any]:
    insight = looked.insight
    starts = sum(moment.starts for moment in insight.moments)
    in_time = sum(moment.in_time for moment in insight.moments)
    decided = in_time + sum(moment.late for moment in insight.moments)
    return {
        "starts": starts,
        "outcomes": {status: sum(moment.by_status[status] for moment in insight.moments) for status in STATUSES},
        "on_incident": sum(moment.on_incident for moment in insight.moments),
        "in_time": None if not decided else in_time / decided,
        "wait_s": services().settings.sync_timeout_ms / 1000,
        "begin": looked.begin,
        "most_processes": MOST_PROCESSES,
        "most_attempts": MOST_ATTEMPTS,
    }
