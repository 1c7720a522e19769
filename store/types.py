"""Column types that mean the same on SQL Server and on SQLite."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mssql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

#: SQL Server's default collation folds case and ignores trailing spaces; keys are compared code point by code point.
BINARY_COLLATION = "Latin1_General_100_BIN2"
#: Lock what is read until the transaction ends, row by row, and pass over what others have locked.
CLAIM_HINT = "WITH (UPDLOCK, READPAST, ROWLOCK)"


def key_text(length: int) -> sa.types.TypeEngine[str]:
    """Unicode text that is compared exactly: NVARCHAR with a binary collation, SQLite's own BINARY."""
    return sa.Unicode(length).with_variant(mssql.NVARCHAR(length, collation=BINARY_COLLATION), "mssql")


def text(length: int) -> sa.types.TypeEngine[str]:
    """Unicode text that is shown, not compared."""
    return sa.Unicode(length).with_variant(mssql.NVARCHAR(length), "mssql")


def long_text() -> sa.types.TypeEngine[str]:
    """Unicode text of any length: NVARCHAR(MAX)."""
    return sa.UnicodeText().with_variant(mssql.NVARCHAR(), "mssql")


def typed(name: str, kind: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
    """A parameter whose type stands in the statement: where it may be NULL, SQL Server cannot tell it by itself."""
    return sa.cast(sa.bindparam(name, type_=kind), kind)


class Constant(sa.ColumnClause[str]):
    """A text that stands in the statement itself, such as a status, and never in a parameter.

    Neither database matches a filtered index with parameters whose values it cannot see. SQLAlchemy's own
    `literal_execute` renders the text anew each time that the statement runs.
    """

    inherit_cache = True

    def __init__(self, text: str) -> None:
        quoted = text.replace("'", "''")
        super().__init__(f"'{quoted}'", sa.Unicode(), is_literal=True)


@compiles(Constant)
def _constant(element: Constant, _compiler: SQLCompiler, **_options: Any) -> str:
    return element.name


@compiles(Constant, "mssql")
def _constant_mssql(element: Constant, _compiler: SQLCompiler, **_options: Any) -> str:
    return f"N{element.name}"


def for_update(query: sa.Select[Any]) -> sa.Select[Any]:
    """`query` locks the rows that it reads and leaves out those that another transaction has locked.

    SQLite needs no hint: its writing transactions follow one another.
    """
    return query.with_hint(query.get_final_froms()[0], CLAIM_HINT, "mssql")


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
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


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
