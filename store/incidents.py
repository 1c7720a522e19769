"""The processes with an open incident, in few columns: to group them, and to select a group."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.database import Database
from store.finding import Traits, find
from store.models import process_store


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """A process with an open incident.

    `finished_at`: when its row got the incident.
    """

    seq: int
    correlation_id: str
    process_key: str
    process_instance_id: str | None
    error: dict[str, Any] | None
    finished_at: datetime | None


_COLUMNS: sa.Select[Any] = sa.select(*(process_store.c[item.name] for item in fields(OpenIncident)))


class IncidentStore:
    """The query for open incidents, on one database.

    Every method raises :class:`store.errors.DatabaseUnavailable` when the database is unavailable.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def page(
        self,
        *,
        limit: int,
        before_seq: int | None = None,
        process_key: str | None = None,
        step: str | None = None,
    ) -> list[OpenIncident]:
        """At most `limit` processes with an open incident, those that were started last first."""
        traits = Traits(incident=True, failed_step=step)
        with self._db.read() as connection:
            query = find(
                connection, _COLUMNS, traits=traits, limit=limit, before_seq=before_seq, process_key=process_key
            )
            return [OpenIncident(*row) for row in connection.execute(query)]
