"""Reads all rows of one process for an export, and deletes them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from store.database import Database
from store.event_rows import NewEvent
from store.events import insert_event
from store.models import event_log, process_identifier, process_store, webhook_delivery
from store.process_rows import PENDING
from store.types import Constant, locking_rows

#: Most events in one transaction. At about 5,000 row locks SQL Server locks the whole table instead.
EVENTS = 500

_p, _e, _w, _i = process_store.c, event_log.c, webhook_delivery.c, process_identifier.c
_older_events = event_log.alias("old")

_LOCK_PROCESS: sa.Select[Any] = locking_rows(sa.select(_p.seq), "uq_process_store_id").where(
    _p.id == bindparam("the_id"),
    _p.status != Constant(PENDING),
    _p.incident_id.is_(None),
    _p.engine_open == sa.literal(False, literal_execute=True),
)
_DELETE_EVENTS = sa.delete(event_log).where(
    _e.seq.in_(sa.select(_older_events.c.seq).where(_older_events.c.correlation_id == bindparam("cid")).limit(EVENTS))
)
# Reruns stay, as they are processes of their own, but they no longer name the process that was deleted.
_FORGET_RERUN_OF = (
    sa.update(process_store).where(_p.rerun_of == bindparam("cid"), _p.rerun_of.is_not(None)).values(rerun_of=sa.null())
)


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows were deleted; `left`: True when there are more, for further transactions."""

    events: int
    webhooks: int = 0
    left: bool = False


class PersonalData:
    """The rows of single processes, in one database.

    Every method raises :class:`store.errors.DatabaseUnavailable` when the database is unavailable.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def events(self, correlation_id: str, *, after_seq: int = 0, limit: int = EVENTS) -> list[dict[str, Any]]:
        """The events of a process with the columns of their table, in order, after `after_seq`."""
        # without the kept outcome, which exists only to deliver an outcome again
        shown = [column for column in event_log.c if column.name != "kept_outcome"]
        query = sa.select(*shown).where(_e.correlation_id == correlation_id, _e.seq > after_seq)
        return self._rows(query.order_by(_e.seq).limit(limit))

    def identifiers(self, process_seq: int) -> list[dict[str, Any]]:
        """The identifiers by which a process is found."""
        found = sa.select(_i.name, _i.value).where(_i.process_seq == process_seq)
        return self._rows(found.order_by(_i.name, _i.value))

    def webhooks(self, process_id: uuid.UUID) -> list[dict[str, Any]]:
        """The webhook deliveries of a process."""
        return self._rows(sa.select(webhook_delivery).where(_w.process_id == process_id).order_by(_w.seq))

    def erase(self, process_id: uuid.UUID, correlation_id: str, record: NewEvent) -> Erased | None:
        """Delete some rows of an ended process, and with the last of them the process row and its identifiers.

        None when the process is running, has an open incident, or doesn't exist.

        `record`: the event about the deletion; it is written together with the last deletion.
        """
        with self._db.write() as connection:
            if connection.execute(_LOCK_PROCESS, {"the_id": process_id}).first() is None:
                return None
            events = connection.execute(_DELETE_EVENTS, {"cid": correlation_id}).rowcount
            if events >= EVENTS:
                return Erased(events, left=True)
            webhooks = connection.execute(sa.delete(webhook_delivery).where(_w.process_id == process_id)).rowcount
            connection.execute(sa.delete(process_store).where(_p.id == process_id))
            connection.execute(_FORGET_RERUN_OF, {"cid": correlation_id})
            insert_event(connection, record)
            return Erased(events, webhooks)

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with self._db.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
