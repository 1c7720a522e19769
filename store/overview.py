"""The queries for the process list of the monitor: pages, the newest attempt of each process, counts.

Every statement reads a limited number of rows, however large the tables are.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.database import Database
from store.finding import ANY, NOTHING, Search, Traits, checks_of, count, find, is_cut
from store.models import event_log, process_store
from store.process_rows import ERROR, STATUSES
from store.searching import contains, value_contains
from store.types import may_exist, using_index

#: highest number that the counters show; above it they show "more than 1,000"
COUNT_LIMIT = 1_000
#: kinds of errors in the counters: with an open incident, which ops can retry, and without
INCIDENT, REJECTED = "incident", "rejected"
#: most rows in which one search looks for a text in ids and identifiers, newest first
SEARCH_ROWS = 5_000
#: most rows of any age whose correlation id begins with the text that a search reads, and most of them that it shows
PREFIX_LOOKED_AT, PREFIX_ROWS = 1_000, 100

_p = process_store.c
_e = event_log.c


@dataclass(frozen=True, slots=True)
class ListedProcess:
    """A process in the list, without its variables and result."""

    seq: int
    id: uuid.UUID
    correlation_id: str
    process_key: str
    process_instance_id: str | None
    status: str
    error: dict[str, Any] | None
    incident_id: str | None
    identifiers: dict[str, Any] | None
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    started_by: str | None


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of the list; None means any.

    Attributes:
        text: a text in the correlation id or in the value of an identifier; see :mod:`store.searching`.
        search: an id or identifier, found along its index at any age; `text` doesn't count then.
        traits: what else the processes have in common.
    """

    status: str | None = None
    process_key: str | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None
    text: str | None = None
    search: Search = NOTHING
    traits: Traits = ANY

    @property
    def all_traits(self) -> Traits:
        """The traits, with the status as one of them."""
        return self.traits if self.status is None else replace(self.traits, statuses=(self.status,))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list.

    Attributes:
        rows: the rows, newest first.
        next_before: the key for `before_seq` of the next page; None on the last page.
        searched_to: when a search didn't read all rows, the time of start of the oldest row that it read.
    """

    rows: list[ListedProcess]
    next_before: int | None
    searched_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest attempt of a process: its step, its phase, and how many attempts the step had."""

    step_name: str
    phase: str
    attempts: int


_LISTED: sa.Select[Any] = sa.select(*(process_store.c[item.name] for item in fields(ListedProcess)))
# Wrapped in COALESCE so that the database can't use other indexes: a search for the beginning of the correlation id
# must use the index of the correlation id, whatever other filters there are.
_seq, _started_at = (sa.func.coalesce(column, column) for column in (_p.seq, _p.started_at))
# The newest attempt of a process, found from the end of its events, however many there are.
_NEWEST_ATTEMPT = (
    sa.select(_e.seq)
    .where(_e.correlation_id == _p.correlation_id, _e.external_task_id.is_not(None))
    .order_by(_e.seq.desc())
    .limit(1)
    .correlate(process_store)
    .scalar_subquery()
)


