"""The monitor's search on SQL Server, which has more wildcards and whose collations ignore the case of more letters."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mssql

from store.models import process_store
from store.searching import contains, value_contains


def compiled(condition: sa.ColumnElement[bool]) -> tuple[str, list[str]]:
    statement = condition.compile(dialect=mssql.dialect())
    return " ".join(str(statement).split()), list(statement.params.values())


def test_each_wildcard_is_escaped_and_only_letters_of_ascii_are_made_small() -> None:
    statement, values = compiled(contains(process_store.c.correlation_id, "A[b]%_/ÄÖ"))

    assert values == ["%a/[b]/%/_//ÄÖ%"]
    assert statement.endswith("LIKE :param_1 ESCAPE '/'")
    assert "TRANSLATE(process_store.correlation_id COLLATE Latin1_General_100_BIN2, N'ABC" in statement


def test_values_are_read_from_documents_that_contain_the_text() -> None:
    statement, values = compiled(value_contains(process_store.c.identifiers, 'say "so"'))

    assert values == ['%say \\"so\\"%', '%say "so"%']
    assert (
        "EXISTS (SELECT 1 FROM OPENJSON(process_store.identifiers) AS anon_1 WHERE TRANSLATE(anon_1.value" in statement
    )
