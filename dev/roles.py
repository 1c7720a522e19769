"""The parts of the stack: their order, when each of them serves, and the ports that they need."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from dev.children import Child
from dev.environment import StackEnvironment
from dev.ports import require_free
from dev.probes import answers

#: the Celery workers of the Procfile
WORKERS = ("worker", "control", "webhooks")

#: every part, in the order in which they are started
ALL = ("broker", "engine", "partner", "web", "worker", "control", "webhooks", "beat", "flower")

#: what is stopped together; a later wave serves the earlier ones until they have ended
STOP_WAVES = (("flower", "beat"), ("web",), WORKERS, ("engine", "partner"), ("broker",))


def readiness(kind: str, told: StackEnvironment, started: Collection[str]) -> Callable[[Child], bool]:
    """How to see that a process of the Procfile serves.

    Args:
        kind: its name in the Procfile.
        told: its environment.
        started: the parts that the stack starts.
    """
    if kind == "web":
        # Readiness asks for workers and beat; a stack without them can only be asked whether it lives.
        path = "/health/ready" if {"worker", "beat"} <= set(started) else "/health/live"
        return lambda child: answers(told.web_url + path)
    if kind == "flower":
        return lambda child: answers(f"{told.flower_url}/healthcheck")
    if kind in WORKERS and told.get("LOG_LEVEL") in ("DEBUG", "INFO"):
        return lambda child: re.search(r"@\S+ ready\.", child.log_text(since_start=True)) is not None
    return lambda child: True


def require_ports(told: StackEnvironment, started: Collection[str]) -> None:
    """Check that every port is free on which `started` parts will listen.

    Raises:
        PortError: names the port and the setting that chooses it.
    """
    for part, setting, named in (
        ("broker", "LOCAL_REDIS_PORT", "REDIS_URL"),
        ("engine", "LOCAL_ENGINE_PORT", "CAMUNDA_BASE_URL"),
        ("partner", "LOCAL_PARTNER_PORT", "PARTNER_BASE_URL"),
    ):
        if part in started and part in told.local:
            hint = f"or use what listens there: {named}={told.get(named)}"
            require_free(told.local[part], setting, hint=hint)
    for part in ("web", "flower"):
        if part in started:
            setting = f"{part.upper()}_PORT"
            require_free(int(told.get(setting)), setting, told.get(f"{part.upper()}_HOST"))
