"""Which part is away: asked by the facade, answered from here because only the tasks know all parts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis

from camunda_bridge.client import Engine
from camunda_bridge.errors import BridgeError, DefinitionError
from camunda_bridge.session import EngineSession
from store.database import DatabaseAway
from tasks.documents import rfc3339
from tasks.flow import topic_states
from tasks.processes import registry
from tasks.room import WORKERS_KEY, live_workers
from tasks.runtime import KEY_PREFIX, Runtime

log = logging.getLogger(__name__)

#: seconds for which an answer about the parts is trusted
LIFETIME_S = 1.0
#: longest wait for the engine, in milliseconds
ENGINE_TIMEOUT_MS = 1_500


@dataclass(slots=True)
class Part:
    """One part: whether it answers, what it said, and since when it is away (seconds since the epoch)."""

    up: bool
    detail: str = ""
    since: float | None = None


@dataclass(slots=True)
class Health:
    """Looks at the parts, at most once a second."""

    runtime: Runtime
    _parts: dict[str, Part] = field(default_factory=dict)
    _looked_at: float = float("-inf")
    _probe: Engine | None = None
    _advised: bool = False
    _paused: dict[str, str] | None = None

    def parts(self) -> dict[str, Part]:
        """Every part by name."""
        if time.monotonic() - self._looked_at > LIFETIME_S:
            self._parts = {name: self._look(name, check) for name, check in self._checks().items()}
            self._paused = self._look_for_paused() if self._parts["database"].up else None
            self._looked_at = time.monotonic()
        return self._parts

    def paused_topics(self) -> dict[str, str] | None:
        """Topics that ops have paused, and since when; None while the store is away."""
        self.parts()
        return self._paused

    def _look_for_paused(self) -> dict[str, str] | None:
        try:
            found = [state.said for state in topic_states() if state.is_paused]
        except Exception as error:
            # A schema that was not migrated yet, for example: no reason to answer nothing at all.
            log.warning("paused topics cannot be read: %s", type(error).__name__)
            return None
        return {row.topic: rfc3339(row.paused_at) for row in found if row is not None and row.paused_at is not None}

    def _checks(self) -> dict[str, Callable[[], str]]:
        return {
            "database": self._database,
            "broker": self._broker,
            "engine": self._engine,
            "workers": self._workers,
            "beat": self._beat,
        }

    def _look(self, name: str, check: Callable[[], str]) -> Part:
        before = self._parts.get(name)
        since = before.since if before is not None and not before.up else time.time()
        try:
            return Part(True, check())
        except (DatabaseAway, BridgeError, redis.RedisError, LookupError) as error:
            return Part(False, str(error), since)
        except Exception as error:
            # A refused login, for example; its text may hold what is not for everybody.
            if before is None or before.up:
                log.exception("%s cannot be looked at", name)
            return Part(False, type(error).__name__, since)

    def _database(self) -> str:
        database = self.runtime.database
        database.ping()
        advice = database.advice()
        if advice and not self._advised:
            log.warning("database: %s", advice)
        self._advised = bool(advice)
        # Not where it is: that is nobody's business who may ask for this.
        kind = str(database.url.get_backend_name()) + (f" through {database.driver.name}" if database.driver else "")
        return f"{kind}; {advice}" if advice else kind

    def _broker(self) -> str:
        self.runtime.redis.ping()
        return ""

    def _engine(self) -> str:
        if self._probe is None:
            shared = self.runtime.engine.session
            self._probe = Engine(EngineSession.like(shared, timeout_ms=ENGINE_TIMEOUT_MS))
        return self._probe.version()

    def _workers(self) -> str:
        live = live_workers(self.runtime.redis.hgetall(WORKERS_KEY))
        if not live:
            raise LookupError("no worker runs steps")
        return ", ".join(sorted(live))

    def _beat(self) -> str:
        settings = self.runtime.settings
        if not self.runtime.redis.exists(f"{KEY_PREFIX}ticked:poll"):
            raise LookupError(f"no tick within {max(10, settings.poll_interval_ms // 200)} s")
        return ""


def unhandled_topics() -> dict[str, Any]:
    """Process key -> topics of its BPMN file that nobody handles, or what is wrong with the file."""
    try:
        return dict(registry.unhandled_topics())
    except DefinitionError as error:
        return {"error": str(error)}
