"""The processes under check: each with its code and its diagram."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from camunda_bridge.bpmn import Diagram, Node
from camunda_bridge.check.data_flow import DataFlow
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.errors import DefinitionError
from camunda_bridge.package import Package
from camunda_bridge.steps import StepDefinition


class Source(NamedTuple):
    """A diagram, its place in words, and the package of its file; None for a diagram in the engine."""

    place: str
    diagram: Diagram
    package: Package | None


#: finds the diagrams of a process, newest first
Sources = Callable[[ProcessDefinition], Iterable[Source]]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One diagram of a process. `place`: its file, or its version in the engine."""

    process: ProcessDefinition
    place: str
    diagram: Diagram
    package: Package | None
    #: the steps that handle tasks of this process, by topic: its own and those of workers
    steps: Mapping[str, StepDefinition]

    def calls_to(self, key: str) -> list[Node]:
        """The call activities that always start process `key`."""
        return [node for node in self.diagram.call_activities if node.called_element == key]

    def calls_to_any(self) -> list[Node]:
        """The call activities whose process is an expression."""
        return [node for node in self.diagram.call_activities if "{" in (node.called_element or "")]


class Subjects:
    """All processes of an installation: `good` has their diagrams, `faults` the processes without a valid one."""

    def __init__(
        self,
        processes: Iterable[ProcessDefinition],
        shared: Mapping[str, StepDefinition],
        sources: Sources,
        languages: Iterable[str],
        elsewhere: Iterable[str],
    ) -> None:
        #: keys of processes that others deploy, without a diagram here
        self.elsewhere = frozenset(elsewhere)
        self.shared = shared
        #: the scripting languages of the engine
        self.languages = frozenset(language.lower() for language in languages)
        self.good: list[Subject] = []
        self.faults: list[tuple[ProcessDefinition, DefinitionError]] = []
        for process in processes:
            try:
                steps = {**shared, **process.steps}
                self.good += [Subject(process, *source, steps) for source in sources(process)]
            except DefinitionError as error:
                self.faults.append((process, error))
        self._flows: dict[Subject, DataFlow] = {}

    def flow(self, subject: Subject) -> DataFlow:
        """The data flow of a diagram."""
        if subject not in self._flows:
            self._flows[subject] = DataFlow(subject.process, subject.diagram, self.find, self.shared)
        return self._flows[subject]

    def is_newest(self, subject: Subject) -> bool:
        """True for the newest diagram of a process."""
        return next(other for other in self.good if other.process is subject.process) is subject

    def find(self, key: str) -> tuple[ProcessDefinition, Diagram] | None:
        """A process and its newest diagram; None when the installation doesn't have it, or its file is invalid."""
        for subject in self.good:
            if subject.process.key == key:
                return subject.process, subject.diagram
        return None
