"""The processes under check: each with its code and its diagram."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from camunda_bridge.bpmn import Diagram, Node
from camunda_bridge.definition import ProcessDefinition, StepDefinition
from camunda_bridge.errors import DefinitionError


@dataclass(frozen=True, slots=True)
class Subject:
    """One process whose BPMN file can be read."""

    process: ProcessDefinition
    diagram: Diagram
    #: the steps that handle tasks of this process, by topic: its own and those of workers
    steps: Mapping[str, StepDefinition]

    @classmethod
    def of(cls, process: ProcessDefinition, shared: Mapping[str, StepDefinition]) -> Subject:
        """Read the file of a process.

        Raises:
            DefinitionError: the file is missing, isn't BPMN, or doesn't have the process.
        """
        return cls(process, process.diagram(), {**shared, **process.steps})

    def calls_to(self, key: str) -> list[Node]:
        """The call activities that always start process `key`."""
        return [node for node in self.diagram.call_activities if node.called_element == key]

    def calls_to_any(self) -> list[Node]:
        """The call activities whose process is an expression."""
        return [node for node in self.diagram.call_activities if "{" in (node.called_element or "")]


class Subjects:
    """All processes of an installation: `good` has those with a valid file, `faults` the others and the errors."""

    def __init__(self, processes: Iterable[ProcessDefinition], shared: Mapping[str, StepDefinition]) -> None:
        self.shared = shared
        self.good: list[Subject] = []
        self.faults: list[tuple[ProcessDefinition, str]] = []
        for process in processes:
            try:
                self.good.append(Subject.of(process, shared))
            except DefinitionError as error:
                self.faults.append((process, str(error)))

    def find(self, key: str) -> tuple[ProcessDefinition, Diagram] | None:
        """A process and its diagram; None when the installation doesn't have it, or its file is invalid."""
        for subject in self.good:
            if subject.process.key == key:
                return subject.process, subject.diagram
        return None
