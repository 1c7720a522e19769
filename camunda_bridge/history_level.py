"""The engine's history level, found out from what it keeps: its REST API does not tell it.

| level | what history keeps, see tests/integration/test_history_level.py |
|---|---|
| none | nothing |
| activity | instances and their activities |
| audit | variables too |
| full | the log of external tasks too |

https://docs.camunda.org/manual/7.24/user-guide/process-engine/history/history-configuration/#choose-a-history-level
"""

from __future__ import annotations

from camunda_bridge.client import Engine

NONE, ACTIVITY, AUDIT, FULL = "none", "activity", "audit", "full"

#: level -> what does not work at it
MISSING = {
    NONE: (
        "the end of a process without a response step is not found (it ends as INSTANCE_LOST), nor what became of an "
        "attempt that a crash left open; the monitor shows no path"
    ),
    ACTIVITY: (
        "a process without a response step has an empty result, and what became of an attempt that a crash left open "
        "is not found"
    ),
    AUDIT: "what became of an attempt that a crash left open is not found",
}


def history_level(engine: Engine, instance_id: str, task_id: str) -> str | None:
    """The level at which the engine keeps an instance that had an external task and a variable.

    None when nobody can tell: the instance may have been cleaned up.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    if engine.task_log(task_id):
        return FULL
    if engine.historic_variables(instance_id):
        return AUDIT
    if engine.historic_instance(instance_id) is not None:
        return ACTIVITY
    return NONE if engine.is_running(instance_id) else None
