"""Statistics of the processes and steps of a span of time; the database counts a limited number of rows.

Percentiles are computed from histograms, which both databases can count. Only SQL Server has exact percentiles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from store.clock import now
from store.database import Database
from store.event_rows import BPMN_ERROR, COMPLETED, FAILED, LOST, OUTCOME_UNKNOWN
from store.finding import CLOCKS_DIFFER, span_of_keys
from store.histogram import Histogram, bucket_of
from store.models import event_log, process_store
from store.process_rows import STATUSES
from store.types import Constant, UtcTime

#: most processes and most attempts that one call counts, the newest of the span; SQLite needs about 2 µs for each
MOST_PROCESSES, MOST_ATTEMPTS = 100_000, 20_000

_p = process_store.c
_e = event_log.c
#: phases of attempts that have ended, and those of them that count as failed
_OVER = (COMPLETED, BPMN_ERROR, FAILED, LOST, OUTCOME_UNKNOWN)
_BAD = (FAILED, LOST, OUTCOME_UNKNOWN)


class elapsed_ms(sa.sql.functions.FunctionElement[int]):  # noqa: N801 - reads as the SQL function that it stands for
    """Milliseconds from one time to another."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(elapsed_ms, "sqlite")
def _elapsed_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    begin, end = (compiler.process(clause, **options) for clause in element.clauses)
    # julianday counts days, with a resolution below a millisecond
    return f"CAST(ROUND((julianday({end}) - julianday({begin})) * 86400000) AS INTEGER)"


@compiles(elapsed_ms, "mssql")
def _elapsed_mssql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    begin, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"DATEDIFF_BIG(millisecond, {begin}, {end})"


@dataclass(slots=True)
class Moment:
    """The processes that were started in one part of the span.

    The answers to the requests aren't stored. `in_time` and `late` are computed from the ends of the processes, so they
    are estimates for clients that don't wait (`Prefer: respond-async`) and for processes with a retry after a failure.

    Attributes:
        in_time: how many ended while their request waited.
        late: how many ended later, or are running for longer than a request waits.
        undecided: how many are running and may still end in time.
    """

    starts: int = 0
    by_status: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    on_incident: int = 0
    in_time: int = 0
    late: int = 0

    @property
    def undecided(self) -> int:
        """How many are running and may still end in time."""
        return self.starts - self.in_time - self.late


@dataclass(slots=True)
class StepInsight:
    """The attempts of one step: how many, how many of them failed, and their durations."""

    process_name: str
    step_name: str
    attempts: int = 0
    failed: int = 0
    durations: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True)
class Insight:
    """The statistics of a span of time.

    Attributes:
        moments: one for each part of the span.
        waits: durations of the processes that have ended, from start to end.
        steps: one for each step, sorted by process and step.
        are_processes_cut, are_steps_cut: True when there are more rows than were counted; the oldest aren't counted.
    """

    moments: list[Moment]
    waits: Histogram
    steps: list[StepInsight]
    are_processes_cut: bool
    are_steps_cut: bool


