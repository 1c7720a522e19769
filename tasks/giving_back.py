"""Give a locked task back to the engine at once: it counts as no attempt, and another worker may have it.

Works on the message as it came: what can be given back must not depend on whether this worker can read it. Every
version of the message, also those to come, says `id`, `token` and `topic`.
"""

from __future__ import annotations

import logging
from typing import Any

from camunda_bridge.client import Engine
from camunda_bridge.errors import BridgeError

log = logging.getLogger(__name__)


def give_back(engine: Engine, body: dict[str, Any], why: str) -> None:
    """Unlock the task of a step's message, if it still carries our token. Engine away: its lock runs out."""
    topic = body.get("topic", "a step")
    try:
        given = engine.unlock(body["id"], body["token"])
    except (BridgeError, KeyError) as error:
        log.warning("%s not unlocked, its lock runs out: %s; %r", topic, why, error)
        return
    log.warning("%s %s: %s", topic, "unlocked" if given else "had ended or was another's already", why)
