"""Fill the store with many rows: `python -m bench.seeding <processes>`, with DATABASE_URL set.

Each process has five events. Correlation and traceability ids are `seed-<number>`, so that a measurement can choose any
of them. The database makes the rows itself (INSERT ... SELECT from a list of numbers). The indexes are dropped before
and built again at the end.
"""

from __future__ import annotations

import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles

from settings import get_settings
from store.database import Database
from store.models import event_log, process_identifier, process_store
from store.types import UtcTime

#: processes of one statement and transaction
BATCH = 50_000
EVENTS_A_TRACE = 5
#: one process in so many ended in an error, and one in so many has a process key that is seldom used
ERRORS, SELDOM = 50, 20
#: one process in so many has the same `accountId`; every `customerId` is the correlation id of its process
ACCOUNTS = 100
#: start of the first process, one process a second from then on; in the past, so that no housekeeping takes them for
#: new
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class random_id(sa.sql.expression.ColumnElement[Any]):  # noqa: N801 - named like a SQL function
    """A SQL expression: a UUID that the database makes."""

    inherit_cache = True
    type = sa.Uuid()


@compiles(random_id, "sqlite")
def _sqlite_id(_element: Any, _compiler: Any, **_options: Any) -> str:
    return "lower(hex(randomblob(16)))"


@compiles(random_id, "mssql")
def _mssql_id(_element: Any, _compiler: Any, **_options: Any) -> str:
    return "NEWID()"


class seconds_after(sa.sql.expression.FunctionElement[Any]):  # noqa: N801 - named like a SQL function
    """A SQL expression: so many seconds after :data:`BEGIN`."""

    inherit_cache = True
    type = UtcTime()


