"""How the processes of a span of time went: counted by the database, row by row of a bounded number of rows.

Percentiles are read off histograms, which both databases can count; exact ones SQL Server has and SQLite has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from store.database import Database
from store.events import BPMN_ERROR, COMPLETED, FAILED, LOST, OUTCOME_UNKNOWN
from store.models import event_log, process_store
from store.processes import CLOCKS_DIFFER, STATUSES, span_of_keys
from store.types import Constant, UtcTime

#: rows of each table that one answer counts, the newest of the span
MOST_ROWS = 200_000
#: upper bounds of the histograms, in milliseconds; what lies above the last is counted beyond it
BOUNDS_MS = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 25_000, 60_000, 300_000, 3_600_000)

_p = process_store.c
_e = event_log.c
#: phases in which an attempt is over, and those of them in which it did not go well
_OVER = (COMPLETED, BPMN_ERROR, FAILED, LOST, OUTCOME_UNKNOWN)
_BAD = (FAILED, LOST, OUTCOME_UNKNOWN)


class elapsed_ms(sa.sql.functions.FunctionElement[int]):  # noqa: N801 - reads as the SQL function that it stands for
    """Milliseconds from one time to another."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(elapsed_ms, "sqlite")
def _elapsed_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    begin, end = (compiler.process(clause, **options) for clause in element.clauses)
    # julianday counts days; its last digits are below a millisecond
    return f"CAST(ROUND((julianday({end}) - julianday({begin})) * 86400000) AS INTEGER)"


@compiles(elapsed_ms, "mssql")
def _elapsed_mssql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    begin, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"DATEDIFF_BIG(millisecond, {begin}, {end})"


@dataclass(slots=True)
class Histogram:
    """How many values lie at or below each of :data:`BOUNDS_MS`, and how many there are."""

    total: int = 0
    below: list[int] = field(default_factory=lambda: [0] * len(BOUNDS_MS))

    def percentile(self, share: float) -> float | None:
        """The value below which this share lies, in milliseconds, as if values lay evenly between two bounds.

        None without values; the last bound for what lies above it.
        """
        if not self.total:
            return None
        rank = share * self.total
        before, lower = 0, 0.0
        for bound, count in zip(BOUNDS_MS, self.below, strict=True):
            if count >= rank:
                return lower + (bound - lower) * (rank - before) / (count - before) if count > before else float(bound)
            before, lower = count, float(bound)
        return float(BOUNDS_MS[-1])


@dataclass(slots=True)
class Moment:
    """The processes that were started in one part of the span."""

    starts: int = 0
    by_status: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    on_incident: int = 0
    in_time: int = 0


@dataclass(slots=True)
class StepInsight:
    """The attempts of one step."""

    process_name: str
    step_name: str
    attempts: int
    failed: int
    durations: Histogram


@dataclass(frozen=True, slots=True)
class Insight:
    """A span of time in equal parts.

    Attributes:
        moments: one a part.
        waits: from start to end, of the processes that have ended.
        steps: by process and step.
        is_cut: there are more rows than were counted; the oldest were left out.
    """

    moments: list[Moment]
    waits: Histogram
    steps: list[StepInsight]
    is_cut: bool


