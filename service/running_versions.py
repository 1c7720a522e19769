"""The versions of a process with running instances: where those are, and which steps the code does not handle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from camunda_bridge.bpmn import Diagram, Node
from camunda_bridge.bpmn.diff import ElementChange, compare
from camunda_bridge.check import EXCUSE
from camunda_bridge.check.findings import TOPIC_WITHOUT_HANDLER
from camunda_bridge.deployed import DeployedDiagrams
from camunda_bridge.errors import DefinitionError, NotDeployed
from tasks.processes import registry
from tasks.runtime import runtime

#: what the new version does to an element: it is removed, it has another topic, it is of another kind
Why = Literal["removed", "topic", "kind"]


@dataclass(frozen=True, slots=True)
class Place:
    """An element with running instances that the new version removes or changes."""

    element: str
    instances: int
    why: Why


@dataclass(frozen=True, slots=True)
class UnhandledStep:
    """An external task whose topic has no handler here. `instances`: how many wait at it now."""

    element: str
    topic: str
    instances: int


@dataclass(frozen=True, slots=True)
class RunningVersion:
    """A version with running instances. They stay on it after a deployment.

    Attributes:
        places: where its instances are, of the elements that the new version removes or changes.
        unhandled: its steps without a handler. Its instances may be at them, come to them, or have passed them.
        fault: why its diagram cannot be read; empty if it was read.
    """

    number: int
    instances: int
    places: tuple[Place, ...] = ()
    unhandled: tuple[UnhandledStep, ...] = ()
    fault: str = ""


def running_versions(deployed: DeployedDiagrams, key: str, new: Diagram | None) -> list[RunningVersion]:
    """The versions of a process with running instances, newest first.

    Args:
        new: the diagram that is to be deployed; None: the process is no longer deployed.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    try:
        versions = [version for version in deployed.versions(key) if version.running]
    except NotDeployed:
        return []
    found = []
    for version in versions:
        try:
            diagram = deployed.diagram(version)
        except DefinitionError as error:
            found.append(RunningVersion(version.number, version.running, fault=str(error)))
            continue
        gone = {} if new is None else _gone(compare(diagram, new))
        unhandled = unhandled_steps(diagram)
        at = runtime().engine.instances_at(version.id) if gone or unhandled else {}
        found.append(
            RunningVersion(
                version.number,
                version.running,
                tuple(Place(element, at[element], why) for element, why in gone.items() if element in at),
                tuple(UnhandledStep(node.id, node.topic or "", at.get(node.id, 0)) for node in unhandled),
            )
        )
    return found


def unhandled_steps(diagram: Diagram) -> list[Node]:
    """The external tasks that no worker of this installation fetches, without those that the diagram excuses.

    A topic that is an expression may be any, so it is left out.
    """
    return [
        node
        for node in diagram.steps
        if (topic := node.topic or "")
        and "{" not in topic
        and not registry.handles(topic, diagram.key)
        and not node.properties.get(EXCUSE + TOPIC_WITHOUT_HANDLER, "").strip()
    ]


def _gone(changes: Iterable[ElementChange]) -> dict[str, Why]:
    found: dict[str, Why] = {}
    for change in changes:
        if change.change == "removed":
            found[change.id] = "removed"
        elif change.change == "changed":
            if change.fact("kind"):
                found[change.id] = "kind"
            elif change.fact("topic"):
                found[change.id] = "topic"
    return found
