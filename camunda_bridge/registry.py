"""The processes and workers of an installation, and their steps by topic."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator

from camunda_bridge.definition import ProcessDefinition, StepDefinition, StepOwner, WorkerDefinition
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.errors import DefinitionError


class Registry:
    """The processes and workers of this installation, and their steps by topic."""

    def __init__(self) -> None:
        self.processes: dict[str, ProcessDefinition] = {}
        #: workers that belong to no process, by key
        self.workers: dict[str, WorkerDefinition] = {}
        self._steps: dict[str, tuple[StepOwner, StepDefinition]] = {}
        self._families: dict[str, tuple[Topic, ...]] = {}
        #: steps for which the code declares a limit, by topic
        self.limited: dict[str, StepDefinition] = {}
        self._called: set[str] | None = None

    def add(self, owner: StepOwner) -> None:
        """Add a declared process or worker.

        Raises:
            DefinitionError: another one has the same key, or a step with the same topic.
        """
        same_key = self.processes.get(owner.key) or self.workers.get(owner.key)
        if same_key is not None and same_key is not owner:
            raise DefinitionError(f"{_described(owner)} is declared twice, the other is {_described(same_key)}")
        for topic in owner.steps:
            other = self._steps.get(topic, (owner,))[0]
            if other is not owner:
                raise DefinitionError(
                    f"topic {topic!r} has a step in {_described(other)} and one in {_described(owner)}; keep one of "
                    "them, in a worker if several processes use it"
                )
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

    def topics(self) -> list[Topic]:
        """Every topic that has a handler."""
        return [owner.topic(step) for owner, step in self._steps.values()]

    def family_topics(self, key: str) -> tuple[Topic, ...]:
        """The topics of a process and of the processes that it calls: a next step of an instance has one of them.

        Of a process that is not declared here, those of the workers: it may use any of them.
        """
        if key not in self._families:
            members = sorted(self._family(key, set()))
            own = [
                self.processes[member].topic(step)
                for member in members
                for step in self.processes[member].steps.values()
            ]
            self._families[key] = (*own, *self._shared_topics(members))
        return self._families[key]

    def _shared_topics(self, members: list[str]) -> Iterator[Topic]:
        used = set().union(*(self.processes[member].diagram().topics.values() for member in members))
        # An expression may give any topic.
        is_any = not members or any("{" in topic for topic in used)
        for worker in self.workers.values():
            yield from (worker.topic(step) for step in worker.steps.values() if is_any or step.topic in used)

    def is_called(self, key: str) -> bool:
        """True when a call activity of a registered process may start `key`."""
        if self._called is None:
            called = set().union(*(process.diagram().calls for process in self))
            # A call activity whose process is an expression may start any process.
            self._called = set(self.processes) if any("{" in name for name in called) else called
        return key in self._called

    def _family(self, key: str, seen: set[str]) -> set[str]:
        if key in seen or key not in self.processes:
            return seen
        seen.add(key)
        for called in self.processes[key].diagram().calls:
            self._family(called, seen)
        return seen

    def unhandled_topics(self) -> dict[str, list[str]]:
        """Process key -> topics of its BPMN file without a handler. Workers don't fetch tasks of these topics."""
        missing = {process.key: sorted(set(process.diagram().topics.values()) - set(self._steps)) for process in self}
        return {key: topics for key, topics in missing.items() if topics}


#: the registry of this installation, filled by :func:`load_processes`
registry = Registry()


def load_processes(packages: Iterable[str], into: Registry = registry) -> Registry:
    """Import every sub-package of `packages`, and register the processes and workers of their ``steps`` modules.

    Raises:
        DefinitionError: a package is missing, or a sub-package declares nothing.
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
            found = [value for value in vars(steps).values() if isinstance(value, StepOwner)]
            if not found:
                raise DefinitionError(
                    f"{steps.__name__} declares no process and no worker; call define_process or define_worker in it"
                )
            for owner in found:
                into.add(owner)
    return into


def _described(owner: StepOwner) -> str:
    return f"{'worker' if isinstance(owner, WorkerDefinition) else 'process'} {owner.key!r}"
