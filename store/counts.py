"""How many rows are in which state, for metrics: counts that an index alone answers, however large the tables are."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from store.database import Database
from store.models import process_store, webhook_delivery
from store.process_rows import CANCELLED, OK, PENDING
from store.types import Constant
from store.webhooks import PENDING as UNDELIVERED

_p = process_store.c
#: the process key as something that no index is sorted by: grouping by it, SQLite reads the few rows of a condition
#: instead of every row in the order of its key
_KEY_ITSELF = _p.process_key + sa.literal_column("''")


class Counts:
    """The counts of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def pending(self, process_keys: Iterable[str]) -> dict[str, int]:
        """Process key -> processes that have not ended, for each of these keys."""
        keys = list(process_keys)
        # The keys are named so that the index by key and status serves; without them every pending row is read.
        found = self._by_key(_p.process_key, _p.process_key.in_(keys), _p.status == Constant(PENDING))
        return {key: found.get(key, 0) for key in keys}

    def on_incident(self) -> dict[str, int]:
        """Process key -> processes that stand still on an incident; no entry for none."""
        # not `= error`: SQLite may then take the index of all that ever failed
        others = [Constant(PENDING), Constant(OK), Constant(CANCELLED)]
        return self._by_key(_KEY_ITSELF, _p.incident_id.is_not(None), _p.status.not_in(others))

    def webhooks_pending(self) -> int:
        """Webhooks that are still to be delivered."""
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
