"""What a step's message says. The engine is the truth about the task; the message saves asking it again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from camunda_bridge.client import LockedTask
from camunda_bridge.variables import Typed
from store.events import AttemptKey

#: version of the message; a worker refuses what it does not know
VERSION = 1


@dataclass(frozen=True, slots=True)
class StepMessage:
    """One locked external task on its way to a worker.

    `locked_until`: seconds since the epoch, counted from before the fetch. `confirm`: the attempt whose accepted
    completion led here, still to be written down.
    """

    task: LockedTask
    token: str
    locked_until: float
    confirm: AttemptKey | None = None

    @property
    def attempt(self) -> AttemptKey:
        """What names this attempt."""
        return AttemptKey(self.task.id, self.token)

    def is_expired(self) -> bool:
        """True when the lock may have run out: the engine offers the task again."""
        return time.time() >= self.locked_until

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
            "lockedUntil": self.locked_until,
        }
        if self.confirm is not None:
            body["confirm"] = [self.confirm.external_task_id, self.confirm.lock_token]
        return body

    @classmethod
    def load(cls, body: dict[str, Any]) -> StepMessage:
        """From JSON.

        Raises:
            ValueError: the message has another version.
        """
        if body.get("version") != VERSION:
            raise ValueError(f"a step message of version {body.get('version')!r}, this worker knows {VERSION}")
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
            ),
            body["token"],
            body["lockedUntil"],
            AttemptKey(*confirm) if confirm else None,
        )
