"""A database for one test on the SQL Server of MSSQL_TEST_URL, dropped after the test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from store.database import Database
from store.driver import parse_url

#: milliseconds that a statement may take; a server takes seconds to create a database
PATIENCE_MS = 60_000


@contextmanager
def own_database(server: str) -> Iterator[str]:
    """Create an empty database with READ COMMITTED SNAPSHOT, as the guide recommends; the value is its URL.

    Args:
        server: a URL whose login may create databases. The database that it names is not changed.
    """
    name = f"test_{uuid.uuid4().hex}"
    administration = Database(server, pool_size=1, timeout_ms=PATIENCE_MS)

    def run(statement: str) -> None:
        with administration.read() as connection:
            connection.execute(sa.text(statement))

    run(f"CREATE DATABASE {name}")
    try:
        run(f"ALTER DATABASE {name} SET READ_COMMITTED_SNAPSHOT ON")
        yield parse_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        try:
            run(f"ALTER DATABASE {name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
            run(f"DROP DATABASE {name}")
        finally:
            administration.dispose()