class InsightStore:
    """What the charts ask of one database.

    Every method raises :class:`store.database.DatabaseAway` when the database cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def look(self, begin: datetime, end: datetime, *, parts: int, wait_ms: int) -> Insight:
        """The processes started from `begin` on, before `end`.

        Args:
            parts: of how many equal lengths.
            wait_ms: within how many milliseconds an end still answers the request that started the process.
        """
        with self._db.read() as connection:
            moments, waits, some_left = _processes(connection, begin, end, parts, wait_ms)
            steps, more_left = _steps(connection, begin, end)
        return Insight(moments, waits, steps, some_left or more_left)


def _processes(
    connection: Connection, begin: datetime, end: datetime, parts: int, wait_ms: int
) -> tuple[list[Moment], Histogram, bool]:
    rows = (
        sa.select(_p.status, _p.incident_id, _p.started_at, _p.finished_at)
        .where(*span_of_keys(connection, begin, end))
        .order_by(_p.seq.desc())
        .limit(MOST_ROWS)
        .subquery()
    )
    width_ms = max(1, round((end - begin).total_seconds() * 1000 / parts))
    part = sa.cast(
        elapsed_ms(sa.literal(begin, UtcTime()), rows.c.started_at) / sa.literal_column(str(width_ms)), sa.Integer
    )
    each = sa.select(
        part.label("part"),
        rows.c.status,
        rows.c.incident_id,
        sa.case((rows.c.finished_at.is_not(None), elapsed_ms(rows.c.started_at, rows.c.finished_at)), else_=None).label(
            "took"
        ),
    ).subquery()
    counted = sa.select(
        each.c.part,
        each.c.status,
        sa.func.count(),
        _how_many(each.c.incident_id.is_not(None)),
        _how_many(each.c.took <= wait_ms),
        *_below(each.c.took),
    ).group_by(each.c.part, each.c.status)
    moments = [Moment() for _ in range(parts)]
    waits = Histogram()
    total = 0
    for number, status, count, on_incident, in_time, *below in connection.execute(counted):
        moment = moments[min(max(int(number), 0), parts - 1)]
        moment.starts += count
        moment.by_status[status] += count
        moment.on_incident += on_incident
        moment.in_time += in_time
        total += count
        _add(waits, below)
    waits.total = sum(moment.starts - moment.by_status["pending"] for moment in moments)
    return moments, waits, total >= MOST_ROWS


def _steps(connection: Connection, begin: datetime, end: datetime) -> tuple[list[StepInsight], bool]:
    first, last = _first_since(connection, begin - CLOCKS_DIFFER), _first_since(connection, end + CLOCKS_DIFFER)
    rows = (
        sa.select(_e.process_name, _e.step_name, _e.phase, _e.execution_time)
        .where(_e.seq >= first, _e.seq < last)
        .where(_e.created_at >= begin, _e.created_at < end)
        .where(_e.phase.in_([Constant(phase) for phase in _OVER]))
        .order_by(_e.seq.desc())
        .limit(MOST_ROWS)
        .subquery()
    )
    counted = (
        sa.select(
            rows.c.process_name,
            rows.c.step_name,
            sa.func.count(),
            _how_many(rows.c.phase.in_([Constant(phase) for phase in _BAD])),
            _how_many(rows.c.execution_time.is_not(None)),
            *_below(rows.c.execution_time),
        )
        .group_by(rows.c.process_name, rows.c.step_name)
        .order_by(rows.c.process_name, rows.c.step_name)
    )
    steps = [
        StepInsight(process or "", step, count, failed, Histogram(timed, list(below)))
        for process, step, count, failed, timed, *below in connection.execute(counted)
    ]
    return steps, sum(step.attempts for step in steps) >= MOST_ROWS


def _first_since(connection: Connection, moment: datetime) -> int:
    """The key of the first event since `moment`, one beyond the last for none.

    Keys grow with time, so halving finds it along the key, and no insert has to keep an index of times.
    """
    low, high = (int(key or 0) for key in connection.execute(sa.select(sa.func.min(_e.seq), sa.func.max(_e.seq))).one())
    high += 1
    query = sa.select(_e.seq, _e.created_at).where(_e.seq >= sa.bindparam("at")).order_by(_e.seq).limit(1)
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(query, {"at": middle}).first()
        if found is None or found.created_at >= moment:
            high = middle
        else:
            low = int(found.seq) + 1
    return low


def _how_many(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _below(value: sa.ColumnElement[Any]) -> list[sa.ColumnElement[int]]:
    return [_how_many(value <= sa.literal_column(str(bound))) for bound in BOUNDS_MS]


def _add(histogram: Histogram, below: Sequence[int]) -> None:
    histogram.below = [old + new for old, new in zip(histogram.below, below, strict=True)]
