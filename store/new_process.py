"""Writes the row of a new process, and the identifiers of its start."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.identifiers import insert_identifiers
from store.models import process_store
from store.process_rows import PENDING, NewProcess
from store.types import without_nones

_INSERT = sa.insert(process_store).inline()  # the new key isn't used, so there is no SELECT scope_identity()


def insert_process(connection: Connection, new: NewProcess, moment: datetime) -> None:
    """Write a pending row that starts at `moment`, and its identifiers, inside a transaction of the caller.

    Raises:
        DBAPIError: a unique violation, if its id or its correlation id exists.
    """
    values = {item.name: getattr(new, item.name) for item in fields(new) if item.name != "searched"}
    values |= {"status": PENDING, "engine_open": False, "started_at": moment, "updated_at": moment}
    # A start without a priority is the statement without the column.
    values["priority"] = new.priority or None
    connection.execute(_INSERT, without_nones(values))
    if new.searched:
        insert_identifiers(connection, new.id, new.searched)
