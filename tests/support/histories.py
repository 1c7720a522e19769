"""Diagrams of a few elements, and the history of an instance in the form of the engine's REST API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import quoteattr

AT = datetime(2026, 1, 1, tzinfo=UTC)


def diagram(*elements: str) -> str:
    """A BPMN file with a process `p` of these elements."""
    return (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">'
        '<message id="go-on" name="go-on"/><error id="refused" errorCode="REFUSED"/>'
        '<process id="p" isExecutable="true" camunda:historyTimeToLive="P1D">' + "".join(elements) + "</process>"
        "</definitions>"
    )


def element(kind: str, name: str, inside: str = "", **attributes: str) -> str:
    """One element; the names of the engine's own attributes begin with `camunda_`."""
    written = " ".join(f"{key.replace('camunda_', 'camunda:')}={quoteattr(text)}" for key, text in attributes.items())
    return f"<{kind} id={quoteattr(name)} {written}>{inside}</{kind}>"


def task(name: str, inside: str = "") -> str:
    """An external task whose topic is its name."""
    return element("serviceTask", name, inside, camunda_type="external", camunda_topic=f"p.{name}")


def flow(name: str, condition: str = "") -> str:
    """The sequence flow `<source>-<target>`."""
    source, target = name.split("-")
    inside = f'<conditionExpression xsi:type="tFormalExpression">{condition}</conditionExpression>' if condition else ""
    return element("sequenceFlow", name, inside, sourceRef=source, targetRef=target)


def visit(
    activity: str, start: float, end: float | None = None, kind: str = "serviceTask", scope: str = "p", **more: Any
) -> dict[str, Any]:
    """One activity instance, from second `start` to second `end`."""
    return {
        "activityId": activity,
        "activityType": kind,
        "parentActivityInstanceId": scope,
        "startTime": _date(start),
        "endTime": None if end is None else _date(end),
        "durationInMillis": None if end is None else round((end - start) * 1000),
        "canceled": False,
        **more,
    }


def _date(seconds: float) -> str:
    return (AT + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
