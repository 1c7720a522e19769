"""What a fetch asks for, and what it locks."""

from __future__ import annotations
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
import pycamunda.externaltask
import pycamunda.incident
import pycamunda.message
import pycamunda.processdef
import pycamunda.processinst
from camunda_bridge.engine.base import PAGE, EngineApi
from camunda_bridge.errors import EngineRefused, LockLost, NotFound, VariableError
from camunda_bridge.variables import MAX_STRING, Typed, format_date, in_one_form, parse_date


@dataclass(frozen=True, slots=True)
class Topic:
    """What to fetch: a topic, and the variables that its step reads (None for all)."""

    name: str
    variables: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LockedTask:
    """An external task that is locked for us; `variables` typed as the engine sent them."""

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
        """From one entry of fetchAndLock's answer."""
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
