"""The topics that a fetch requests, and the tasks that it locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from camunda_bridge.variables import Typed


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic to fetch.

    Attributes:
        variables: names of the variables to fetch with its tasks; None for all.
        process_keys: keys of the processes whose tasks are fetched; None for all.
    """

    name: str
    variables: tuple[str, ...] | None = None
    process_keys: tuple[str, ...] | None = None


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
    priority: int = 0
    tenant_id: str | None = None
    version_tag: str | None = None

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
            priority=data.get("priority") or 0,
            tenant_id=data.get("tenantId"),
            version_tag=data.get("processDefinitionVersionTag"),
        )
