"""What became of an external task under one lock token: the engine's own log of the task tells.

The log is written at history level FULL alone. What each end of a task leaves in it is shown by
tests/contract/test_task_log.py and tests/contract/test_error_ends.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from camunda_bridge.client import Engine
from camunda_bridge.variables import parse_date

#: the engine writes times of one transaction within this
ONE_TRANSACTION = timedelta(seconds=1)
#: what catches an error
_CATCHING = frozenset({"boundaryError", "errorStartEvent"})


class Fate(Enum):
    """What the engine made of a task that was locked with a token."""

    #: it has not ended, whoever holds it
    OPEN = "open"
    #: it took our completion as one
    COMPLETED = "completed"
    #: it took another token's completion
    COMPLETED_BY_ANOTHER = "completed by another"
    #: it ended while it carried our token, and not by a completion: a BPMN error, or its activity was cancelled
    REMOVED = "removed"
    #: the same while it carried another token, or none
    REMOVED_FROM_ANOTHER = "removed from another"
    #: the engine has no log of the task
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """The fate of a task; `at` is the engine's time of its end, as it writes times, None while it is open or unknown.

    `has_failed`: the engine took a failure that was reported with our token.
    """

    fate: Fate
    at: str | None = None
    has_failed: bool = False
    activity_instance_id: str | None = None


def fate_of(engine: Engine, task_id: str, token: str) -> TaskEnd:
    """What became of a task.

    Raises:
        EngineUnavailable: the engine does not answer.
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
    """True when a task ended in a BPMN error, and not because its activity or its instance was cancelled.

    An error that nothing catches lets the activity end as if all were well. One that is caught cancels it, and then the
    event that caught it is in the history of the instance, or of one that called it, at the same time.

    Raises:
        EngineUnavailable: the engine does not answer.
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
