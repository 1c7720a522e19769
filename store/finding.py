"""Finds processes by their identifiers and ids, each along an index, however many rows the tables have.

Ids and identifiers are compared exactly, upper and lower case included. A search for an identifier reads its index from
the newest process on. A search for the beginning of a text reads a limited number of entries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from store.identifiers import name_text, value_text
from store.models import process_identifier, process_store
from store.process_rows import API, CANCELLED, ENGINE, ERROR, OK, PENDING, STATUSES
from store.types import Constant, may_exist, using_index

#: how far the order of `started_at` may differ from that of `seq`, because clocks of hosts differ and writes wait
CLOCKS_DIFFER = timedelta(minutes=1)
#: most entries of an index that a search for the beginning of a text reads
BEGINNINGS = 1_000

_p, _i = process_store.c, process_identifier.c
_BY_NAME, _BY_VALUE = "ix_process_identifier_name_value", "ix_process_identifier_value"
_BY_CORRELATION_ID = "uq_process_store_correlation_id"


def _checked(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """`column` for a condition that checks rows, but lets no index of this column find them.

    An index of `started_at`, for example, would return a whole span of time, which must then be sorted.
    """
    return sa.func.coalesce(column, column)


_started_at = _checked(_p.started_at)
_FIRST_SINCE = sa.select(_p.seq).where(_p.started_at >= bindparam("moment")).order_by(_p.started_at, _p.seq).limit(1)
_LAST_BEFORE = (
    sa.select(_p.seq).where(_p.started_at < bindparam("moment")).order_by(_p.started_at.desc(), _p.seq.desc()).limit(1)
)


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier to find processes by.

    `is_beginning`: the value only begins with this text.
    """

    name: str
    value: str
    is_beginning: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """What to find.

    Attributes:
        identifier: an identifier of the process.
        text: the beginning of the correlation id, of the value of any identifier, or of `name:value` of one.
    """

    identifier: Identifier | None = None
    text: str | None = None

    def __bool__(self) -> bool:
        return self.identifier is not None or self.text is not None

    @property
    def is_exact(self) -> bool:
        """True when every process that matches is found: for one identifier alone, and without a search."""
        return self.text is None and (self.identifier is None or not self.identifier.is_beginning)


NOTHING = Search()


@dataclass(frozen=True, slots=True)
class Traits:
    """What the processes of a list have in common; None and () mean anything.

    Attributes:
        statuses: one of these statuses.
        incident: True: an open incident. False: none; of the errors, those that no retry repairs.
        batch_id, application_id: the labels of the start.
        error_code: the code of the error, which is `INCIDENT` for an incident.
        failed_step: the name of the step that has the incident.
        started_by: one of :data:`store.process_rows.STARTERS`.
    """

    statuses: tuple[str, ...] = ()
    incident: bool | None = None
    batch_id: str | None = None
    application_id: str | None = None
    error_code: str | None = None
    failed_step: str | None = None
    started_by: str | None = None


ANY = Traits()
_LABELS = ((_p.batch_id, "batch_id"), (_p.application_id, "application_id"))
_ERRORS = ((_p.error_code, "error_code"), (_p.error_step, "failed_step"))


