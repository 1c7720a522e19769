"""Writes the identifiers of processes, by which running, stuck and ended processes are found.

An identifier is stored as text: a number as JSON writes it, a text without spaces around it. Texts are cut to the
length of their column; a search cuts its text in the same way. Values of other types are no identifiers.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from store.models import process_identifier, process_store
from store.process_rows import PENDING
from store.types import Constant, length_of, locking_rows_in_turn, truncated
from telemetry.logs.redaction import redactor

_p, _i = process_store.c, process_identifier.c

_LOCK_PROCESS = locking_rows_in_turn(sa.select(_p.seq, _p.status, _p.identifiers), "uq_process_store_id").where(
    _p.id == bindparam("the_id")
)
_THERE = sa.select(_i.name, _i.value).where(_i.process_seq == bindparam("the_seq"))
_SHOW = (
    sa.update(process_store)
    .where(_p.id == bindparam("the_id"), _p.status == Constant(PENDING))
    .values(identifiers=bindparam("new_identifiers"))
)


@dataclass(frozen=True, slots=True)
class NewIdentifiers:
    """Identifiers that a step has found.

    Attributes:
        process_id: the process row.
        values: the names and values to find the process by, see :func:`as_texts`.
        shown: the identifiers as answers show them.
    """

    process_id: uuid.UUID
    values: Mapping[str, str]
    shown: Mapping[str, Any]


def as_texts(identifiers: Mapping[str, Any] | None) -> dict[str, str]:
    """The identifiers as they are stored: without those that are redacted, empty, or neither text nor number."""
    found = {}
    for name, value in (identifiers or {}).items():
        if redactor().hides(name) or isinstance(value, bool) or not isinstance(value, str | int | float):
            continue
        text = value_text(value if isinstance(value, str) else json.dumps(value))
        if name and text:
            found[name_text(name)] = text
    return found


def name_text(name: str) -> str:
    """The name of an identifier as it is stored."""
    return truncated(name, length_of(_i.name))


def value_text(value: str) -> str:
    """The value of an identifier as it is stored. SQL Server ignores spaces at the end of a key, so none is stored."""
    return truncated(value.strip(), length_of(_i.value)).strip()


def insert_identifiers(connection: Connection, process_id: uuid.UUID, values: Mapping[str, str]) -> None:
    """Write identifiers of a process that are not there yet, in one statement."""
    given: dict[str, Any] = {"the_id": process_id}
    for number, (name, value) in enumerate(values.items()):
        given |= {f"name_{number}": name, f"value_{number}": value}
    connection.execute(_insert(len(values)), given)


def add_identifiers(connection: Connection, new: NewIdentifiers) -> None:
    """Write what is new of the identifiers of a step; nothing if the process has been deleted.

    The lock on the process row lets two steps of one process write one after the other.
    """
    row = connection.execute(_LOCK_PROCESS, {"the_id": new.process_id}).first()
    if row is None:
        return
    there = {(name, value) for name, value in connection.execute(_THERE, {"the_seq": row.seq})}
    missing = {name: value for name, value in new.values.items() if (name, value) not in there}
    if missing:
        insert_identifiers(connection, new.process_id, missing)
    shown = {**(row.identifiers or {}), **new.shown}
    if row.status == PENDING and shown != row.identifiers:
        connection.execute(_SHOW, {"the_id": new.process_id, "new_identifiers": shown})


@cache
def _insert(number: int) -> sa.Insert:
    # The key of the process is read in the same statement, because the insert of a process returns none.
    rows = [
        sa.select(
            _p.seq,
            bindparam(f"name_{at}", type_=_i.name.type),
            bindparam(f"value_{at}", type_=_i.value.type),
        ).where(_p.id == bindparam("the_id"))
        for at in range(number)
    ]
    values = rows[0] if number == 1 else sa.union_all(*rows)
    return sa.insert(process_identifier).inline().from_select(["process_seq", "name", "value"], values)
