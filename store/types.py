"""Column types that mean the same on SQL Server and on SQLite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import mssql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

#: SQL Server's default collation folds case; keys are compared code point by code point. Under every collation it
#: ignores trailing spaces, as the SQL standard says, and SQLite does not: no key may end in one.
BINARY_COLLATION = "Latin1_General_100_BIN2"

_Change = TypeVar("_Change", sa.Update, sa.Delete)


def key_text(length: int) -> sa.types.TypeEngine[str]:
    """Unicode text that is compared exactly: NVARCHAR with a binary collation, SQLite's own BINARY."""
    return sa.Unicode(length).with_variant(mssql.NVARCHAR(length, collation=BINARY_COLLATION), "mssql")


def text(length: int) -> sa.types.TypeEngine[str]:
    """Unicode text that is shown, not compared."""
    return sa.Unicode(length).with_variant(mssql.NVARCHAR(length), "mssql")


def long_text() -> sa.types.TypeEngine[str]:
    """Unicode text of any length: NVARCHAR(MAX)."""
    return sa.UnicodeText().with_variant(mssql.NVARCHAR(), "mssql")


class Constant(sa.ColumnClause[str]):
    """A text that stands in the statement itself, such as a status, and never in a parameter.

    Neither database matches a filtered index with parameters whose values it cannot see. The text stands as it does in
    the filters of the indexes, without an `N`. SQLAlchemy's own `literal_execute` renders it anew each time that the
    statement runs.
    """

    inherit_cache = True

    def __init__(self, text: str) -> None:
        quoted = text.replace("'", "''")
        super().__init__(f"'{quoted}'", sa.Unicode(), is_literal=True)


@compiles(Constant)
def _constant(element: Constant, _compiler: SQLCompiler, **_options: Any) -> str:
    return element.name


def fitting(value: str, length: int) -> str:
    """`value`, cut to the `length` of an NVARCHAR, which counts UTF-16 code units: an emoji is two, never halved."""
    if len(value) * 2 <= length:
        return value
    return value.encode("utf-16-le", "surrogatepass")[: length * 2].decode("utf-16-le", "ignore")


def length_of(column: sa.Column[Any]) -> int:
    """The most UTF-16 code units that `column`, an NVARCHAR(n), takes."""
    kind: Any = column.type
    return int(kind.length)


def can_be(value: str, column: sa.Column[Any]) -> bool:
    """False when no row has `value` in `column`, a key: it is too long to be bound, or ends in a space.

    SQL Server would refuse the one, and find the key without the space for the other.
    """
    return len(value) <= length_of(column) and not value.endswith(" ")


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` without those that are None: of a NULL parameter pyodbc asks the server what type it has."""
    return {name: value for name, value in values.items() if value is not None}


# Hints for SQL Server; SQLite needs none, since its writing transactions follow one another. They name the index: a
# small table would be read as a whole otherwise, and rows waited for, or locked, that are not meant.


def taking(query: sa.Select[Any], index: str) -> sa.Select[Any]:
    """`query` locks the rows that it reads, along `index`, and leaves out those that another transaction has locked."""
    return _hinted(query, f"UPDLOCK, READPAST, ROWLOCK, INDEX({index})")


def marking(change: _Change) -> _Change:
    """`change` to rows that the transaction has taken, by their `seq`: waits for no other row that it comes across.

    The table that is changed takes no hint that names an index (error 1069).
    """
    return change.with_hint("WITH (READPAST, ROWLOCK)", dialect_name="mssql")


def alone_with(query: sa.Select[Any], index: str) -> sa.Select[Any]:
    """Until the transaction ends nobody else reads what `query` finds along `index` in this way, nor adds to it.

    A look before a write needs that where readers do not wait for writers (READ_COMMITTED_SNAPSHOT).
    """
    return _hinted(query, f"UPDLOCK, HOLDLOCK, ROWLOCK, INDEX({index}), FORCESEEK")


def along(query: sa.Select[Any], index: str) -> sa.Select[Any]:
    """`query` finds its rows by `index`, however small the table."""
    return _hinted(query, f"INDEX({index})")


def _hinted(query: sa.Select[Any], hints: str) -> sa.Select[Any]:
    return query.with_hint(query.get_final_froms()[0], f"WITH ({hints})", "mssql")


def big_id() -> sa.types.TypeEngine[int]:
    """BIGINT identity; SQLite numbers rows by itself only in a column declared INTEGER."""
    return sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")


class Json(sa.TypeDecorator[Any]):
    """A JSON document in NVARCHAR(MAX), written without escapes so that text stays readable in a query window."""

    impl = sa.UnicodeText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(mssql.NVARCHAR() if dialect.name == "mssql" else sa.UnicodeText())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        # Rows of earlier versions may hold NaN and Infinity, which no answer can: they are read as text.
        return None if value is None else json.loads(value, parse_constant=str)


class UtcTime(sa.TypeDecorator[datetime]):
    """An aware UTC time with milliseconds: DATETIME2(3), which holds no zone, on SQL Server."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "mssql":
            return dialect.type_descriptor(mssql.DATETIME2(precision=3))
        return dialect.type_descriptor(sqlite.DATETIME())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        value = value.astimezone(UTC)
        # DATETIME2(3) rounds to milliseconds; doing it here makes both databases give back the same value.
        return value.replace(microsecond=value.microsecond // 1000 * 1000, tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)
