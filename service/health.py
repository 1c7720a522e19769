"""Which part is away: asked by the facade, answered from here because only the tasks know all parts."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import redis

from camunda_bridge.client import Engine
from camunda_bridge.errors import BridgeError
from camunda_bridge.history_level import MISSING
from camunda_bridge.session import EngineSession
from service.engine_health import EngineContents
from service.errors import PartUnhealthy
from store.errors import DatabaseUnavailable
from tasks.broker.worker_capacity import WORKERS_KEY, live_workers
from tasks.runtime import KEY_PREFIX, Runtime, broker_now
from tasks.settling.history_log import log_missing_since
from tasks.topics.controls import topic_states
from tasks.webhooks.documents import rfc3339
from telemetry.logs.redaction import shown_text

log = logging.getLogger(__name__)

#: seconds for which an answer about the parts is trusted
LIFETIME_S = 1.0
#: longest wait for the engine, in milliseconds
ENGINE_TIMEOUT_MS = 1_500
#: longest wait for all parts together, in seconds: a little more than each of them may take by itself
DEADLINE_S = 3.0


@dataclass(slots=True)
class Part:
    """One part: whether it is well, what it said, since when it is not (seconds since the epoch), and more about it."""

    up: bool
    detail: str = ""
    since: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class Health:
    """Looks at the parts, all at once, and at most once a second, however often it is asked."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._parts: dict[str, Part] = {}
        self._looked_at = float("-inf")
        self._turn = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._looks: dict[str, Future[Part]] = {}
        self._probe: Engine | None = None
        self._contents = EngineContents(self._engine_probe)
        self._advised = False
        self._paused: dict[str, str] | None = None

    def paused_topics(self) -> dict[str, str] | None:
        """Topics that ops have paused, and since when; None while the store is away."""
        self.parts()
        return self._paused

    def parts(self) -> dict[str, Part]:
        """Every part by name; the last look while another request looks anew."""
        if time.monotonic() - self._looked_at <= LIFETIME_S:
            return self._parts
        # The first look is waited for, since there is no other answer.
        if self._turn.acquire(blocking=not self._parts):
            try:
                if time.monotonic() - self._looked_at > LIFETIME_S:
                    self._parts = self._look_at_all()
                    self._paused = self._look_for_paused() if self._parts["database"].up else None
                    self._looked_at = time.monotonic()
            finally:
                self._turn.release()
        return self._parts

    def _look_for_paused(self) -> dict[str, str] | None:
        try:
            found = [state.said for state in topic_states() if state.is_paused]
        except Exception as error:
            # A schema that was not migrated yet, for example: no reason to answer nothing at all.
            log.warning("paused topics cannot be read: %s", type(error).__name__)
            return None
        return {row.topic: rfc3339(row.paused_at) for row in found if row is not None and row.paused_at is not None}

    def _look_at_all(self) -> dict[str, Part]:
        checks: dict[str, Callable[[], Part]] = {
            "database": self._database,
            "broker": self._broker,
            "engine": self._engine,
            "workers": self._workers,
            "beat": self._beat,
            "history": self._history,
        }
        parts = self._look_at(checks)
        if parts["engine"].up:
            # An engine that is away has neither to be asked nor blamed for this.
            parts |= self._look_at({"deployments": self._deployments, "topics": self._topics})
        return parts

    def _look_at(self, checks: dict[str, Callable[[], Part]]) -> dict[str, Part]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(8, thread_name_prefix="health")
        for name, check in checks.items():
            # One that still hangs is not started again. Its lines are those of the request that had it begun.
            if name not in self._looks:
                self._looks[name] = self._threads.submit(copy_context().run, self._look, name, check)
        wait([self._looks[name] for name in checks], timeout=DEADLINE_S)
        return {name: self._answer_of(name) for name in checks}

    def _answer_of(self, name: str) -> Part:
        if self._looks[name].done():
            return self._looks.pop(name).result()
        return Part(False, f"no answer within {DEADLINE_S:.0f} s", self._since(name))

    def _look(self, name: str, check: Callable[[], Part]) -> Part:
        try:
            return check()
        except PartUnhealthy as away:
            return Part(False, str(away), away.since or self._since(name), away.facts)
        except (DatabaseUnavailable, BridgeError, redis.RedisError) as error:
            return Part(False, shown_text(str(error)), self._since(name))
        except Exception as error:
            # A refused login, for example; its text may hold what is not for everybody.
            before = self._parts.get(name)
            if before is None or before.up:
                log.exception("%s cannot be looked at", name)
            return Part(False, type(error).__name__, self._since(name))

    def _since(self, name: str) -> float:
        before = self._parts.get(name)
        return before.since if before is not None and not before.up and before.since else time.time()

    def _database(self) -> Part:
        database = self.runtime.database
        database.ping()
        advice = database.advice()
        if advice and not self._advised:
            log.warning("database: %s", advice)
        self._advised = bool(advice)
        # Not where it is: that is nobody's business who may ask for this.
        kind = str(database.url.get_backend_name()) + (f" through {database.driver.name}" if database.driver else "")
        return Part(True, f"{kind}; {advice}" if advice else kind)

    def _broker(self) -> Part:
        self.runtime.redis.ping()
        return Part(True)

    def _engine(self) -> Part:
        return Part(True, self._engine_probe().version())

    def _engine_probe(self) -> Engine:
        if self._probe is None:
            shared = self.runtime.engine.session
            self._probe = Engine(EngineSession.like(shared, timeout_ms=ENGINE_TIMEOUT_MS))
        return self._probe

    def _workers(self) -> Part:
        live = live_workers(self.runtime.redis.hgetall(WORKERS_KEY))
        if not live:
            raise PartUnhealthy("no worker runs steps")
        facts = {name: {"slots": beat.slots, "running": beat.running} for name, beat in sorted(live.items())}
        return Part(True, ", ".join(facts), facts={"workers": facts})

    def _beat(self) -> Part:
        allowed_s = max(10, self.runtime.settings.poll_interval_ms // 200)
        ticked: Any = self.runtime.redis.get(f"{KEY_PREFIX}ticked:poll")
        if ticked is None or broker_now() - float(ticked) > allowed_s:
            raise PartUnhealthy(f"no tick within {allowed_s} s", since=float(ticked) if ticked else None)
        return Part(True, facts={"lastTick": moment(float(ticked))})

    def _history(self) -> Part:
        level = self._contents.history_level(self.runtime.events.newest_attempt)
        if level in MISSING:
            raise PartUnhealthy(
                f"the engine's history level is {level}, it must be full: {MISSING[level]}", facts={"level": level}
            )
        since = log_missing_since(self.runtime.redis)
        if since is not None:
            raise PartUnhealthy(
                "the engine keeps no log of completed steps, so what became of one cannot always be told: "
                "its history level must be FULL",
                since=since,
            )
        return Part(True, facts={"level": level} if level else {})

    def _deployments(self) -> Part:
        found = self._contents.deployments()
        facts = {"missing": found.missing, "different": found.different}
        if found.missing:
            raise PartUnhealthy("not deployed: " + ", ".join(found.missing), facts=facts)
        # Instances of any version go on, so this is news and no fault.
        texts = [f"{key}: version {version} is not the file here" for key, version in sorted(found.different.items())]
        return Part(True, "; ".join(texts), facts=facts)

    def _topics(self) -> Part:
        waiting = self._contents.waiting()
        facts = {"waiting": waiting}
        if waiting:
            texts = ", ".join(f"{topic} ({count})" for topic, count in waiting.items())
            raise PartUnhealthy(f"tasks wait for handlers that are not here: {texts}", facts=facts)
        return Part(True, facts=facts)


def moment(seconds: float) -> str:
    """Seconds since the epoch, as an answer shows them."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC))