@compiles(seconds_after, "sqlite")
def _sqlite_time(element: Any, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%S.000000', {int(BEGIN.timestamp())} + {seconds}, 'unixepoch')"


@compiles(seconds_after, "mssql")
def _mssql_time(element: Any, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"DATEADD(second, {seconds}, CAST('{BEGIN:%Y-%m-%dT%H:%M:%S}' AS DATETIME2(3)))"


def main(wanted: int) -> None:
    """Fill the tables up to `wanted` processes."""
    fill(Database.from_settings(get_settings()), wanted)
    print(wanted)


def fill(database: Database, wanted: int) -> None:
    """Fill the tables of `database` up to `wanted` processes, with :data:`EVENTS_A_TRACE` events each."""
    with database.read() as connection:
        there = int(connection.execute(sa.select(sa.func.count()).select_from(process_store)).scalar_one())
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
            connection.exec_driver_sql("PRAGMA cache_size=-500000")
    if there >= wanted:
        return
    tables = (process_store, event_log, process_identifier)
    indexes = sorted((index for table in tables for index in table.indexes), key=lambda index: str(index.name))
    with database.write() as connection:
        for index in indexes:
            index.drop(connection)
    for begin in range(there, wanted, BATCH):
        with database.write() as connection:
            _insert(connection, begin, min(begin + BATCH, wanted))
    for index in indexes:
        with database.write() as connection:
            index.create(connection)
    # so that the next connection has its usual settings
    database.dispose()


def _insert(connection: Connection, begin: int, end: int) -> None:
    number = _numbers(begin, end)
    # in the order of the numbers, so that the key grows with time, as in production
    name, error = _name(number), number % ERRORS == 0
    seldom = number % SELDOM == 0
    at = seconds_after(number)
    _insert_select(
        connection,
        process_store,
        {
            "id": random_id(),
            "correlation_id": name,
            "request_hash": sa.literal("0" * 64),
            "process_key": sa.case((seldom, sa.literal("bench-seldom")), else_=sa.literal("bench-five")),
            "batch_id": _name(number % ACCOUNTS),
            "application_id": sa.case((number % 2 == 0, sa.literal("portal")), else_=sa.literal("shop")),
            "error_code": sa.case((error, sa.literal("INCIDENT"))),
            "error_step": sa.case((error, sa.literal("s3"))),
            "process_instance_id": sa.cast(random_id(), sa.Unicode(36)),
            "status": sa.case((error, sa.literal("error")), else_=sa.literal("ok")),
            "engine_open": sa.literal(False, sa.Boolean()),
            "variables": sa.literal('{"item":"bench"}'),
            "result": sa.literal('{"done":true}'),
            "identifiers": sa.literal('{"customerId":"', sa.Unicode()) + name + sa.literal('"}', sa.Unicode()),
            "traceability_id": name,
            "started_at": at,
            "updated_at": at,
            "finished_at": at,
        },
    )
    for identifier, value in (("customerId", name), ("accountId", _name(number % ACCOUNTS))):
        key = sa.select(process_store.c.seq).where(process_store.c.correlation_id == name).scalar_subquery()
        _insert_select(
            connection, process_identifier, {"process_seq": key, "name": sa.literal(identifier), "value": value}
        )
    for step in range(1, EVENTS_A_TRACE + 1):
        _insert_select(
            connection,
            event_log,
            {
                "execution_id": random_id(),
                "traceability_id": name,
                "correlation_id": name,
                "external_task_id": sa.cast(random_id(), sa.Unicode(36)),
                "lock_token": sa.cast(random_id(), sa.Unicode(36)),
                "phase": sa.literal("completed"),
                "process_name": sa.literal("Five empty steps"),
                "step": sa.literal(step),
                "step_name": sa.literal(f"s{step}"),
                "business_action_request": sa.literal('{"item":"bench"}'),
                "business_action_response": sa.literal("{}"),
                "execution_time": sa.literal(1),
                "created_at": at,
                "updated_at": at,
            },
        )


def _insert_select(connection: Connection, table: sa.Table, columns: dict[str, Any]) -> None:
    """Insert one row of `columns` for each of the numbers that they contain, in order."""
    rows = sa.select(*columns.values()).order_by(sa.literal_column("numbers.n"))
    connection.execute(table.insert().inline().from_select(list(columns), rows))


def _numbers(begin: int, end: int) -> sa.ColumnElement[int]:
    """The column of a query that returns the numbers from `begin` to before `end`, made as a product of digits."""
    digits = sa.union_all(*(sa.select(sa.literal_column(str(digit)).label("n")) for digit in range(10))).subquery()
    places = [digits.alias(f"d{place}") for place in range(len(str(max(1, end - begin - 1))))]
    total = sum((place.c.n * 10**power for power, place in enumerate(places)), start=sa.literal_column(str(begin)))
    product: sa.FromClause = places[0]
    for place in places[1:]:
        product = product.join(place, sa.true())
    below = sa.select(total.label("n")).select_from(product).where(total < end).subquery("numbers")
    column: sa.ColumnElement[int] = below.c.n
    return column


def _name(number: sa.ColumnElement[int]) -> sa.ColumnElement[str]:
    return sa.literal("seed-", sa.Unicode()) + sa.cast(number, sa.Unicode(20))


def event_values(number: int) -> dict[str, Any]:
    """The columns of one more event, in addition to those of :func:`fill`."""
    at = BEGIN + timedelta(seconds=number)
    return {
        "execution_id": uuid.uuid4(),
        "traceability_id": f"more-{number // EVENTS_A_TRACE}",
        "correlation_id": f"more-{number // EVENTS_A_TRACE}",
        "external_task_id": str(uuid.uuid4()),
        "lock_token": f"bench:{uuid.uuid4()}",
        "phase": "completed",
        "process_name": "Five empty steps",
        "step": number % EVENTS_A_TRACE + 1,
        "step_name": f"s{number % EVENTS_A_TRACE + 1}",
        "business_action_request": {"item": "bench"},
        "business_action_response": {},
        "execution_time": 1,
        "created_at": at,
        "updated_at": at,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]))