def find(
    connection: Connection,
    columns: sa.Select[Any],
    search: Search = NOTHING,
    traits: Traits = ANY,
    *,
    limit: int,
    before_seq: int | None = None,
    process_key: str | None = None,
    started_after: datetime | None = None,
    started_before: datetime | None = None,
) -> sa.Select[Any]:
    """The query for at most `limit` processes that match, newest first.

    One index finds the rows, and the other conditions check them.

    Args:
        columns: a query of columns of `process_store` without conditions.
        search: an identifier or a text; if there is one, its index finds the rows.
        traits: what else the processes have; then the index of the first of them finds the rows.
        limit: most rows.
        before_seq: only rows older than this one.
        process_key, started_after, started_before: see :meth:`store.processes.ProcessStore.page`.
    """
    key: sa.ColumnElement[Any] = _p.seq
    checks = checks_of(traits, process_key)
    query, each, statuses = columns, False, traits.statuses
    labels, errors = _given(traits, _LABELS), _given(traits, _ERRORS)
    if search.identifier is not None and search.is_exact:
        # along the index of the identifiers, which ends in the key of the process
        key = _i.process_seq
        query = query.select_from(process_identifier.join(process_store, _i.process_seq == _p.seq))
        query = using_index(query.where(*_is(search.identifier)), _BY_NAME)
    elif search:
        query = query.where(*(_p.seq.in_(_entries(part)) for part in _parts(search)))
    elif labels:
        query, each, statuses = query.where(labels[0]), True, statuses or STATUSES
    elif errors:
        query = query.where(errors[0])
    elif traits.incident:
        query = query.where(_p.incident_id.is_not(None))
    elif traits.incident is False and statuses == (ERROR,):
        # as in the filter of the index
        others = (_p.status != Constant(status) for status in (OK, PENDING, CANCELLED))
        query = query.where(_p.incident_id.is_(None), *others)
    elif traits.started_by == ENGINE or (traits.started_by is not None and process_key is None):
        # Most processes may be started here, so for those the index of another condition is better.
        query, each, statuses = query.where(*_started_by(traits)), True, statuses or STATUSES
    else:
        query, each = narrowed(query, None, process_key), bool(statuses)
        # the status and the process have found the rows already
        checks = checks_of(replace(traits, statuses=()), None)
    query = query.where(*checks)
    if before_seq is not None:
        query = query.where(key < before_seq)
    query = query.where(*span_of_keys(connection, started_after, started_before, key=key))
    if not each:
        return query.order_by(key.desc()).limit(limit)
    if len(statuses) == 1:
        return _newest(query.where(_p.status == statuses[0]), limit)
    # Each status has its own range of the index, from which the newest are read.
    keys = query.with_only_columns(_p.seq)
    ranges = [_newest(keys.where(_p.status == status), limit).subquery() for status in statuses]
    return _newest(columns.where(_p.seq.in_(sa.union_all(*(sa.select(some) for some in ranges)))), limit)


def checks_of(traits: Traits, process_key: str | None) -> list[sa.ColumnElement[bool]]:
    """The conditions that check rows for traits and process, while another index finds the rows."""
    checks = _given(traits, (*_LABELS, *_ERRORS), checked=True)
    if traits.incident is not None:
        incident = _checked(_p.incident_id)
        checks.append(incident.is_not(None) if traits.incident else incident.is_(None))
    checks += _started_by(traits, checked=True)
    if traits.statuses:
        checks.append(_checked(_p.status).in_(traits.statuses))
    if process_key is not None:
        checks.append(_equals(_p.process_key, process_key, checked=True))
    return checks