class InsightStore:
    """The queries for the charts of the monitor, on one database.

    Every method raises :class:`store.errors.DatabaseUnavailable` when the database is unavailable.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def look(self, begin: datetime, end: datetime, *, parts: int, wait_ms: int) -> Insight:
        """The statistics of the processes that were started at or after `begin` and before `end`.

        Args:
            parts: into how many parts of equal length the span is divided.
            wait_ms: how long a request waits for the end of its process, in milliseconds.
        """
        with self._db.read() as connection:
            moments, waits = _processes(connection, begin, end, parts, wait_ms)
            steps = _steps(connection, begin, end)
        are_processes_cut = sum(moment.starts for moment in moments) >= MOST_PROCESSES
        return Insight(moments, waits, steps, are_processes_cut, sum(step.attempts for step in steps) >= MOST_ATTEMPTS)


def _processes(
    connection: Connection, begin: datetime, end: datetime, parts: int, wait_ms: int
) -> tuple[list[Moment], Histogram]:
    width_ms = max(1, round((end - begin).total_seconds() * 1000 / parts))
    since_begin = elapsed_ms(sa.literal(begin, UtcTime()), _p.started_at)
    has_ended = _p.finished_at.is_not(None)
    # The LIMIT prevents SQLite from computing the times again in each expression of the outer queries.
    rows = (
        sa.select(
            _p.status,
            sa.cast(since_begin / sa.literal_column(str(width_ms)), sa.Integer).label("part"),
            sa.case((has_ended, elapsed_ms(_p.started_at, _p.finished_at)), else_=sa.null()).label("took"),
            _one_if(_p.incident_id.is_not(None)).label("on_incident"),
            _one_if(_p.started_at < now() - timedelta(milliseconds=wait_ms)).label("is_old"),
        )
        .where(*span_of_keys(connection, begin, end))
        .order_by(_p.seq.desc())
        .limit(MOST_PROCESSES)
        .subquery()
    )
    each = sa.select(
        *(rows.c.part, rows.c.status, rows.c.on_incident, bucket_of(rows.c.took).label("bucket")),
        _one_if(rows.c.took <= sa.literal_column(str(wait_ms))).label("in_time"),
        sa.case((rows.c.took.is_(None), rows.c.is_old), else_=sa.literal_column("1")).label("is_known"),
    ).subquery()
    keys = (each.c.part, each.c.status, each.c.bucket)
    sums = (sa.func.sum(column) for column in (each.c.on_incident, each.c.in_time, each.c.is_known))
    counted = sa.select(*keys, sa.func.count(), *sums).group_by(*keys)
    moments = [Moment() for _ in range(parts)]
    waits = Histogram()
    for number, status, bucket, count, on_incident, in_time, known in connection.execute(counted):
        moment = moments[min(max(int(number), 0), parts - 1)]
        moment.starts += count
        moment.by_status[status] += count
        moment.on_incident += on_incident
        moment.in_time += in_time
        moment.late += known - in_time
        if bucket is not None:
            waits.counts[bucket] += count
    return moments, waits


def _steps(connection: Connection, begin: datetime, end: datetime) -> list[StepInsight]:
    first, last = _first_since(connection, begin - CLOCKS_DIFFER), _first_since(connection, end + CLOCKS_DIFFER)
    rows = (
        sa.select(
            *(_e.process_name, _e.step_name, _e.execution_time),
            _one_if(_e.phase.in_([Constant(phase) for phase in _BAD])).label("is_bad"),
        )
        .where(_e.seq >= first, _e.seq < last)
        .where(_e.created_at >= begin, _e.created_at < end)
        .where(_e.phase.in_([Constant(phase) for phase in _OVER]))
        .order_by(_e.seq.desc())
        .limit(MOST_ATTEMPTS)
        .subquery()
    )
    each = sa.select(rows, bucket_of(rows.c.execution_time).label("bucket")).subquery()
    keys = (each.c.process_name, each.c.step_name, each.c.bucket)
    counted = sa.select(*keys, sa.func.count(), sa.func.sum(each.c.is_bad)).group_by(*keys)
    steps: dict[tuple[str, str], StepInsight] = {}
    for process, name, bucket, count, failed in connection.execute(counted):
        step = steps.setdefault((process or "", name), StepInsight(process or "", name))
        step.attempts += count
        step.failed += failed
        if bucket is not None:
            step.durations.counts[bucket] += count
    return [steps[key] for key in sorted(steps)]


def _first_since(connection: Connection, moment: datetime) -> int:
    """The key of the first event at or after `moment`; the last key plus one when there is none.

    Keys grow with time, so a binary search by key finds the event, and the table needs no index by time.
    """
    # Two queries for the two ends, because for both in one query SQLite reads the whole index.
    ends = sa.select(_e.seq, _e.created_at).limit(1)
    newest = connection.execute(ends.order_by(_e.seq.desc())).first()
    if newest is None or newest.created_at < moment:
        return 1 if newest is None else int(newest.seq) + 1
    low = int(connection.execute(ends.order_by(_e.seq)).one().seq)
    high = int(newest.seq)
    query = ends.where(_e.seq >= sa.bindparam("at")).order_by(_e.seq)
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(query, {"at": middle}).first()
        if found is None or found.created_at >= moment:
            high = middle
        else:
            low = int(found.seq) + 1
    return low


def _one_if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    # Literals instead of parameters, because SQL Server can't determine the type of a CASE of two parameters.
    return sa.case((condition, sa.literal_column("1")), else_=sa.literal_column("0"))
