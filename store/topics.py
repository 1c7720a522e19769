"""The statements on `topic_control`: pauses and limits of topics, which ops set. Few rows, read often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from store.clock import now
from store.database import Database
from store.driver_errors import is_unique_violation
from store.event_rows import NewEvent
from store.events import insert_event
from store.models import topic_control
from store.types import without_nones

T = TypeVar("T")

_t = topic_control.c
_INSERT = sa.insert(topic_control).inline()


@dataclass(frozen=True, slots=True)
class TopicRow:
    """The pause and the limits of one topic.

    Attributes:
        max_concurrency: None for the value in the code, 0 for no limit.
        rate: such as ``5/second``; None for the value in the code, ``none`` for no limit.
    """

    topic: str
    paused_at: datetime | None
    reason: str | None
    max_concurrency: int | None
    rate: str | None
    actor: str
    updated_at: datetime


_ALL = sa.select(*(_t[item.name] for item in fields(TopicRow))).order_by(_t.topic)
_BY_TOPIC = _ALL.where(_t.topic == bindparam("the_topic"))


class TopicStore:
    """The pauses and limits of topics, in one database.

    Every method raises :class:`store.errors.DatabaseUnavailable` when the database is unavailable.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> list[TopicRow]:
        """Every topic that ops have ever paused or limited."""
        with self._db.read() as connection:
            return [TopicRow(*row) for row in connection.execute(_ALL)]

    def pause(self, events: Mapping[str, NewEvent], reason: str | None) -> bool:
        """Pause topics, all or none, and write the event of each that was not paused; False if all were paused."""

        def work(connection: Connection) -> bool:
            found = {topic: _find(connection, topic) for topic in events}
            running = [topic for topic, row in found.items() if row is None or row.paused_at is None]
            for topic in running:
                _put(connection, topic, found[topic], events[topic], paused_at=now(), reason=reason)
            return bool(running)

        return self._change(work)

    def resume(self, events: Mapping[str, NewEvent]) -> bool:
        """Resume topics, all or none, and write the event of each that was paused; False if none was."""

        def work(connection: Connection) -> bool:
            found = {topic: _find(connection, topic) for topic in events}
            paused = [topic for topic, row in found.items() if row is not None and row.paused_at is not None]
            for topic in paused:
                _put(connection, topic, found[topic], events[topic], paused_at=None, reason=None)
            return bool(paused)

        return self._change(work)

    def limit(self, topic: str, changes: dict[str, Any], event: NewEvent) -> None:
        """Change the limits in `changes` (`max_concurrency`, `rate`) and write `event`."""
        self._change(lambda connection: _put(connection, topic, _find(connection, topic), event, **changes))

    def _change(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._db.write() as connection:
                return work(connection)
        except DBAPIError as error:
            # Another transaction inserted the row of the topic between the read and the insert. It exists now.
            if not is_unique_violation(error):
                raise
        with self._db.write() as connection:
            return work(connection)


def _find(connection: Connection, topic: str) -> TopicRow | None:
    found = connection.execute(_BY_TOPIC, {"the_topic": topic}).first()
    return None if found is None else TopicRow(*found)


def _put(connection: Connection, topic: str, before: TopicRow | None, event: NewEvent, **values: Any) -> None:
    values |= {"actor": event.actor, "updated_at": now()}
    insert_event(connection, event)
    if before is None:
        connection.execute(_INSERT, {"topic": topic, **without_nones(values)})
    else:
        changes = {name: sa.null() if value is None else value for name, value in values.items()}
        connection.execute(sa.update(topic_control).where(_t.topic == topic).values(changes))
