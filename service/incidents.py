"""Group the open incidents by what ops have to repair: process, version, step, kind of error and message."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from camunda_bridge.engine.base import PAGE
from camunda_bridge.errors import BridgeError
from store.incidents import IncidentStore, OpenIncident
from store.process_rows import ProcessRow
from tasks.runtime import runtime

log = logging.getLogger(__name__)

#: most open incidents that are grouped, the newest processes first
MOST = 10_000
#: most correlation ids that a group shows
EXAMPLES = 5
#: characters of a message that decide the group
_MESSAGE = 300

#: the name of an exception at the beginning of a message
_TYPE = re.compile(r"([A-Za-z_][A-Za-z0-9_.]{0,100}):\s")
#: what differs between two messages of the same fault: ids and numbers
_VARIABLE = re.compile(r"\b(?=[0-9A-Za-z-]*[0-9])[0-9A-Za-z-]+\b")


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What the incidents of a group have in common.

    Attributes:
        version: of the process definition; None if the engine does not tell.
        step: the id of the element that failed.
        error_type: the name of the exception; None if the message names none.
        message: the message, with `…` in the place of ids and numbers.
    """

    process_key: str
    version: int | None
    step: str | None
    error_type: str | None
    message: str

    @property
    def id(self) -> str:
        """A short name of the group, the same in every call."""
        text = "\0".join(map(str, (self.process_key, self.version, self.step, self.error_type, self.message)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(slots=True)
class Group:
    """A group of open incidents.

    Attributes:
        example: the message of its newest incident, as it is.
        first, last: when its first and its last incident was found.
        correlation_ids: those of its newest processes.
    """

    key: GroupKey
    example: str
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    correlation_ids: list[str] = field(default_factory=list)

    def add(self, incident: OpenIncident) -> None:
        """Count an incident."""
        self.count += 1
        if len(self.correlation_ids) < EXAMPLES:
            self.correlation_ids.append(incident.correlation_id)
        if incident.finished_at is not None:
            self.first = min(filter(None, (self.first, incident.finished_at)))
            self.last = max(filter(None, (self.last, incident.finished_at)))


@dataclass(frozen=True, slots=True)
class Grouped:
    """All groups, the largest first. `is_cut`: there are more than :data:`MOST` incidents, and the rest is left out."""

    groups: list[Group]
    is_cut: bool

    @property
    def count(self) -> int:
        """How many incidents are in the groups."""
        return sum(group.count for group in self.groups)


def grouped(*, process_key: str | None = None, step: str | None = None) -> Grouped:
    """The open incidents in groups.

    Raises:
        DatabaseUnavailable: the database is unavailable.
    """
    found: dict[GroupKey, Group] = {}
    read = 0
    for incident, key in _incidents(process_key, step):
        read += 1
        if read > MOST:
            break
        found.setdefault(key, Group(key, message_of(incident))).add(incident)
    return Grouped(sorted(found.values(), key=lambda group: -group.count), read > MOST)


def keys_of(incidents: Sequence[OpenIncident | ProcessRow]) -> list[GroupKey]:
    """The key of the group of each of these processes. Pass at most PAGE."""
    versions = _versions(incidents)
    return [_key_of(incident, versions.get(incident.process_instance_id or "")) for incident in incidents]


def message_of(incident: OpenIncident | ProcessRow) -> str:
    """The message of an incident."""
    return str(_error_of(incident).get("message") or "")


def _incidents(process_key: str | None, step: str | None) -> Iterator[tuple[OpenIncident, GroupKey]]:
    store = IncidentStore(runtime().database)
    before_seq: int | None = None
    while page := store.page(limit=PAGE, before_seq=before_seq, process_key=process_key, step=step):
        yield from zip(page, keys_of(page), strict=True)
        if len(page) < PAGE:
            return
        before_seq = page[-1].seq


def _error_of(incident: OpenIncident | ProcessRow) -> dict[str, Any]:
    return incident.error if isinstance(incident.error, dict) else {}


def _key_of(incident: OpenIncident | ProcessRow, version: int | None) -> GroupKey:
    message = message_of(incident)[:_MESSAGE]
    named = _TYPE.match(message)
    return GroupKey(
        incident.process_key,
        version,
        _error_of(incident).get("step"),
        named[1] if named else None,
        _VARIABLE.sub("…", message[named.end() :] if named else message),
    )


def _versions(incidents: Sequence[OpenIncident | ProcessRow]) -> dict[str, int]:
    """Version of the process definition by instance; empty while the engine does not tell."""
    ids = [incident.process_instance_id for incident in incidents if incident.process_instance_id]
    if not ids:
        return {}
    try:
        found = runtime().engine.definitions_of(ids)
        return {instance: runtime().definition(definition).version for instance, definition in found.items()}
    except BridgeError as error:
        log.info("versions of processes with an incident not read: %s", error)
        return {}