class OverviewStore:
    """The queries for the process list, on one database.

    Every method raises :class:`store.errors.DatabaseUnavailable` when the database is unavailable.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def page(self, filters: Filters, *, limit: int, before_seq: int | None = None) -> Page:
        """One page of the list, with rows older than `before_seq`."""
        with self._db.read() as connection:
            is_text = bool(filters.text) and not filters.search
            query = _find(
                connection, _LISTED, filters, limit=SEARCH_ROWS if is_text else limit + 1, before_seq=before_seq
            )
            if not is_text:
                rows = [ListedProcess(*row) for row in connection.execute(query)]
                more = len(rows) > limit
                return Page(rows[:limit], rows[limit - 1].seq if more else None)
            found, looked_from = _search(connection, query, filters.text or "", limit=limit)
            if before_seq is None and looked_from is not None:
                older = _beginning_with(connection, filters, looked_from)
                found = replace(found, rows=found.rows + older)
            return found

    def is_cut(self, filters: Filters) -> bool:
        """True when the search of `filters` may not find everything; see :mod:`store.finding`."""
        if filters.search.is_exact:
            return False
        with self._db.read() as connection:
            return is_cut(connection, filters.search)

    def counts(self, filters: Filters) -> dict[str, int]:
        """Kind -> number of processes, at most COUNT_LIMIT + 1. Ignores the text, and what the kinds are about.

        The kinds are the statuses, and of the errors :data:`INCIDENT` and :data:`REJECTED`.
        """
        kinds = {status: Traits((status,)) for status in STATUSES}
        kinds |= {INCIDENT: Traits((ERROR,), incident=True), REJECTED: Traits((ERROR,), incident=False)}
        with self._db.read() as connection:
            found = {}
            for kind, traits in kinds.items():
                wanted = replace(filters.traits, statuses=traits.statuses, incident=traits.incident)
                query = _find(
                    connection, sa.select(_p.seq), replace(filters, status=None, traits=wanted), limit=COUNT_LIMIT + 1
                )
                found[kind] = count(connection, query)
            return found

    def standings(self, correlation_ids: Sequence[str]) -> dict[str, Standing]:
        """Correlation id -> newest attempt, of these processes; without processes in which no step has begun."""
        if not correlation_ids:
            return {}
        newest = sa.select(_NEWEST_ATTEMPT).where(_p.correlation_id.in_(correlation_ids))
        query = sa.select(_e.correlation_id, _e.external_task_id, _e.step_name, _e.phase).where(_e.seq.in_(newest))
        with self._db.read() as connection:
            rows = list(connection.execute(query))
            tasks = [row.external_task_id for row in rows]
            counted = (
                sa.select(_e.external_task_id, sa.func.count())
                .where(_e.external_task_id.in_(tasks))
                .group_by(_e.external_task_id)
            )
            attempts = {task: int(number) for task, number in connection.execute(counted)} if tasks else {}
        return {
            row.correlation_id: Standing(row.step_name, row.phase, attempts.get(row.external_task_id, 1))
            for row in rows
        }


def _find(
    connection: sa.Connection, columns: sa.Select[Any], filters: Filters, *, limit: int, before_seq: int | None = None
) -> sa.Select[Any]:
    return find(
        connection,
        columns,
        filters.search,
        filters.all_traits,
        limit=limit,
        before_seq=before_seq,
        process_key=filters.process_key,
        started_after=filters.started_after,
        started_before=filters.started_before,
    )


def _newest(query: sa.Select[Any], limit: int) -> sa.Select[Any]:
    return query.order_by(None).order_by(_p.seq.desc()).limit(limit)


def _search(connection: sa.Connection, query: sa.Select[Any], text: str, *, limit: int) -> tuple[Page, int | None]:
    """Search the next rows for `text`; also returns the key of the last row searched, None when there was no row."""
    looked_at = _newest(query, SEARCH_ROWS).with_only_columns(_p.seq).subquery()
    last, number = connection.execute(sa.select(sa.func.min(looked_at.c.seq), sa.func.count())).one()
    if last is None:
        return Page([], None), None
    found = sa.or_(contains(_p.correlation_id, text), value_contains(_p.identifiers, text))
    rows = [ListedProcess(*row) for row in connection.execute(_newest(query.where(_p.seq >= last, found), limit + 1))]
    if len(rows) > limit:
        return Page(rows[:limit], rows[limit - 1].seq, rows[limit - 1].started_at), last
    if number < SEARCH_ROWS:
        return Page(rows, None), last
    searched_to = connection.execute(sa.select(_p.started_at).where(_p.seq == last)).scalar()
    return Page(rows, last, searched_to), last


def _beginning_with(connection: sa.Connection, filters: Filters, before_seq: int) -> list[ListedProcess]:
    """Rows with keys below `before_seq` whose correlation id begins with the text, newest first."""
    text = filters.text or ""
    if not may_exist(text, _p.correlation_id):
        return []
    # Ids contain ASCII without its last character, so that character ends the range of ids with the same beginning.
    beginning = sa.select(_p.seq).where(_p.correlation_id >= text, _p.correlation_id < text + "\x7f")
    beginning = beginning.order_by(_p.correlation_id).limit(PREFIX_LOOKED_AT)
    beginning = using_index(beginning, "uq_process_store_correlation_id")
    query = _LISTED.where(_p.seq.in_(beginning), _seq < before_seq)
    query = query.where(*checks_of(filters.all_traits, filters.process_key))
    if filters.started_after is not None:
        query = query.where(_started_at >= filters.started_after)
    if filters.started_before is not None:
        query = query.where(_started_at < filters.started_before)
    rows = connection.execute(query.order_by(_p.seq.desc()).limit(PREFIX_ROWS))
    return [ListedProcess(*row) for row in rows]
