"""Counts rows by state, for metrics; each count reads only an index, so that it is fast with tables of any size."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from store.database import Database
from store.models import process_store, webhook_delivery
from store.process_rows import CANCELLED, OK, PENDING
from store.types import Constant
from store.webhooks import PENDING as UNDELIVERED

_p = process_store.c
#: the process key as an expression without an index: when SQLite groups by it, it reads only the few rows that match
#: the condition, instead of every row in the order of the key
_KEY_ITSELF = _p.process_key + sa.literal_column("''")


class Counts:
    """The counts of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def pending(self, process_keys: Iterable[str]) -> dict[str, int]:
        """Process key -> number of processes that haven't ended, for each of these keys."""
        keys = list(process_keys)
        # With the keys in the condition, the index by key and status is used; otherwise every pending row is read.
        found = self._by_key(_p.process_key, _p.process_key.in_(keys), _p.status == Constant(PENDING))
        return {key: found.get(key, 0) for key in keys}

    def on_incident(self) -> dict[str, int]:
        """Process key -> number of processes with an open incident; keys without one are missing."""
        # not `= error`: SQLite may then use the index by status and read all processes that ever failed
        others = [Constant(PENDING), Constant(OK), Constant(CANCELLED)]
        return self._by_key(_KEY_ITSELF, _p.incident_id.is_not(None), _p.status.not_in(others))

    def webhooks_pending(self) -> int:
        """The number of deliveries that are pending."""
        query = (
            sa.select(sa.func.count())
            .select_from(webhook_delivery)
            .where(webhook_delivery.c.status == Constant(UNDELIVERED))
        )
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())

    def _by_key(self, key: sa.ColumnElement[str], *conditions: sa.ColumnElement[bool]) -> dict[str, int]:
        query = sa.select(key, sa.func.count()).where(*conditions).group_by(key)
        with self._db.read() as connection:
            return {name: int(number) for name, number in connection.execute(query)}
