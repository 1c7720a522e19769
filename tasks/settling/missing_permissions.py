"""The permissions that the technical user lacks in the engine, as the reconciler found them last."""

from __future__ import annotations

import json
import logging
from typing import Any

import redis

from tasks.processes import registry
from tasks.runtime import KEY_PREFIX, Runtime

log = logging.getLogger(__name__)

#: a JSON list of the permissions that were missing at the last check
MISSING_KEY = KEY_PREFIX + "permissions"
#: seconds for which that is kept; a later check renews it
MISSING_S = 300


def log_permissions(runtime: Runtime) -> None:
    """Check the permissions for all processes; log those that are missing, and keep them in Redis."""
    missing = runtime.engine.missing_permissions(registry.processes)
    for permission in missing:
        log.error("permission missing in the engine: %s; grant it to the technical user", permission)
    if missing:
        runtime.redis.set(MISSING_KEY, json.dumps(missing), ex=MISSING_S)
    else:
        runtime.redis.delete(MISSING_KEY)


def missing_permissions(client: redis.Redis) -> list[str]:
    """The permissions that were missing at the last check."""
    kept: Any = client.get(MISSING_KEY)
    found: list[str] = json.loads(kept) if kept else []
    return found
