"""Checks of what the engine contains: the diagrams of this installation, and no tasks without a handler here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.errors import DefinitionError
from camunda_bridge.history_level import history_level
from tasks.processes import registry

#: seconds for which a check of the deployed diagrams stays valid
DEPLOYED_LIFETIME_S = 30.0
#: seconds for which a count of the waiting tasks stays valid
WAITING_LIFETIME_S = 5.0
#: seconds for which a check of the history level stays valid
HISTORY_LIFETIME_S = 30.0
#: most topics whose tasks are counted
MAX_TOPICS = 20

T = TypeVar("T")


@dataclass(slots=True)
class Kept(Generic[T]):
    """A value that is read again when it is `lifetime_s` seconds old. After a failure the next call reads again."""

    lifetime_s: float
    _value: T | None = None
    _until: float = float("-inf")

    def get(self, read: Callable[[], T]) -> T:
        """The value; `read` gets it if it is too old."""
        if self._value is None or time.monotonic() > self._until:
            self._value = read()
            self._until = time.monotonic() + self.lifetime_s
        return self._value


@dataclass(frozen=True, slots=True)
class Deployments:
    """Keys of processes that the engine lacks, and versions of processes whose diagram differs from the file here."""

    missing: list[str]
    different: dict[str, int]


@dataclass(slots=True)
class EngineContents:
    """Reads what the engine contains, and keeps each answer for some seconds: none of it changes within a second."""

    engine: Callable[[], Engine]
    _deployments: Kept[Deployments] = field(default_factory=lambda: Kept(DEPLOYED_LIFETIME_S))
    _history: Kept[str] = field(default_factory=lambda: Kept(HISTORY_LIFETIME_S))
    _level: str = ""
    _waiting: Kept[dict[str, int]] = field(default_factory=lambda: Kept(WAITING_LIFETIME_S))
    #: definition id -> whether its diagram is that of the file; neither changes while this process runs
    _same: dict[str, bool] = field(default_factory=dict)

    def deployments(self) -> Deployments:
        """The diagrams that are missing in the engine or differ from the files here.

        Raises:
            BridgeError: the engine gives no answer.
        """
        return self._deployments.get(self._read_deployments)

    def waiting(self) -> dict[str, int]:
        """Topics without a handler here, and how many of their tasks wait; only topics of the processes here.

        Raises:
            BridgeError: the engine gives no answer.
        """
        return self._waiting.get(self._count_waiting)

    def history_level(self, newest_attempt: Callable[[], tuple[str, str] | None]) -> str | None:
        """The engine's history level, by what it keeps of the attempt that began last; None if that shows no level.

        Raises:
            BridgeError: the engine gives no answer.
        """

        def read() -> str:
            newest = newest_attempt()
            found = None if newest is None else history_level(self.engine(), *newest)
            # A level that was found once stays valid until another one is found.
            return found or self._level

        self._level = self._history.get(read)
        return self._level or None

    def _read_deployments(self) -> Deployments:
        processes = {process.key: process for process in registry}
        if not processes:
            return Deployments([], {})
        found = self.engine().session.get(
            "/process-definition", keysIn=",".join(processes), latestVersion="true", withoutTenantId="true"
        )
        different = {
            item["key"]: item["version"] for item in found if not self._is_same(item["id"], processes[item["key"]])
        }
        return Deployments(sorted(set(processes) - {item["key"] for item in found}), different)

    def _is_same(self, definition_id: str, process: ProcessDefinition) -> bool:
        if definition_id not in self._same:
            xml: str = self.engine().session.get(f"/process-definition/{definition_id}/xml")["bpmn20Xml"]
            # The engine keeps a file unchanged, except for its line ends.
            self._same[definition_id] = xml.splitlines() == process.bpmn_path.read_text("utf-8").splitlines()
        return self._same[definition_id]

    def _count_waiting(self) -> dict[str, int]:
        names = self.engine().session.get(
            "/external-task/topic-names", withUnlockedTasks="true", withRetriesLeft="true"
        )
        candidates = sorted(set(names) - {topic.name for topic in registry.topics()})[:MAX_TOPICS]
        filters = {"notLocked": "true", "withRetriesLeft": "true"}
        return {
            name: self.engine().session.get("/external-task/count", topicName=name, **filters)["count"]
            for name in candidates
            if self._is_ours(name)
        }

    def _is_ours(self, topic: str) -> bool:
        """True if a task of the topic is of a process here: other systems may use the engine with their own topics."""
        if any(topic in topics for topics in _unhandled().values()):
            return True
        tasks = self.engine().session.get("/external-task", topicName=topic, notLocked="true", maxResults=1)
        return any(task["processDefinitionKey"] in {process.key for process in registry} for task in tasks)


def _unhandled() -> dict[str, list[str]]:
    try:
        return {key: list(topics) for key, topics in registry.unhandled_topics().items()}
    except DefinitionError:
        return {}
