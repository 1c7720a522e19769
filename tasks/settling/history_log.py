"""What the reconciler finds out about the engine's history: its level, and whether its log of steps is missing."""

from __future__ import annotations

import logging
import time
from typing import Any

import redis

from camunda_bridge.history_level import MISSING, history_level
from tasks.runtime import KEY_PREFIX, Runtime

log = logging.getLogger(__name__)

#: says that the engine has no log of a step that has left it, and since when (seconds since the epoch)
LOG_MISSING_KEY = KEY_PREFIX + "log-missing"
#: seconds for which that is remembered after the last time
LOG_MISSING_S = 86_400


def note_missing_log(client: redis.Redis) -> None:
    """Remember that the engine has no log of a step that has ended there: its history level is below FULL."""
    first: Any = client.get(LOG_MISSING_KEY)
    client.set(LOG_MISSING_KEY, first or time.time(), ex=LOG_MISSING_S)


def log_missing_since(client: redis.Redis) -> float | None:
    """When the missing log was first noticed, in seconds since the epoch; None if it was not noticed within a day."""
    since: Any = client.get(LOG_MISSING_KEY)
    return None if since is None else float(since)


def log_history_level(runtime: Runtime) -> str | None:
    """Say in the log what does not work at the engine's history level, and remember that it was said.

    Raises:
        EngineUnavailable, DatabaseUnavailable: it cannot be found out now.
    """
    newest = runtime.events.newest_attempt()
    level = None if newest is None else history_level(runtime.engine, *newest)
    if level in MISSING:
        log.warning("the engine's history level is %s, it must be full: %s", level, MISSING[level or ""])
    return level
