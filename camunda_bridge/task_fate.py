"""Finds out from the engine's task log how an external task ended, and whether it ended under our lock token.

The engine writes the log only at history level FULL. tests/contract/test_task_log.py and
tests/contract/test_error_ends.py show what each kind of end writes into the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from camunda_bridge.client import Engine
from camunda_bridge.variables import parse_date

#: longest time between two times that the engine writes in one transaction
ONE_TRANSACTION = timedelta(seconds=1)
#: activity types of the events that catch errors
_CATCHING = frozenset({"boundaryError", "errorStartEvent"})


class Fate(Enum):
    """How a task ended, seen from one lock token."""

    #: the task hasn't ended; it may be locked by any token or none
    OPEN = "open"
    #: the engine accepted a completion with our token
    COMPLETED = "completed"
    #: the engine accepted a completion with another token
    COMPLETED_BY_ANOTHER = "completed by another"
    #: the task ended under our token without a completion: by a BPMN error, or because its activity was cancelled
    REMOVED = "removed"
    #: the task ended in the same way under another token or none
    REMOVED_FROM_ANOTHER = "removed from another"
    #: the engine has no log of the task
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How a task ended.

    Attributes:
        at: when it ended, in the engine's format; None when it is open or unknown.
        has_failed: True when the engine accepted a failure with our token.
    """

    fate: Fate
    at: str | None = None
    has_failed: bool = False
    activity_instance_id: str | None = None


def fate_of(engine: Engine, task_id: str, token: str) -> TaskEnd:
    """How a task ended under `token`.

    Raises:
        EngineUnavailable: the engine doesn't answer.
    """
    log = engine.task_log(task_id)
    has_failed = any(entry["failureLog"] and entry["workerId"] == token for entry in log)
    for kind, ours, others in (
        ("successLog", Fate.COMPLETED, Fate.COMPLETED_BY_ANOTHER),
        ("deletionLog", Fate.REMOVED, Fate.REMOVED_FROM_ANOTHER),
    ):
        for entry in log:
            if entry[kind]:
                fate = ours if entry["workerId"] == token else others
                return TaskEnd(fate, entry["timestamp"], has_failed, entry["activityInstanceId"])
    if log or engine.external_task(task_id) is not None:
        return TaskEnd(Fate.OPEN, has_failed=has_failed)
    return TaskEnd(Fate.UNKNOWN)


def ended_in_error(engine: Engine, end: TaskEnd, instance_id: str) -> bool:
    """True when a task ended in a BPMN error, False when its activity or instance was cancelled.

    After an uncaught error the activity ends as usual. A caught error cancels the activity, and the event that caught
    it appears at the same time in the history of the instance, or of an instance that called it.

    Raises:
        EngineUnavailable: the engine doesn't answer.
    """
    if end.fate is not Fate.REMOVED or end.at is None:
        return False
    removed_at = parse_date(end.at)
    current: str | None = instance_id
    while current is not None:
        for item in engine.activities(current):
            if item["id"] == end.activity_instance_id and not item["canceled"]:
                return True
            if item["activityType"] in _CATCHING and abs(parse_date(item["startTime"]) - removed_at) <= ONE_TRANSACTION:
                return True
        found = engine.historic_instance(current)
        current = None if found is None else found["superProcessInstanceId"]
    return False
