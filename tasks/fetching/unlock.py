"""Unlock a task in the engine at once: that counts as no attempt, and another worker may fetch the task.

Works on the message as it came: a worker must be able to unlock a task whose message it cannot read. Every version of
the message, also a later one, has `id`, `token`, `topic` and, if the topic has a limit, `permit`: the lease's name.
"""

from __future__ import annotations

import logging
from typing import Any

from camunda_bridge.client import Engine
from camunda_bridge.errors import BridgeError
from tasks.topics import leases

log = logging.getLogger(__name__)


def unlock_task(engine: Engine, body: dict[str, Any], why: str, *, level: int = logging.WARNING) -> None:
    """Unlock the task of a step's message if it still carries the message's lock token, and release its lease.

    No step runs under this message any more. So the lease is released also where another worker has the task by now,
    with a lease of its own, and where the engine is unavailable and the lock expires.
    """
    topic = body.get("topic", "a step")
    try:
        is_unlocked = engine.unlock(body["id"], body["token"])
    except (BridgeError, KeyError) as error:
        log.log(level, "%s not unlocked (%s), its lock expires: %r", topic, why, error)
    else:
        log.log(level, "%s %s: %s", topic, "unlocked" if is_unlocked else "not unlocked, its lock was lost", why)
    if body.get("permit") is not None:
        leases.release(topic, body["permit"])
