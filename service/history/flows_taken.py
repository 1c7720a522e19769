"""The sequence flows that an instance took, derived from its visits of elements.

The engine's history has visits of elements, not of flows. Most flows are certain: they are taken whenever their source
is left. Behind a gateway that chooses, each entry of an element is matched with the latest exit, in the same scope,
from an element that leads to it. An exit matches at most one entry along each of its flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from camunda_bridge.bpmn import Diagram, Flow
from camunda_bridge.variables import parse_date

#: kinds of activities that run as long as an element inside of them runs
_SCOPES = frozenset({"subProcess", "transaction", "adHocSubProcess", "multiInstanceBody", "callActivity"})
#: gateways that take exactly one outgoing flow; other elements may take several
_ONE_WAY = frozenset({"exclusiveGateway", "eventBasedGateway"})
#: suffix of the activity id that the engine gives to the body of a multi-instance activity
BODY = "#multiInstanceBody"


@dataclass(frozen=True, slots=True)
class Visit:
    """One activity instance of the engine's history. Times have a zone.

    Attributes:
        activity: the activity's id in the diagram.
        scope: the id of the activity instance that contains it.
        started: when it was entered.
        ended: when it was left; None while it runs.
        took_ms: its duration in milliseconds; None while it runs.
        cancelled: the engine cancelled it.
        is_body: it contains the instances of a multi-instance activity. It is entered and left instead of them.
        is_scope: it runs as long as an element inside of it, or in the instance that it called, runs.
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
        """Make a visit from an answer of the engine's history."""
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
class _Exit:
    visit: Visit
    left: list[Flow] = field(default_factory=list)


def flows_taken(diagram: Diagram, visits: Sequence[Visit]) -> list[str]:
    """Ids of the sequence flows that were taken, each once, in the order of the diagram.

    Args:
        diagram: the elements and flows of the process.
        visits: its visits in the order in which they began; two at the same time in the engine's order.
    """
    out: dict[str, list[Flow]] = {}
    into: dict[str, list[Flow]] = {}
    for flow in diagram.flows:
        out.setdefault(flow.source, []).append(flow)
        into.setdefault(flow.target, []).append(flow)
    taken: set[str] = set()
    exits: dict[str, list[_Exit]] = {}
    for visit in visits:
        # Flows enter and leave the body of a multi-instance activity, not its instances.
        if visit.activity in diagram.multi_instances and not visit.is_body:
            continue
        if (cause := _cause(visit, into.get(visit.activity, []), exits)) is not None:
            exit_, chosen = cause
            taken.update(chosen.ids)
            exit_.left = [] if diagram.kind(chosen.source) in _ONE_WAY else [one for one in exit_.left if one != chosen]
            if not exit_.left:
                exits[chosen.source].remove(exit_)
        # The event that occurs cancels the event-based gateway that waited for it.
        if visit.ended is None or (visit.cancelled and diagram.kind(visit.activity) != "eventBasedGateway"):
            continue
        ways = out.get(visit.activity, [])
        if not visit.cancelled:
            taken.update(name for flow in ways if flow.is_certain for name in flow.ids)
        if ways:
            exits.setdefault(visit.activity, []).append(_Exit(visit, list(ways)))
    return [name for flow in diagram.flows for name in flow.ids[:1] if name in taken]


def _cause(entry: Visit, into: list[Flow], exits: dict[str, list[_Exit]]) -> tuple[_Exit, Flow] | None:
    """The exit and the flow that led to `entry`: the latest exit from one of its sources with this flow unmatched."""
    found: tuple[_Exit, Flow] | None = None
    for flow in into:
        for exit_ in exits.get(flow.source, []):
            if flow not in exit_.left or exit_.visit.scope != entry.scope or _time_of(exit_) > entry.started:
                continue
            if found is None or _time_of(exit_) >= _time_of(found[0]):
                found = exit_, flow
    return found


def _time_of(exit_: _Exit) -> datetime:
    return exit_.visit.ended or exit_.visit.started
