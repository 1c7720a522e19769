"""The processes of an installation, and their steps by topic."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator

from camunda_bridge.definition import ProcessDefinition, StepDefinition
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.errors import DefinitionError


class Registry:
    """The processes of this installation, and their steps by topic."""

    def __init__(self) -> None:
        self.processes: dict[str, ProcessDefinition] = {}
        self._steps: dict[str, tuple[ProcessDefinition, StepDefinition]] = {}
        self._families: dict[str, tuple[Topic, ...]] = {}
        #: steps for which the code declares a limit, by topic
        self.limited: dict[str, StepDefinition] = {}
        self._called: set[str] | None = None

    def add(self, process: ProcessDefinition) -> None:
        """Add a declared process.

        Raises:
            DefinitionError: another process has the same key, or a step with the same topic.
        """
        if self.processes.get(process.key, process) is not process:
            raise DefinitionError(f"process {process.key!r} is declared twice")
        for topic in process.steps:
            if self._steps.get(topic, (process,))[0] is not process:
                raise DefinitionError(f"topic {topic!r} belongs to two processes")
        self.processes[process.key] = process
        for step in process.steps.values():
            self._steps[step.topic] = (process, step)
            if step.max_concurrency is not None or step.rate is not None:
                self.limited[step.topic] = step
        self._families.clear()
        self._called = None

    def __iter__(self) -> Iterator[ProcessDefinition]:
        return iter(self.processes.values())

    def find(self, topic: str) -> tuple[ProcessDefinition, StepDefinition] | None:
        """The process and step of a topic; None when no step has this topic."""
        return self._steps.get(topic)

    def topics(self) -> list[Topic]:
        """Every topic that has a handler."""
        return [process.topic(step) for process, step in self._steps.values()]

    def family_topics(self, key: str) -> tuple[Topic, ...]:
        """The topics of a process and of the processes that it calls: a next step of an instance has one of them."""
        if key not in self._families:
            self._families[key] = tuple(
                self.processes[member].topic(step)
                for member in sorted(self._family(key, set()))
                for step in self.processes[member].steps.values()
            )
        return self._families[key]

    def is_called(self, key: str) -> bool:
        """True when a call activity of a registered process may start `key`."""
        if self._called is None:
            called = set().union(*(process.bpmn().calls for process in self))
            # A call activity whose process is an expression may start any process.
            self._called = set(self.processes) if any("{" in name for name in called) else called
        return key in self._called

    def _family(self, key: str, seen: set[str]) -> set[str]:
        if key in seen or key not in self.processes:
            return seen
        seen.add(key)
        for called in self.processes[key].bpmn().calls:
            self._family(called, seen)
        return seen

    def unhandled_topics(self) -> dict[str, list[str]]:
        """Process key -> topics of its BPMN file without a handler. Workers don't fetch tasks of these topics."""
        missing = {process.key: sorted(set(process.bpmn().topics.values()) - set(self._steps)) for process in self}
        return {key: topics for key, topics in missing.items() if topics}


#: the registry of this installation, filled by :func:`load_processes`
registry = Registry()


def load_processes(packages: Iterable[str], into: Registry = registry) -> Registry:
    """Import every sub-package of `packages` and register the processes that their ``steps`` modules declare.

    Raises:
        DefinitionError: a package is missing, or a sub-package declares no process.
    """
    for package_name in packages:
        try:
            package = importlib.import_module(package_name)
        except ModuleNotFoundError as error:
            raise DefinitionError(f"PROCESSES names {package_name!r}, which cannot be imported: {error}") from None
        if not hasattr(package, "__path__"):
            raise DefinitionError(f"PROCESSES names {package_name!r}, which is a module; it must be a package")
        for item in pkgutil.iter_modules(package.__path__):
            if not item.ispkg:
                continue
            try:
                steps = importlib.import_module(f"{package_name}.{item.name}.steps")
            except ModuleNotFoundError as error:
                raise DefinitionError(f"{package_name}.{item.name}.steps cannot be imported: {error}") from error
            found = [value for value in vars(steps).values() if isinstance(value, ProcessDefinition)]
            if not found:
                raise DefinitionError(f"{steps.__name__} declares no process; call define_process in it")
            for process in found:
                into.add(process)
    return into
