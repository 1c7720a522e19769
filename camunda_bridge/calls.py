"""Counts requests to the engine by kind: the method, and the path without ids, keys and names."""

from __future__ import annotations

from telemetry.metrics import declared

#: the fixed words in the paths that this project requests; any other word is an id, a key or a name
_WORDS = frozenset(
    (
        *("history", "external-task", "external-task-log", "process-definition", "process-instance", "incident", "job"),
        *("activity-instance", "variable-instance", "deployment", "message", "engine", "version"),
        *(
            "key",
            "tenant-id",
            "authorization",
            "check",
            "start",
            "xml",
            "count",
            "variables",
            "retries",
            "suspended",
            "create",
        ),
        *("fetchAndLock", "complete", "bpmnError", "failure", "extendLock", "unlock", "lock"),
    )
)


def kind_of(method: str, path: str) -> str:
    """The kind of a request, such as `POST /external-task/{}/complete`; `path` is below the root of the API."""
    words = path.partition("?")[0].strip("/").split("/")
    return f"{method} /" + "/".join([word if word in _WORDS else "{}" for word in words])


def note_call(method: str, path: str, status: str, seconds: float) -> None:
    """Count one request. `status`: its HTTP status, or `away` when no answer came. `seconds`: its duration."""
    kind = kind_of(method, path)
    declared.ENGINE_SECONDS.labels(kind).observe(seconds)
    declared.ENGINE_CALLS.labels(kind, status).inc()
