"""Searches a text in columns, with the same result on both databases.

ASCII letters match in upper and lower case; all other characters match only exactly, because SQLite folds only ASCII
and SQL Server is made to do the same. No character of the text is a wildcard.
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
#: characters with a meaning in LIKE; `[` only on SQL Server, and SQLite accepts it escaped
_WILDCARDS = (_ESCAPE, "%", "_", "[")
_TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


class ascii_lower(sa.sql.functions.FunctionElement[str]):  # noqa: N801 - reads as the SQL function that it stands for
    """A text with its ASCII letters in lower case."""

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
    """The condition that `column` contains `text`."""
    return ascii_lower(column).like(_pattern(text), escape=_ESCAPE)


def value_contains(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """The condition that a value of the JSON object in `column` contains `text`; names of members don't count."""
    document = sa.type_coerce(column, sa.UnicodeText())
    members = json_members(document).table_valued(sa.column("value", sa.UnicodeText()))
    found: sa.Select[Any] = (
        sa.select(sa.literal_column("1")).select_from(members).where(contains(members.c.value, text))
    )
    # Parsing a document is expensive, so documents that don't contain the text at all are excluded first.
    return sa.and_(contains(document, json.dumps(text, ensure_ascii=False)[1:-1]), found.exists())


def _pattern(text: str) -> str:
    escaped = "".join(_ESCAPE + letter if letter in _WILDCARDS else letter for letter in text.translate(_TO_LOWER))
    return f"%{escaped}%"
