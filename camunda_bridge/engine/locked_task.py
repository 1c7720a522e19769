"""The topics that a fetch requests, and the tasks that it locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from camunda_bridge.variables import Typed


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic to fetch, and the names of the variables to fetch with its tasks; None for all variables."""

    name: str
    variables: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LockedTask:
    """An external task that this worker has locked; `variables` are typed, as the engine sent them."""

    id: str
    topic: str
    activity_id: str
    process_definition_id: str
    process_definition_key: str
    process_instance_id: str
    business_key: str | None
    retries: int | None
    variables: dict[str, Typed]

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> LockedTask:
        """From one entry of the answer to fetchAndLock."""
        return cls(
            id=data["id"],
            topic=data["topicName"],
            activity_id=data["activityId"],
            process_definition_id=data["processDefinitionId"],
            process_definition_key=data["processDefinitionKey"],
            process_instance_id=data["processInstanceId"],
            business_key=data.get("businessKey"),
            retries=data.get("retries"),
            variables=data["variables"],
        )
