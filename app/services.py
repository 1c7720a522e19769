"""The services that the views of one web process share."""

from __future__ import annotations

import uuid
from functools import cached_property

import redis
from flask import current_app

from app.starts.start import Starter, payload_of
from app.starts.waiting import CHANNEL_PREFIX, Payload, Waiters
from app.streams.hub import Hub
from service.health import Health
from service.maintenance import MaintenanceWatch
from settings import Settings
from store.events import EventStore
from store.process_rows import PENDING
from store.processes import ProcessStore
from tasks.broker.notify import CHANNEL_PREFIX as EVENTS_PREFIX
from tasks.runtime import runtime


class Services:
    """The services of one app. Connections are opened at first use, so after any fork."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.streams = Hub(lambda: runtime().redis, self._listen, limit=settings.max_streams)

    @property
    def processes(self) -> ProcessStore:
        """The process rows."""
        return runtime().processes

    @property
    def events(self) -> EventStore:
        """The audit events."""
        return runtime().events

    @cached_property
    def waiters(self) -> Waiters:
        """The requests that wait for the end of a process."""
        return Waiters(
            self._subscriber,
            self._ended,
            limit=self.settings.max_waiting_requests,
            also={EVENTS_PREFIX: self.streams.changed, CHANNEL_PREFIX: self.streams.ended},
        )

    @cached_property
    def starter(self) -> Starter:
        """Accepts starts."""
        return Starter(self.settings, self.processes, self.waiters, self.maintenance)

    @cached_property
    def maintenance(self) -> MaintenanceWatch:
        """Whether ops have the service in maintenance."""
        return MaintenanceWatch(runtime().maintenance)

    @cached_property
    def health(self) -> Health:
        """The health checks of database, broker, engine and workers."""
        return Health(runtime())

    def _listen(self) -> None:
        self.waiters.listen()

    def _subscriber(self) -> redis.Redis:
        return redis.Redis.from_url(
            self.settings.redis_url, socket_connect_timeout=2.0, health_check_interval=10, socket_keepalive=True
        )

    def _ended(self, process_ids: list[uuid.UUID]) -> dict[uuid.UUID, Payload]:
        return {row.id: payload_of(row) for row in self.processes.by_ids(process_ids) if row.status != PENDING}


def services() -> Services:
    """The services of the app that answers the current request."""
    found: Services = current_app.extensions["services"]
    return found
