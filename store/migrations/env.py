"""Alembic's entry: `python -m store.migrate` runs it, and `alembic upgrade head --sql` writes a DBA's script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import context
from sqlalchemy.engine import Connection, make_url

from settings import get_settings
from store.database import Database
from store.models import metadata

#: Two migrators at once: the second waits this long for the first, in milliseconds.
LOCK_TIMEOUT_MS = 60_000


def run_offline() -> None:
    """Write the SQL of the migrations, for the dialect of `-x dialect=` or of DATABASE_URL."""
    dialect = context.get_x_argument(as_dictionary=True).get("dialect")
    if dialect is None:
        dialect = make_url(get_settings().database_url).get_backend_name()
    context.configure(
        dialect_name=dialect,
        target_metadata=metadata,
        literal_binds=True,
        transactional_ddl=True,
        dialect_opts={"paramstyle": "named"},
    )
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Migrate the database of DATABASE_URL, or the one that the caller has handed over."""
    database: Database = context.config.attributes.get("database") or Database.from_settings(get_settings())
    with database.engine.begin() as connection, _alone(connection):
        context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    # SQLite has its lock already: its transactions begin IMMEDIATE. The lock of SQL Server ends with the transaction.
    if connection.dialect.name == "mssql":
        connection.execute(
            sa.text(
                "DECLARE @granted INT; "
                "EXEC @granted = sp_getapplock @Resource = 'celery-camunda-migration', @LockMode = 'Exclusive', "
                f"@LockOwner = 'Transaction', @LockTimeout = {LOCK_TIMEOUT_MS}; "
                "IF @granted < 0 THROW 50000, 'another migration is running', 1;"
            )
        )
    yield


if context.is_offline_mode():
    run_offline()
else:
    run_online()
