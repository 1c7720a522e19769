"""Column types that behave the same on SQL Server and SQLite, and query hints for SQL Server."""

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

#: Collation of keys on SQL Server, which compares code points; the default collation ignores case. Under every
#: collation SQL Server ignores trailing spaces, as the SQL standard requires, but SQLite doesn't. A key must therefore
#: not end in a space.
BINARY_COLLATION = "Latin1_General_100_BIN2"

_Change = TypeVar("_Change", sa.Update, sa.Delete)


def key_text(length: int) -> sa.types.TypeEngine[str]:
    """Unicode text that is compared exactly: NVARCHAR with a binary collation; on SQLite the collation BINARY."""
    return sa.Unicode(length).with_variant(mssql.NVARCHAR(length, collation=BINARY_COLLATION), "mssql")


def text(length: int) -> sa.types.TypeEngine[str]:
    """Unicode text that is only shown, never compared."""
    return sa.Unicode(length).with_variant(mssql.NVARCHAR(length), "mssql")


def long_text() -> sa.types.TypeEngine[str]:
    """Unicode text of any length: NVARCHAR(MAX)."""
    return sa.UnicodeText().with_variant(mssql.NVARCHAR(), "mssql")


class Constant(sa.ColumnClause[str]):
    """A text, such as a status, that is a literal in the statement and never a parameter.

    Neither database uses a filtered index if a value of the condition is in a parameter. The literal has no `N` before
    it, as in the filters of the indexes. `literal_execute` of SQLAlchemy would render the text at each execution.
    """

    inherit_cache = True

    def __init__(self, text: str) -> None:
        quoted = text.replace("'", "''")
        super().__init__(f"'{quoted}'", sa.Unicode(), is_literal=True)


@compiles(Constant)
def _constant(element: Constant, _compiler: SQLCompiler, **_options: Any) -> str:
    return element.name


def truncated(value: str, length: int) -> str:
    """`value`, cut to `length` UTF-16 code units, as NVARCHAR counts; an emoji is two of them and isn't split."""
    if len(value) * 2 <= length:
        return value
    return value.encode("utf-16-le", "surrogatepass")[: length * 2].decode("utf-16-le", "ignore")


def length_of(column: sa.Column[Any]) -> int:
    """The longest text of `column`, an NVARCHAR(n), in UTF-16 code units."""
    kind: Any = column.type
    return int(kind.length)


def may_exist(value: str, column: sa.Column[Any]) -> bool:
    """False when no row can have `value` in `column`, a key, because it is too long or ends in a space.

    SQL Server refuses a parameter that is too long, and for a value with a trailing space it finds the key without it.
    """
    return len(value) <= length_of(column) and not value.endswith(" ")


def without_nones(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` without those that are None, because pyodbc asks the server for the type of each NULL parameter."""
    return {name: value for name, value in values.items() if value is not None}


# Hints for SQL Server. SQLite needs none, because its writing transactions run one after the other. The hints name the
# index, because otherwise SQL Server scans a small table, and then waits for rows, or locks rows, of other work.


def locking_rows(query: sa.Select[Any], index: str) -> sa.Select[Any]:
    """`query`, finding rows by `index`: it locks the rows that it reads and skips rows locked by others."""
    return _hinted(query, f"UPDLOCK, READPAST, ROWLOCK, INDEX({index})")


def locking_rows_in_turn(query: sa.Select[Any], index: str) -> sa.Select[Any]:
    """`query`, finding rows by `index`: it locks the rows that it reads and waits for rows locked by others."""
    return _hinted(query, f"UPDLOCK, ROWLOCK, INDEX({index})")


def changing_locked_rows(change: _Change) -> _Change:
    """`change` of rows that this transaction has locked, by their `seq`: it doesn't wait for other locked rows.

    There is no index in this hint, because SQL Server refuses one for the table that is changed (error 1069).
    """
    return change.with_hint("WITH (READPAST, ROWLOCK)", dialect_name="mssql")


def locking_range(query: sa.Select[Any], index: str) -> sa.Select[Any]:
    """`query`, with a lock until the end of the transaction on the range of `index` that it reads.

    No other transaction can read the range with this hint, or insert into it. A read before a write needs this, because
    readers don't wait for writers (READ_COMMITTED_SNAPSHOT).
    """
    return _hinted(query, f"UPDLOCK, HOLDLOCK, ROWLOCK, INDEX({index}), FORCESEEK")


def using_index(query: sa.Select[Any], index: str) -> sa.Select[Any]:
    """`query`, finding rows by `index`, even if the table is small."""
    return _hinted(query, f"INDEX({index})")


def _hinted(query: sa.Select[Any], hints: str) -> sa.Select[Any]:
    return query.with_hint(query.get_final_froms()[0], f"WITH ({hints})", "mssql")


def big_id() -> sa.types.TypeEngine[int]:
    """A BIGINT identity; INTEGER on SQLite, which generates numbers only for columns of this type."""
    return sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")


class OrZero(sa.TypeDecorator[int]):
    """A small whole number in a column that was added later: NULL is read as 0, and 0 is written as NULL."""

    impl = sa.SmallInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        return value or None

    def process_result_value(self, value: int | None, dialect: Dialect) -> int:
        return value or 0


class Json(sa.TypeDecorator[Any]):
    """A JSON document in NVARCHAR(MAX), without escapes of non-ASCII characters, so that people can read it."""

    impl = sa.UnicodeText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(mssql.NVARCHAR() if dialect.name == "mssql" else sa.UnicodeText())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        # Rows of earlier versions may hold NaN and Infinity. They are read as text, because answers can't hold them.
        return None if value is None else json.loads(value, parse_constant=str)


class UtcTime(sa.TypeDecorator[datetime]):
    """A time in UTC with milliseconds; on SQL Server a DATETIME2(3), which has no zone. Python values have the zone."""

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
            raise ValueError(f"a stored time must have a zone: {value!r}")
        value = value.astimezone(UTC)
        # DATETIME2(3) rounds to milliseconds. Truncating here makes both databases return the same value.
        return value.replace(microsecond=value.microsecond // 1000 * 1000, tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)
