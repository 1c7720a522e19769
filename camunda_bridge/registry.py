"""The processes and workers of an installation, and their steps by topic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from camunda_bridge.bpmn import Diagram
from camunda_bridge.definition import ProcessDefinition, WorkerDefinition
from camunda_bridge.deployed import DeployedDiagrams
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.errors import DefinitionError, EngineUnavailable
from camunda_bridge.package import Package
from camunda_bridge.steps import StepDefinition, StepOwner

#: stands for the topics and calls of a process whose diagram cannot be read now: an expression may give any
_ANYTHING = "${…}"


@dataclass(frozen=True, slots=True)
class PackageFault:
    """A package of processes that could not be loaded, or only in part.

    Attributes:
        module: the module that declares its processes.
        path: the file of the fault; None if there is none.
        line: the line in that file, from 1; None if the fault is not in one line.
        reason: what is wrong.
    """

    module: str
    path: Path | None
    line: int | None
    reason: str

    def __str__(self) -> str:
        place = "" if self.path is None else f" ({self.path}" + (f", line {self.line})" if self.line else ")")
        return f"{self.module}{place}: {self.reason}"


class Registry:
    """The processes and workers of this installation, and their steps by topic.

    Args:
        deployed: reads the diagrams of processes that others deploy.
    """

    def __init__(self, deployed: DeployedDiagrams | None = None) -> None:
        self.deployed = deployed
        self.processes: dict[str, ProcessDefinition] = {}
        #: workers that belong to no process, by key
        self.workers: dict[str, WorkerDefinition] = {}
        self._steps: dict[str, tuple[StepOwner, StepDefinition]] = {}
        self._families: dict[str, tuple[Topic, ...]] = {}
        #: steps for which the code declares a limit, by topic
        self.limited: dict[str, StepDefinition] = {}
        self._called: set[str] | None = None
        #: the versions of the processes that others deploy, by which families and calls were determined
        self._seen: dict[str, list[str] | None] = {}
        #: what could not be loaded; see :mod:`camunda_bridge.loading`
        self.faults: list[PackageFault] = []
        self._modules: dict[str, str] = {}

    def add(self, owner: StepOwner, module: str = "") -> None:
        """Add a declared process or worker. `module`: the module that declares it, for messages.

        Raises:
            DefinitionError: another one has the same key, or a step with the same topic. Nothing is added then.
        """
        same_key = self.processes.get(owner.key) or self.workers.get(owner.key)
        if same_key is not None and same_key is not owner:
            raise DefinitionError(f"{_described(owner)} is declared twice, the other is {self._described(same_key)}")
        for topic in owner.steps:
            other = self._steps.get(topic, (owner,))[0]
            if other is not owner:
                raise DefinitionError(
                    f"topic {topic!r} has a step in {self._described(other)} and one in {_described(owner)}; keep one "
                    "of them, in a worker if several processes use it"
                )
        self._modules[owner.key] = module
        if isinstance(owner, ProcessDefinition):
            self.processes[owner.key] = owner
        elif isinstance(owner, WorkerDefinition):
            self.workers[owner.key] = owner
        for step in owner.steps.values():
            self._steps[step.topic] = (owner, step)
            if step.max_concurrency is not None or step.rate is not None:
                self.limited[step.topic] = step
        self._families.clear()
        self._called = None

    def __iter__(self) -> Iterator[ProcessDefinition]:
        return iter(self.processes.values())

    @property
    def owners(self) -> list[StepOwner]:
        """All processes, then all workers."""
        return [*self.processes.values(), *self.workers.values()]

    @property
    def queues(self) -> list[str]:
        """The queues of all steps."""
        return [owner.queue for owner in self.owners]

    def steps(self) -> list[tuple[StepOwner, StepDefinition]]:
        """Every step, with its process or worker."""
        return [(owner, step) for owner in self.owners for step in owner.steps.values()]

    @property
    def shared(self) -> dict[str, StepDefinition]:
        """The steps of workers, by topic."""
        return {step.topic: step for worker in self.workers.values() for step in worker.steps.values()}

    def find(self, topic: str) -> tuple[StepOwner, StepDefinition] | None:
        """The process or worker, and the step, of a topic; None when no step has this topic."""
        return self._steps.get(topic)

    def handles(self, topic: str, process_key: str) -> bool:
        """True when workers fetch the tasks of this topic in this process."""
        if (found := self.find(topic)) is None:
            return False
        owner, step = found
        keys = owner.process_keys(step)
        return keys is None or process_key in keys

    def topics(self) -> list[Topic]:
        """Every topic that has a handler."""
        return [owner.topic(step) for owner, step in self._steps.values()]

    def diagrams(self, process: ProcessDefinition) -> list[Diagram]:
        """The diagram in the file of a process, or those of each version that runs if others deploy it; newest first.

        Raises:
            DefinitionError: a file is missing or invalid, or the engine doesn't have the process.
            EngineUnavailable: the engine does not answer.
        """
        if process.file is not None:
            return [process.diagram()]
        if self.deployed is None:
            raise DefinitionError(f"process {process.key!r}: only the engine has its file")
        return [self.deployed.diagram(version) for version in self.deployed.versions(process.key)]

    def family_topics(self, key: str) -> tuple[Topic, ...]:
        """The topics of a process and of the processes that it calls: a next step of an instance has one of them.

        Of a process that is not declared here, those of the workers: it may use any of them. The same holds for a
        process whose diagram cannot be read now.
        """
        self._forget_old_versions()
        if key not in self._families:
            members = sorted(self.family(key))
            own = [
                self.processes[member].topic(step)
                for member in members
                for step in self.processes[member].steps.values()
            ]
            self._families[key] = (*own, *self._shared_topics(members))
        return self._families[key]

    def _shared_topics(self, members: list[str]) -> Iterator[Topic]:
        used = {topic for member in members for topic in self._topics(self.processes[member])}
        # An expression may give any topic.
        is_any = not members or any("{" in topic for topic in used)
        for worker in self.workers.values():
            yield from (worker.topic(step) for step in worker.steps.values() if is_any or step.topic in used)

    def is_called(self, key: str) -> bool:
        """True when a call activity of a registered process may start `key`."""
        self._forget_old_versions()
        if self._called is None:
            called = {name for process in self for name in self._calls(process)}
            # A call activity whose process is an expression may start any process.
            self._called = set(self.processes) if any("{" in name for name in called) else called
        return key in self._called

    def family(self, key: str) -> set[str]:
        """The keys of a process and of the processes that it calls, directly or not, as far as they are declared."""
        found: set[str] = set()
        new = {key}
        while new := new & set(self.processes) - found:
            found |= new
            new = {called for member in new for called in self._calls(self.processes[member])}
        return found

    def _topics(self, process: ProcessDefinition) -> set[str]:
        try:
            return {topic for diagram in self.diagrams(process) for topic in diagram.topics.values()}
        except (DefinitionError, EngineUnavailable):
            return {_ANYTHING}

    def _calls(self, process: ProcessDefinition) -> set[str]:
        try:
            return {called for diagram in self.diagrams(process) for called in diagram.calls}
        except (DefinitionError, EngineUnavailable):
            return {_ANYTHING}

    def _forget_old_versions(self) -> None:
        now = {process.key: self._versions(process.key) for process in self if process.file is None}
        if now != self._seen:
            self._seen, self._called = now, None
            self._families.clear()

    def _versions(self, key: str) -> list[str] | None:
        try:
            return [version.id for version in self.deployed.versions(key)] if self.deployed is not None else None
        except (DefinitionError, EngineUnavailable):
            return None

    def unhandled_topics(self) -> dict[str, list[str]]:
        """Process key -> topics of its BPMN file without a handler. Workers don't fetch tasks of these topics.

        Processes whose file is missing or invalid, or that others deploy, are left out.
        """
        files = [process for process in self if process.file is not None and not self.fault_of(process)]
        # An expression may give any topic.
        used = {p.key: {topic for topic in p.diagram().topics.values() if "{" not in topic} for p in files}
        missing = {
            key: sorted(topic for topic in topics if not self.handles(topic, key)) for key, topics in used.items()
        }
        return {key: topics for key, topics in missing.items() if topics}

    @staticmethod
    def fault_of(process: ProcessDefinition) -> str:
        """What is wrong with the files of a process; empty if they are valid, or if others deploy the process."""
        if process.file is None:
            return ""
        try:
            process.diagram()
        except DefinitionError as error:
            return str(error)
        fault = Package(process.file.parent).fault()
        return fault and f"process {process.key!r}: {fault}"

    def _described(self, owner: StepOwner) -> str:
        module = self._modules.get(owner.key)
        return _described(owner) + (f" of {module}" if module else "")


def _described(owner: StepOwner) -> str:
    return f"{'worker' if isinstance(owner, WorkerDefinition) else 'process'} {owner.key!r}"
