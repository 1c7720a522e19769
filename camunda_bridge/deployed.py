"""The diagrams of processes that others deploy, read from the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from cachetools import LRUCache, TTLCache, cachedmethod

from camunda_bridge.bpmn import Diagram, read_diagram
from camunda_bridge.client import Engine
from camunda_bridge.errors import DefinitionError, NotDeployed, PermissionMissing

#: seconds for which the list of versions stays valid
VERSIONS_LIFETIME_S = 30.0
#: diagrams that are kept; the diagram of a version never changes
DIAGRAMS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a process in the engine. `running`: the number of its running instances."""

    id: str
    key: str
    number: int
    running: int


@dataclass
class DeployedDiagrams:
    """Reads the versions of processes and their diagrams from the engine, and keeps them.

    Args:
        engine: gives the engine, at each call.
    """

    engine: Callable[[], Engine]
    _versions: TTLCache[Any, Any] = field(default_factory=lambda: TTLCache(1, VERSIONS_LIFETIME_S))
    _diagrams: LRUCache[Any, Any] = field(default_factory=lambda: LRUCache(DIAGRAMS_KEPT))
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def versions(self, key: str) -> list[Version]:
        """The versions of a process that may run: the newest one, and every one with running instances; newest first.

        Raises:
            EngineUnavailable: the engine does not answer.
            NotDeployed: the engine has no such process.
        """
        found = self._all_versions().get(key)
        if not found:
            try:
                self.engine().require_permissions(key)
            except PermissionMissing as error:
                raise NotDeployed(f"process {key!r}: {error}") from None
            raise NotDeployed(f"process {key!r}: the engine has no version of it")
        newest, *older = sorted(found, key=lambda version: -version.number)
        return [newest, *(version for version in older if version.running)]

    @cachedmethod(attrgetter("_diagrams"), key=lambda _self, version: version.id, lock=attrgetter("_lock"))
    def diagram(self, version: Version) -> Diagram:
        """The diagram of a version.

        Raises:
            EngineUnavailable: the engine does not answer.
            DefinitionError: the engine runs a file that cannot be read here.
        """
        try:
            return read_diagram(self.engine().definition_file(version.id), version.key)
        except DefinitionError as error:
            raise DefinitionError(f"process {version.key!r}: version {version.number}: {error}") from None

    @cachedmethod(attrgetter("_versions"), lock=attrgetter("_lock"))
    def _all_versions(self) -> dict[str, list[Version]]:
        # One request for all processes: it counts the running instances too.
        found: dict[str, list[Version]] = {}
        for item in self.engine().statistics():
            definition = item["definition"]
            version = Version(item["id"], definition["key"], definition["version"], item["instances"])
            found.setdefault(version.key, []).append(version)
        return found
