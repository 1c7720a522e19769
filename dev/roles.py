"""The parts of the stack: their order, their readiness checks, and the ports that they need."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from dev.children import Child
from dev.environment import StackEnvironment
from dev.ports import require_free
from dev.probes import answers

#: the Celery workers of the Procfile
WORKERS = ("worker", "control", "webhooks")

#: all parts, in the order in which they are started
ALL = ("broker", "engine", "partner", "web", "worker", "control", "webhooks", "beat", "flower")

#: parts that are stopped together; the parts of a later wave serve the earlier ones until these have ended
STOP_WAVES = (("flower", "beat"), ("web",), WORKERS, ("engine", "partner"), ("broker",))


def readiness(kind: str, environment: StackEnvironment, started: Collection[str]) -> Callable[[Child], bool]:
    """The readiness check of a process of the Procfile.

    Args:
        kind: its name in the Procfile.
        environment: its environment.
        started: the parts that the stack starts.
    """
    if kind == "web":
        # /health/ready also checks workers and beat; in a stack without them only /health/live answers 200.
        path = "/health/ready" if {"worker", "beat"} <= set(started) else "/health/live"
        return lambda child: answers(environment.web_url + path)
    if kind == "flower":
        return lambda child: answers(f"{environment.flower_url}/healthcheck")
    if kind in WORKERS and environment.get("LOG_LEVEL") in ("DEBUG", "INFO"):
        return lambda child: re.search(r"@\S+ ready\.", child.log_text(since_start=True)) is not None
    return lambda child: True


def require_ports(environment: StackEnvironment, started: Collection[str]) -> None:
    """Check that every port is free on which the `started` parts will listen.

    Raises:
        PortError: a port is in use; the message has the port and the setting that chooses it.
    """
    for part, setting, named in (
        ("broker", "LOCAL_REDIS_PORT", "REDIS_URL"),
        ("engine", "LOCAL_ENGINE_PORT", "CAMUNDA_BASE_URL"),
        ("partner", "LOCAL_PARTNER_PORT", "PARTNER_BASE_URL"),
    ):
        if part in started and part in environment.local:
            hint = f"or use the server that listens there: {named}={environment.get(named)}"
            require_free(environment.local[part], setting, hint=hint)
    for part in ("web", "flower"):
        if part in started:
            setting = f"{part.upper()}_PORT"
            require_free(int(environment.get(setting)), setting, environment.get(f"{part.upper()}_HOST"))
