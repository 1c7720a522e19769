"""Which sequence flows an instance took: from the kinds of its elements, and from what was entered after what was left.

The engine's history has visits of elements, not of flows. Most flows need no guess: they are taken whenever their
source is left. Where a gateway chose, each entry of an element is put to the latest leaving, in the same scope, of one
that leads to it; a leaving leads to one entry at most along each of its flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from camunda_bridge.flows import BODY, Diagram, Flow
from camunda_bridge.variables import parse_date

#: kinds of activities that run as long as something runs in them
_SCOPES = frozenset({"subProcess", "transaction", "adHocSubProcess", "multiInstanceBody", "callActivity"})


@dataclass(frozen=True, slots=True)
class Visit:
    """One activity instance of the engine's history; times are aware, `took_ms` is None while it runs.

    Attributes:
        activity: id in the diagram.
        scope: the activity instance that it lies in.
        is_body: it holds the instances of a multi-instance activity, and is entered and left in their place.
        is_scope: it runs as long as something runs in it, or in the instance that it called.
    """

    activity: str
    scope: str | None
    started: datetime
    ended: datetime | None
    took_ms: int | None
    cancelled: bool
    is_body: bool
    is_scope: bool

    @classmethod
    def of(cls, item: dict[str, Any]) -> Visit:
        """Read what the engine tells."""
        name: str = item["activityId"]
        return cls(
            name.removesuffix(BODY),
            item.get("parentActivityInstanceId"),
            parse_date(item["startTime"]),
            parse_date(item["endTime"]) if item.get("endTime") else None,
            item.get("durationInMillis"),
            bool(item.get("canceled")),
            name.endswith(BODY),
            item.get("activityType") in _SCOPES,
        )


@dataclass(slots=True)
class _Leaving:
    visit: Visit
    left: list[Flow] = field(default_factory=list)


def flows_taken(diagram: Diagram, visits: Sequence[Visit]) -> list[str]:
    """Ids of the sequence flows that were taken, each once, in the order of the diagram.

    Args:
        visits: in the order in which they began; of two at one time the engine's order tells which came first.
    """
    out: dict[str, list[Flow]] = {}
    into: dict[str, list[Flow]] = {}
    for flow in diagram.flows:
        out.setdefault(flow.source, []).append(flow)
        into.setdefault(flow.target, []).append(flow)
    taken: set[str] = set()
    leavings: dict[str, list[_Leaving]] = {}
    for visit in visits:
        # The instances of a multi-instance activity are not entered and left along a flow: their body is.
        if visit.activity in diagram.multi_instances and not visit.is_body:
            continue
        if (cause := _cause(visit, into.get(visit.activity, []), leavings)) is not None:
            leaving, chosen = cause
            taken.update(chosen.ids)
            leaving.left = [] if chosen.source in diagram.one_way else [one for one in leaving.left if one != chosen]
            if not leaving.left:
                leavings[chosen.source].remove(leaving)
        # An event that comes to pass cancels the gateway that waited for it.
        if visit.ended is None or (visit.cancelled and visit.activity not in diagram.event_gateways):
            continue
        ways = out.get(visit.activity, [])
        if not visit.cancelled:
            taken.update(name for flow in ways if flow.is_certain for name in flow.ids)
        if ways:
            leavings.setdefault(visit.activity, []).append(_Leaving(visit, list(ways)))
    return [name for flow in diagram.flows for name in flow.ids[:1] if name in taken]


def _cause(entry: Visit, into: list[Flow], leavings: dict[str, list[_Leaving]]) -> tuple[_Leaving, Flow] | None:
    """What led to `entry`: the latest leaving of one of its sources that has not led elsewhere."""
    found: tuple[_Leaving, Flow] | None = None
    for flow in into:
        for leaving in leavings.get(flow.source, []):
            if flow not in leaving.left or leaving.visit.scope != entry.scope or not _by(leaving, entry.started):
                continue
            if found is None or _end(leaving) >= _end(found[0]):
                found = leaving, flow
    return found


def _end(leaving: _Leaving) -> datetime:
    return leaving.visit.ended or leaving.visit.started


def _by(leaving: _Leaving, moment: datetime) -> bool:
    return _end(leaving) <= moment
