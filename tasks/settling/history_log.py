"""The engine's history as the reconciler finds it: its level, and whether its log of external tasks is missing."""

from __future__ import annotations

import logging
import time
from typing import Any

import redis

from camunda_bridge.history_level import MISSING, history_level
from tasks.runtime import KEY_PREFIX, Runtime
from tasks.settling.missing_permissions import missing_permissions

log = logging.getLogger(__name__)

#: set when the engine has no log of an ended step; the value is since when, in seconds since the epoch
LOG_MISSING_KEY = KEY_PREFIX + "log-missing"
#: seconds for which that is kept after the last time
LOG_MISSING_S = 86_400


def note_missing_log(client: redis.Redis) -> None:
    """Keep in Redis that the engine has no log of an ended step: its history level is below FULL."""
    first: Any = client.get(LOG_MISSING_KEY)
    client.set(LOG_MISSING_KEY, first or time.time(), ex=LOG_MISSING_S)


def log_missing_since(client: redis.Redis) -> float | None:
    """When the log was first found missing, in seconds since the epoch; None if it was not within a day."""
    since: Any = client.get(LOG_MISSING_KEY)
    return None if since is None else float(since)


def log_history_level(runtime: Runtime) -> str | None:
    """Log what does not work at the history level of the engine; the level, None while it is unknown.

    Raises:
        EngineUnavailable, DatabaseUnavailable: the level cannot be read now.
    """
    newest = runtime.events.newest_attempt()
    level = None if newest is None else history_level(runtime.engine, *newest)
    # What the engine hides, it may keep all the same.
    if level in MISSING and not missing_permissions(runtime.redis):
        log.warning("history level of the engine is %s, it must be full: %s", level, MISSING[level or ""])
    return level
