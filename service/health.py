"""The readiness checks of all parts of the system, for the facade."""

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
from service.catalogue import package_faults
from service.engine_health import EngineContents
from service.errors import PartUnhealthy
from store.errors import DatabaseUnavailable
from store.maintenance import Maintenance
from tasks.broker.worker_capacity import WORKERS_KEY, live_workers
from tasks.runtime import KEY_PREFIX, Runtime, broker_now
from tasks.settling.history_log import log_missing_since
from tasks.settling.missing_permissions import missing_permissions
from tasks.topics.controls import topic_states
from tasks.webhooks.documents import rfc3339
from telemetry.logs.redaction import shown_text

log = logging.getLogger(__name__)

#: seconds for which the last checks stay valid
LIFETIME_S = 1.0
#: longest wait for the engine, in milliseconds
ENGINE_TIMEOUT_MS = 1_500
#: longest wait for all checks together, in seconds: a little more than each of them may take by itself
DEADLINE_S = 3.0


@dataclass(slots=True)
class Part:
    """The state of one part.

    Attributes:
        up: whether it works.
        detail: what is wrong, or more about a part that works.
        since: time since which it does not work, in seconds since the epoch.
        facts: further members of the answer.
    """

    up: bool
    detail: str = ""
    since: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class Health:
    """Checks all parts in parallel, at most once a second, however many requests ask for them."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._parts: dict[str, Part] = {}
        self._checked_at = float("-inf")
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[str, Future[Part]] = {}
        self._probe: Engine | None = None
        self._contents = EngineContents(self._engine_probe)
        self._advised = False
        self._paused: dict[str, str] | None = None
        self._maintenance: Maintenance | None = None

    def paused_topics(self) -> dict[str, str] | None:
        """Topics that ops have paused, and since when; None while the database is unavailable."""
        self.parts()
        return self._paused

    def maintenance(self) -> Maintenance | None:
        """The maintenance that holds; None if there is none, or while the database is unavailable."""
        self.parts()
        return self._maintenance

    def parts(self) -> dict[str, Part]:
        """The state of every part by name; the last one while another request makes the checks."""
        if time.monotonic() - self._checked_at <= LIFETIME_S:
            return self._parts
        # Every request waits for the first checks, because there is no earlier answer.
        if self._lock.acquire(blocking=not self._parts):
            try:
                if time.monotonic() - self._checked_at > LIFETIME_S:
                    self._parts = self._check_all()
                    is_up = self._parts["database"].up
                    self._paused = self._read_paused() if is_up else None
                    self._maintenance = self._read_maintenance() if is_up else None
                    self._checked_at = time.monotonic()
            finally:
                self._lock.release()
        return self._parts

    def _read_paused(self) -> dict[str, str] | None:
        try:
            found = [state.said for state in topic_states() if state.is_paused]
        except Exception as error:
            # For example before a migration: no reason to leave out all the rest of the answer.
            log.warning("paused topics cannot be read: %s", type(error).__name__)
            return None
        return {row.topic: rfc3339(row.paused_at) for row in found if row is not None and row.paused_at is not None}

    def _read_maintenance(self) -> Maintenance | None:
        try:
            return self.runtime.maintenance.current()
        except Exception as error:
            log.warning("maintenance cannot be read: %s", type(error).__name__)
            return None

    def _check_all(self) -> dict[str, Part]:
        checks: dict[str, Callable[[], Part]] = {
            "database": self._database,
            "broker": self._broker,
            "engine": self._engine,
            "workers": self._workers,
            "beat": self._beat,
            "history": self._history,
            "permissions": self._permissions,
            "processes": self._processes,
        }
        parts = self._run(checks)
        if parts["engine"].up:
            # While the engine is unavailable, it cannot answer these, and they are not reported as faults.
            parts |= self._run({"deployments": self._deployments, "topics": self._topics})
        return parts

    def _run(self, checks: dict[str, Callable[[], Part]]) -> dict[str, Part]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(8, thread_name_prefix="health")
        for name, check in checks.items():
            # A check that still hangs is not started again. Its log lines have the ids of the request that started it.
            if name not in self._running:
                self._running[name] = self._threads.submit(copy_context().run, self._checked, name, check)
        wait([self._running[name] for name in checks], timeout=DEADLINE_S)
        return {name: self._answer_of(name) for name in checks}

    def _answer_of(self, name: str) -> Part:
        if self._running[name].done():
            return self._running.pop(name).result()
        return Part(False, f"no answer within {DEADLINE_S:.0f} s", self._since(name))

    def _checked(self, name: str, check: Callable[[], Part]) -> Part:
        try:
            return check()
        except PartUnhealthy as error:
            return Part(False, str(error), error.since or self._since(name), error.facts)
        except (DatabaseUnavailable, BridgeError, redis.RedisError) as error:
            return Part(False, shown_text(str(error)), self._since(name))
        except Exception as error:
            # For example a refused login. The answer has no text: it may contain what callers must not see.
            before = self._parts.get(name)
            if before is None or before.up:
                log.exception("check of %s failed", name)
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
        # Without the address: callers of the health check must not see it.
        kind = str(database.url.get_backend_name()) + (f" through {database.driver.name}" if database.driver else "")
        return Part(True, f"{kind}; {advice}" if advice else kind)

    def _broker(self) -> Part:
        self.runtime.redis.ping()
        return Part(True)

    def _engine(self) -> Part:
        return Part(True, self._engine_probe().version())

    def _engine_probe(self) -> Engine:
        if self._probe is None:
            self._probe = Engine.like(self.runtime.engine, timeout_ms=ENGINE_TIMEOUT_MS)
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
        # What the engine hides, it may keep all the same.
        if level in MISSING and not missing_permissions(self.runtime.redis):
            raise PartUnhealthy(
                f"the engine's history level is {level}, it must be full: {MISSING[level]}", facts={"level": level}
            )
        since = log_missing_since(self.runtime.redis)
        if since is not None:
            raise PartUnhealthy(
                "the engine keeps no log of completed steps, so after a crash the outcome of a step may stay unknown: "
                "its history level must be FULL",
                since=since,
            )
        return Part(True, facts={"level": level} if level else {})

    @staticmethod
    def _processes() -> Part:
        faults = [shown_text(fault) for fault in package_faults()]
        if faults:
            raise PartUnhealthy("; ".join(faults), facts={"faults": faults})
        return Part(True, facts={"faults": faults})

    def _deployments(self) -> Part:
        found = self._contents.deployments()
        facts = {"missing": found.missing, "different": found.different}
        if found.missing:
            raise PartUnhealthy("not deployed: " + ", ".join(found.missing), facts=facts)
        # Instances of any version go on, so this is reported and no fault.
        texts = [
            f"{key}: version {version} differs from the files here" for key, version in sorted(found.different.items())
        ]
        return Part(True, "; ".join(texts), facts=facts)

    def _topics(self) -> Part:
        waiting = self._contents.waiting()
        facts = {"waiting": waiting}
        if waiting:
            texts = ", ".join(f"{topic} ({count})" for topic, count in waiting.items())
            raise PartUnhealthy(f"tasks wait for topics without a handler here: {texts}", facts=facts)
        return Part(True, facts=facts)

    def _permissions(self) -> Part:
        missing = missing_permissions(self.runtime.redis)
        if missing:
            raise PartUnhealthy("the engine's technical user lacks " + "; ".join(missing), facts={"missing": missing})
        return Part(True, facts={"missing": missing})


def moment(seconds: float) -> str:
    """The text of a time in answers. `seconds`: since the epoch."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC))