def count(connection: Connection, query: sa.Select[Any]) -> int:
    """How many rows a query of :func:`find` has, which its limit bounds."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one())


def _given(
    traits: Traits, columns: tuple[tuple[sa.Column[Any], str], ...], *, checked: bool = False
) -> list[sa.ColumnElement[bool]]:
    values = [(column, getattr(traits, name)) for column, name in columns]
    return [_equals(column, value, checked=checked) for column, value in values if value is not None]


def _started_by(traits: Traits, *, checked: bool = False) -> list[sa.ColumnElement[bool]]:
    if traits.started_by is None:
        return []
    column = _checked(_p.started_by) if checked else _p.started_by
    return [column.is_(None) if traits.started_by == API else column == traits.started_by]


def _equals(column: sa.Column[Any], value: str, *, checked: bool = False) -> sa.ColumnElement[bool]:
    if not may_exist(value, column):
        return sa.false()
    return (_checked(column) if checked else column) == value


def _newest(query: sa.Select[Any], limit: int) -> sa.Select[Any]:
    return query.order_by(_p.seq.desc()).limit(limit)


def narrowed(query: sa.Select[Any], status: str | None, process_key: str | None) -> sa.Select[Any]:
    """`query`, restricted to a status and a process; None means any."""
    if status is not None:
        query = query.where(_p.status == status)
    if process_key is not None:
        query = query.where(_equals(_p.process_key, process_key))
    return query


def span_of_keys(
    connection: Connection,
    started_after: datetime | None,
    started_before: datetime | None,
    *,
    key: sa.ColumnElement[Any] = _p.seq,
) -> list[sa.ColumnElement[bool]]:
    """The conditions for rows that were started within a span of time; see :meth:`store.processes.ProcessStore.page`.

    `key`: the column with the key of the process.

    A list is sorted by the key, which grows with time, so that a span of time is also a span of keys. With conditions
    on the key, the database reads an index that ends in the key from the beginning of the span, instead of from the
    newest row.
    """
    conditions = []
    if started_after is not None:
        conditions.append(_started_at >= started_after)
        if (last := _neighbour(connection, _LAST_BEFORE, started_after, -CLOCKS_DIFFER)) is not None:
            conditions.append(key > last)
    if started_before is not None:
        conditions.append(_started_at < started_before)
        if (first := _neighbour(connection, _FIRST_SINCE, started_before, CLOCKS_DIFFER)) is not None:
            conditions.append(key < first)
    return conditions


def _neighbour(connection: Connection, query: sa.Select[Any], moment: datetime, shift: timedelta) -> int | None:
    """The key of the row next to a span of time; None when there is no such row, or the time is out of range."""
    try:
        beyond = moment + shift
    except OverflowError:
        return None
    found: int | None = connection.execute(query, {"moment": beyond}).scalar()
    return found


def is_cut(connection: Connection, search: Search) -> bool:
    """True when more entries of an index begin with the text than a search reads, so that it may not find them all."""
    return any(
        connection.execute(_count_beyond(entries)).scalar_one() > BEGINNINGS
        for part in _parts(search)
        for entries in part
    )


def _parts(search: Search) -> list[list[sa.Select[Any]]]:
    """The queries of keys of index entries. A process matches if each part has a query that has its key."""
    parts = []
    if (wanted := search.identifier) is not None:
        parts.append([_named(wanted)])
    if search.text is not None:
        parts.append(_anywhere(search.text))
    return parts


def _anywhere(text: str) -> list[sa.Select[Any]]:
    value = value_text(text)
    if not value:
        return [sa.select(_p.seq).where(sa.false())]
    found = [
        # The values that equal the text come first: there may be too many of those that only begin with it.
        using_index(sa.select(_i.process_seq).where(_i.value == value), _BY_VALUE).order_by(_i.process_seq.desc()),
        using_index(sa.select(_i.process_seq).where(*_begins(_i.value, value)), _BY_VALUE).order_by(_i.value),
    ]
    if may_exist(text, _p.correlation_id):
        ids = sa.select(_p.seq).where(*_begins(_p.correlation_id, text)).order_by(_p.correlation_id)
        found.append(using_index(ids, _BY_CORRELATION_ID))
    name, _, rest = text.partition(":")
    if name and rest.strip():
        found.append(_named(Identifier(name, rest, is_beginning=True)))
    return found


def _named(wanted: Identifier) -> sa.Select[Any]:
    query = using_index(sa.select(_i.process_seq).where(*_is(wanted)), _BY_NAME)
    return query.order_by(_i.value if wanted.is_beginning else _i.process_seq.desc())


def _is(wanted: Identifier) -> list[sa.ColumnElement[bool]]:
    name, value = _i.name == name_text(wanted.name), value_text(wanted.value)
    return [name, *_begins(_i.value, value)] if wanted.is_beginning else [name, _i.value == value]


def _begins(column: sa.ColumnElement[Any], text: str) -> list[sa.ColumnElement[bool]]:
    """The conditions that `column` begins with `text`, as a range of its index; no row begins with an empty text."""
    if not text:
        return [sa.false()]
    return [column >= text, column < _after(text)]


def _after(text: str) -> str:
    """The first text after all those that begin with `text`, in the order of code points."""
    last = ord(text[-1])
    if last == 0x10FFFF:
        return _after(text[:-1]) if len(text) > 1 else text + text
    # the code points of surrogates are no characters
    return text[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)


def _entries(queries: list[sa.Select[Any]]) -> sa.CompoundSelect[Any]:
    # SQLite limits a part of a UNION only in a query of its own.
    return sa.union_all(*(sa.select(query.limit(BEGINNINGS).subquery()) for query in queries))


def _count_beyond(query: sa.Select[Any]) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(query.limit(BEGINNINGS + 1).subquery())
