"""Finds out the history level of the engine from the history it stores, because its REST API has no request for it.

| level | what history stores, see tests/integration/test_history_level.py |
|---|---|
| none | nothing |
| activity | instances and their activities |
| audit | also variables |
| full | also the log of external tasks |

https://docs.camunda.org/manual/7.24/user-guide/process-engine/history/history-configuration/#choose-a-history-level
"""

from __future__ import annotations

from camunda_bridge.client import Engine

NONE, ACTIVITY, AUDIT, FULL = "none", "activity", "audit", "full"

#: history level -> what doesn't work at this level
MISSING = {
    NONE: (
        "the end of a process without a response step is not found (it ends as INSTANCE_LOST), nor the result of an "
        "attempt that a crash left open; the monitor shows no path"
    ),
    ACTIVITY: (
        "a process without a response step has an empty result, and the result of an attempt that a crash left open "
        "is not found"
    ),
    AUDIT: "the result of an attempt that a crash left open is not found",
}


def history_level(engine: Engine, instance_id: str, task_id: str) -> str | None:
    """The history level, found from an instance that had an external task and a variable.

    None when the level can't be found out, because the history of the instance may have been cleaned up.

    Raises:
        EngineUnavailable: the engine doesn't answer.
    """
    if engine.task_log(task_id):
        return FULL
    if engine.historic_variables(instance_id):
        return AUDIT
    if engine.historic_instance(instance_id) is not None:
        return ACTIVITY
    return NONE if engine.is_running(instance_id) else None
