"""Every statement about `topic_control`: what ops say about topics. Few rows, read often, written by people."""

from __future__ import annotations

from collections.abc import Callable
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
from store.types import given

T = TypeVar("T")

_t = topic_control.c
_INSERT = sa.insert(topic_control).inline()


@dataclass(frozen=True, slots=True)
class TopicRow:
    """What ops say about one topic.

    `max_concurrency`: None for what the code says, 0 for no limit. `rate`: such as ``5/second``, None for what the code
    says, ``none`` for no limit.
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
    """What ops say about topics, in one database.

    Every method raises :class:`store.database.DatabaseUnavailable` when the database cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> list[TopicRow]:
        """Every topic that ops ever said something about."""
        with self._db.read() as connection:
            return [TopicRow(*row) for row in connection.execute(_ALL)]

    def pause(self, topic: str, reason: str | None, event: NewEvent) -> bool:
        """Pause a topic, and write the event that says who did; False, and nothing written, when it is paused."""

        def work(connection: Connection) -> bool:
            before = _find(connection, topic)
            if before is not None and before.paused_at is not None:
                return False
            _put(connection, topic, before, event, paused_at=now(), reason=reason)
            return True

        return self._change(work)

    def resume(self, topic: str, event: NewEvent) -> bool:
        """Let a topic run again, and write the event that says who did; False when it is not paused."""

        def work(connection: Connection) -> bool:
            before = _find(connection, topic)
            if before is None or before.paused_at is None:
                return False
            _put(connection, topic, before, event, paused_at=None, reason=None)
            return True

        return self._change(work)

    def limit(self, topic: str, changes: dict[str, Any], event: NewEvent) -> None:
        """Change the limits that `changes` names (`max_concurrency`, `rate`), and write the event that says who did."""
        self._change(lambda connection: _put(connection, topic, _find(connection, topic), event, **changes))

    def _change(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._db.write() as connection:
                return work(connection)
        except DBAPIError as error:
            # Somebody else wrote the topic's first row between our read and our insert: it is there now.
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
        connection.execute(_INSERT, {"topic": topic, **given(values)})
    else:
        changes = {name: sa.null() if value is None else value for name, value in values.items()}
        connection.execute(sa.update(topic_control).where(_t.topic == topic).values(changes))
