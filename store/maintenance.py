"""The statements on `maintenance`: one row while ops have the service in maintenance, none otherwise."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from store.clock import now
from store.database import Database
from store.driver_errors import is_unique_violation
from store.event_rows import NewEvent
from store.events import insert_event
from store.models import maintenance

#: what happens to new starts: they are refused, or accepted and held until maintenance ends
REFUSE, HOLD = "refuse", "hold"

#: key of the only row
_ONLY = 1
_m = maintenance.c


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The service is in maintenance: no step begins, and new starts are refused or held.

    Attributes:
        since: when it began.
        reason: why, as ops said it.
        starts: :data:`REFUSE` or :data:`HOLD`.
        until: when ops expect it to end; None if they did not say.
        actor: who began it, or changed it last.
    """

    since: datetime
    reason: str
    starts: str
    until: datetime | None
    actor: str


_CURRENT = sa.select(*(_m[item.name] for item in fields(Maintenance))).where(_m.id == _ONLY)


class MaintenanceStore:
    """The maintenance of the service, in one database.

    Every method raises :class:`store.errors.DatabaseUnavailable` when the database is unavailable.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def current(self) -> Maintenance | None:
        """The maintenance that holds now; None if the service is not in maintenance."""
        with self._db.read() as connection:
            found = connection.execute(_CURRENT).first()
        return None if found is None else Maintenance(*found)

    def begin(self, reason: str, starts: str, until: datetime | None, event: NewEvent) -> None:
        """Begin maintenance, or change the one that holds, and write `event`."""
        values = {"reason": reason, "starts": starts, "until": until, "actor": event.actor}
        try:
            self._put(values, event)
        except DBAPIError as error:
            # Another transaction inserted the row between the update and the insert. It exists now.
            if not is_unique_violation(error):
                raise
            self._put(values, event)

    def end(self, event: NewEvent) -> bool:
        """End maintenance and write `event`; False, and nothing is written, when it does not hold."""
        with self._db.write() as connection:
            if not connection.execute(sa.delete(maintenance).where(_m.id == _ONLY)).rowcount:
                return False
            insert_event(connection, event)
            return True

    def _put(self, values: dict[str, Any], event: NewEvent) -> None:
        with self._db.write() as connection:
            insert_event(connection, event)
            if not connection.execute(sa.update(maintenance).where(_m.id == _ONLY).values(values)).rowcount:
                connection.execute(sa.insert(maintenance).inline(), {"id": _ONLY, "since": now(), **values})
