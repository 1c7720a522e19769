"""Checks of what the engine contains: the diagrams of this installation, and no tasks without a handler here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from cachetools import TTLCache, cachedmethod
from cachetools.keys import hashkey

from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.history_level import history_level
from camunda_bridge.package import Package
from tasks.processes import registry

#: seconds for which a check of the deployed diagrams stays valid
DEPLOYED_LIFETIME_S = 30.0
#: seconds for which a count of the waiting tasks stays valid
WAITING_LIFETIME_S = 5.0
#: seconds for which a check of the history level stays valid
HISTORY_LIFETIME_S = 30.0
Answers = TTLCache[Any, Any]

#: most topics whose tasks are counted
MAX_TOPICS = 20


@dataclass(frozen=True, slots=True)
class Deployments:
    """Keys of processes that the engine lacks, and versions of processes whose diagram differs from the files here."""

    missing: list[str]
    different: dict[str, int]


@dataclass
class EngineContents:
    """Reads what the engine contains, and keeps each answer for some seconds: none of it changes within a second."""

    engine: Callable[[], Engine]
    _deployments: Answers = field(default_factory=lambda: TTLCache(1, DEPLOYED_LIFETIME_S))
    _history: Answers = field(default_factory=lambda: TTLCache(1, HISTORY_LIFETIME_S))
    _level: str | None = None
    _waiting: Answers = field(default_factory=lambda: TTLCache(1, WAITING_LIFETIME_S))
    #: deployment id -> whether its files are those here; neither change while this process runs
    _same: dict[str, bool] = field(default_factory=dict)

    @cachedmethod(attrgetter("_deployments"))
    def deployments(self) -> Deployments:
        """The diagrams that are missing in the engine or differ from the files here.

        Raises:
            BridgeError: the engine gives no answer.
        """
        processes = {process.key: process for process in registry}
        if not processes:
            return Deployments([], {})
        found = self.engine().newest_definitions(processes)
        different = {
            key: item["version"] for key, item in found.items() if self._differs(item["deploymentId"], processes[key])
        }
        return Deployments(sorted(set(processes) - set(found)), different)

    @cachedmethod(attrgetter("_waiting"))
    def waiting(self) -> dict[str, int]:
        """Topics without a handler here, and how many of their tasks wait, at most 500 of each; only of processes here.

        Raises:
            BridgeError: the engine gives no answer.
        """
        names = self.engine().waiting_topics()
        candidates = sorted(set(names) - {topic.name for topic in registry.topics()})[:MAX_TOPICS]
        tasks = {name: self.engine().waiting_tasks(name) for name in candidates}
        return {name: len(found) for name, found in tasks.items() if self._are_ours(name, found)}

    @cachedmethod(attrgetter("_history"), key=lambda _self, _newest_attempt: hashkey())
    def history_level(self, newest_attempt: Callable[[], tuple[str, str] | None]) -> str | None:
        """The engine's history level, by what it keeps of the attempt that began last; None if that shows no level.

        Raises:
            BridgeError: the engine gives no answer.
        """
        newest = newest_attempt()
        found = None if newest is None else history_level(self.engine(), *newest)
        # A level that was found once stays valid until another one is found.
        self._level = found or self._level
        return self._level

    def _differs(self, deployment_id: str, process: ProcessDefinition) -> bool:
        if process.file is None or registry.fault_of(process):
            return False
        if deployment_id not in self._same:
            files = self.engine().deployment_files(deployment_id)
            self._same[deployment_id] = files == Package(process.file.parent).files
        return not self._same[deployment_id]

    @staticmethod
    def _are_ours(topic: str, tasks: list[dict[str, Any]]) -> bool:
        """True if a task of the topic is of a process here: other systems may use the engine with their own topics."""
        if tasks and any(topic in topics for topics in registry.unhandled_topics().values()):
            return True
        return any(task["processDefinitionKey"] in registry.processes for task in tasks)
