"""Give a locked task back to the engine at once: it counts as no attempt, and another worker may have it.

Works on the message as it came: what can be given back must not depend on whether this worker can read it. Every
version of the message, also those to come, says `id`, `token`, `topic` and, if it has one, `permit`.
"""

from __future__ import annotations

import logging
from typing import Any

from camunda_bridge.client import Engine
from camunda_bridge.errors import BridgeError
from tasks.topics.leases import end

log = logging.getLogger(__name__)


def give_back(engine: Engine, body: dict[str, Any], why: str, *, level: int = logging.WARNING) -> None:
    """Unlock the task of a step's message, if it still carries our token, and free the permit that it was fetched with.

    Nobody runs it under this message any more, so the permit is free even where the task is another's by now, who has a
    permit of its own, or where the engine is away: then its lock runs out.
    """
    topic = body.get("topic", "a step")
    try:
        given = engine.unlock(body["id"], body["token"])
    except (BridgeError, KeyError) as error:
        log.log(level, "%s not unlocked, its lock runs out: %s; %r", topic, why, error)
    else:
        log.log(level, "%s %s: %s", topic, "unlocked" if given else "had ended or was another's already", why)
    if body.get("permit") is not None:
        end(body["id"], body["token"], topic, body["permit"])
