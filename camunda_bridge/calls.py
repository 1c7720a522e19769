"""Counts calls of the engine, by their kind: the method, and the path without ids, keys and names."""

from __future__ import annotations

from telemetry.metrics import declared

#: the words of the paths that this project calls; whatever else stands there names something
_WORDS = frozenset(
    (
        *("history", "external-task", "external-task-log", "process-definition", "process-instance", "incident", "job"),
        *("activity-instance", "variable-instance", "deployment", "message", "engine", "version"),
        *("key", "start", "xml", "count", "variables", "retries", "suspended", "create"),
        *("fetchAndLock", "complete", "bpmnError", "failure", "extendLock", "unlock", "lock"),
    )
)


def kind_of(method: str, path: str) -> str:
    """`POST /external-task/{}/complete`, for a path below the root of the API."""
    words = path.partition("?")[0].strip("/").split("/")
    return f"{method} /" + "/".join([word if word in _WORDS else "{}" for word in words])


def note_call(method: str, path: str, status: str, seconds: float) -> None:
    """One call has been made, with this HTTP status, or `away`."""
    kind = kind_of(method, path)
    declared.ENGINE_SECONDS.labels(kind).observe(seconds)
    declared.ENGINE_CALLS.labels(kind, status).inc()
