"""A text within columns, found alike on both databases.

Letters of ASCII are found in capitals and small letters alike, all others only as they are written: SQLite folds no
others, and SQL Server is kept from folding more. Nothing in the text is a wildcard.
"""

from __future__ import annotations

import json
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from store.types import BINARY_COLLATION

_ESCAPE = "/"
#: what LIKE takes for more than itself; `[` on SQL Server alone, and escaping it does no harm on SQLite
_WILDCARDS = (_ESCAPE, "%", "_", "[")
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)


class ascii_lower(sa.sql.functions.FunctionElement[str]):  # noqa: N801 - reads as the SQL function that it stands for
    """A text with its capitals of ASCII made small."""

    type = sa.UnicodeText()
    inherit_cache = True


@compiles(ascii_lower, "sqlite")
def _lower_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(ascii_lower, "mssql")
def _lower_mssql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    return f"TRANSLATE({text} COLLATE {BINARY_COLLATION}, N'{ascii_uppercase}', N'{ascii_lowercase}')"


class json_members(sa.sql.functions.FunctionElement[Any]):  # noqa: N801 - as above
    """The members of a JSON object as rows, with a column `value`."""

    inherit_cache = True


@compiles(json_members, "sqlite")
def _members_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(json_members, "mssql")
def _members_mssql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"OPENJSON({compiler.process(element.clauses, **options)})"


def contains(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """`text` stands somewhere in `column`."""
    return ascii_lower(column).like(_pattern(text), escape=_ESCAPE)


def value_contains(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """`text` stands somewhere in a value of the JSON object in `column`; the names of its members do not count."""
    document = sa.type_coerce(column, sa.UnicodeText())
    members = json_members(document).table_valued(sa.column("value", sa.UnicodeText()))
    found: sa.Select[Any] = (
        sa.select(sa.literal_column("1")).select_from(members).where(contains(members.c.value, text))
    )
    # Taking a document apart is dear: first those are left out that do not have the text at all, as JSON writes it.
    return sa.and_(contains(document, json.dumps(text, ensure_ascii=False)[1:-1]), found.exists())


def _pattern(text: str) -> str:
    escaped = "".join(_ESCAPE + letter if letter in _WILDCARDS else letter for letter in text.translate(_SMALL))
    return f"%{escaped}%"
