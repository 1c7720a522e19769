"""The message of a step. It holds what the fetch returned, so that the worker need not ask the engine again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from camunda_bridge.context import ExecutionContext
from camunda_bridge.engine.locked_task import LockedTask
from camunda_bridge.variables import Typed
from store.event_rows import AttemptKey
from store.types import truncated
from tasks.errors import UnknownVersion
from tasks.runtime import broker_now

#: Version of the message. A worker unlocks the task of a version that it does not know. A member that older workers may
#: ignore needs no new version. `version`, `id`, `token`, `topic` and `permit` never change: unlocking needs them.
VERSION = 1

#: share of the lock's time that a message may spend in the broker; the handler has the rest until the first extension
QUEUE_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class StepMessage:
    """One locked external task, as it is sent to a worker.

    `fetched_at`: by the shared clock (:func:`tasks.runtime.broker_now`), before the fetch was sent. `lock_s`: how long
    the lock lasts from then, in seconds. `confirm`: the attempt whose accepted completion led here, still to be written
    down. `lease`: the name of its lease where its topic has a limit (see tasks.topics.leases); `permit` in the message.
    `known`: identifiers that the store has already, so that this step need not write them.
    """

    task: LockedTask
    token: str
    fetched_at: float
    lock_s: float
    confirm: AttemptKey | None = None
    lease: str | None = None
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def attempt(self) -> AttemptKey:
        """What names this attempt."""
        return AttemptKey(self.task.id, self.token)

    def is_expired(self) -> bool:
        """True when the lock may have expired: then the engine offers the task again."""
        return self.age_s() >= self.lock_s * QUEUE_SHARE

    def age_s(self) -> float:
        """Seconds since the fetch."""
        return max(0.0, broker_now() - self.fetched_at)

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        task = self.task
        body: dict[str, Any] = {
            "version": VERSION,
            "id": task.id,
            "topic": task.topic,
            "activityId": task.activity_id,
            "definitionId": task.process_definition_id,
            "definitionKey": task.process_definition_key,
            "instanceId": task.process_instance_id,
            "businessKey": task.business_key,
            "retries": task.retries,
            "variables": task.variables,
            "token": self.token,
            "fetchedAt": self.fetched_at,
            "lock": self.lock_s,
        }
        more = {"priority": task.priority or None, "tenantId": task.tenant_id, "versionTag": task.version_tag}
        body |= {name: value for name, value in more.items() if value is not None}
        if self.confirm is not None:
            body["confirm"] = [self.confirm.external_task_id, self.confirm.lock_token]
        if self.lease is not None:
            body["permit"] = self.lease
        if self.known:
            body["known"] = dict(self.known)
        return body

    @classmethod
    def load(cls, body: dict[str, Any]) -> StepMessage:
        """From JSON.

        Raises:
            UnknownVersion: the message has another version.
        """
        if body.get("version") != VERSION:
            raise UnknownVersion(f"a step message of version {body.get('version')!r}, this worker knows {VERSION}")
        variables: dict[str, Typed] = body["variables"]
        confirm = body.get("confirm")
        return cls(
            LockedTask(
                id=body["id"],
                topic=body["topic"],
                activity_id=body["activityId"],
                process_definition_id=body["definitionId"],
                process_definition_key=body["definitionKey"],
                process_instance_id=body["instanceId"],
                business_key=body["businessKey"],
                retries=body["retries"],
                variables=variables,
                priority=body.get("priority", 0),
                tenant_id=body.get("tenantId"),
                version_tag=body.get("versionTag"),
            ),
            body["token"],
            body["fetchedAt"],
            body["lock"],
            AttemptKey(*confirm) if confirm else None,
            body.get("permit"),
            body.get("known", {}),
        )


def correlation_id_of(task: LockedTask, context: ExecutionContext) -> str:
    """The correlation id of a step's process: from its start, else its business key, else its instance id."""
    # An instance that was started elsewhere may have a longer business key. SQL Server ignores trailing spaces.
    business_key = truncated(task.business_key or "", 200).rstrip(" ")
    return context.correlation_id or business_key or task.process_instance_id
