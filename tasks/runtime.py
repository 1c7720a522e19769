"""What the tasks of one process share: engine, stores, lock keeper. Made at first use, anew in every forked child."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, lru_cache

import redis

from camunda_bridge.bpmn import Diagram, read_diagram
from camunda_bridge.client import Engine
from camunda_bridge.engine.definitions import Definition
from camunda_bridge.errors import LockLost
from camunda_bridge.locks import LockKeeper
from settings import Settings, get_settings
from store.bookmarks import BookmarkStore
from store.database import Database
from store.events import EventStore
from store.maintenance import MaintenanceStore
from store.processes import ProcessStore
from store.topics import TopicStore
from store.webhooks import WebhookStore
from tasks.broker_clock import BrokerClock
from telemetry.metrics import declared

#: prefix of every key of this project in Redis
KEY_PREFIX = "celery-camunda:"
#: connections to Redis of one process, besides Celery's own and the result subscriber's. A command takes a fraction of
#: a millisecond: the threads of a web process share one, instead of opening one each in a burst of starts
REDIS_CONNECTIONS = 1
#: deployed definitions whose diagrams one process keeps
DEFINITIONS_KEPT = 500
#: longest wait for an answer of Redis, and for the shared connection to be free, in seconds
REDIS_TIMEOUT_S = 2.0


class Runtime:
    """The connections of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def database(self) -> Database:
        """The database. A worker's child runs one task at a time, and its lock keeper makes no queries."""
        return Database.from_settings(self.settings)

    @cached_property
    def processes(self) -> ProcessStore:
        """The process rows."""
        return ProcessStore(self.database)

    @cached_property
    def events(self) -> EventStore:
        """The audit events."""
        return EventStore(self.database)

    @cached_property
    def webhooks(self) -> WebhookStore:
        """The deliveries of webhooks."""
        return WebhookStore(self.database)

    @cached_property
    def topics(self) -> TopicStore:
        """Pauses and limits of topics, as ops set them."""
        return TopicStore(self.database)

    @cached_property
    def maintenance(self) -> MaintenanceStore:
        """Whether ops have the service in maintenance."""
        return MaintenanceStore(self.database)

    @cached_property
    def bookmarks(self) -> BookmarkStore:
        """How far the reconciler has read."""
        return BookmarkStore(self.database)

    @cached_property
    def engine(self) -> Engine:
        """The engine."""
        return Engine.from_settings(self.settings)

    @cached_property
    def deployed_diagram(self) -> Callable[[str], Diagram]:
        """Gives the diagram of a deployed definition, by its id. It never changes, so it is read once and kept.

        Raises:
            EngineUnavailable, DefinitionError: from the call; nothing is kept then.
        """

        @lru_cache(maxsize=DEFINITIONS_KEPT)
        def read(definition_id: str) -> Diagram:
            return read_diagram(self.engine.definition_file(definition_id), self.definition(definition_id).key)

        return read

    @cached_property
    def definition(self) -> Callable[[str], Definition]:
        """Gives key and version of a deployed definition, by its id; they are read once and kept.

        Raises:
            EngineUnavailable, NotFound: from the call; nothing is kept then.
        """
        return lru_cache(maxsize=DEFINITIONS_KEPT)(self.engine.definition)

    @cached_property
    def redis(self) -> redis.Redis:
        """Redis, for messages, ticks, heartbeats and counts. Threads share its connection, one command at a time."""
        pool = redis.BlockingConnectionPool.from_url(
            self.settings.redis_url,
            max_connections=REDIS_CONNECTIONS,
            timeout=REDIS_TIMEOUT_S,
            decode_responses=True,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            health_check_interval=25,
        )
        return redis.Redis.from_pool(pool)

    @cached_property
    def broker_clock(self) -> BrokerClock:
        """The clock that all processes share."""
        return BrokerClock(lambda: self.redis)

    @cached_property
    def keeper(self) -> LockKeeper:
        """Extends the locks of running steps."""
        duration_ms = self.settings.lock_duration_ms

        def extend(task_id: str, token: str) -> None:
            _counted(lambda: self.engine.extend_lock(task_id, token, duration_ms))

        return LockKeeper(extend, duration_ms)


def _counted(extend: Callable[[], object]) -> None:
    outcome = "failed"
    try:
        extend()
        outcome = "extended"
    except LockLost:
        outcome = "lost"
        raise
    finally:
        declared.LOCK_EXTENSIONS.labels(outcome).inc()


_runtime: Runtime | None = None


def runtime() -> Runtime:
    """The runtime of this process."""
    global _runtime
    if _runtime is None:
        _runtime = Runtime(get_settings())
    return _runtime


def broker_now() -> float:
    """Seconds since the epoch by the clock that all processes share (:mod:`tasks.broker_clock`)."""
    return runtime().broker_clock.now()


def _forget() -> None:
    # A connection must not be used on both sides of a fork.
    global _runtime
    _runtime = None


os.register_at_fork(after_in_child=_forget)
