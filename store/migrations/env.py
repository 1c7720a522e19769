"""Alembic's entry: `python -m store.migrate` runs it, and `alembic upgrade head --sql` writes a DBA's script."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context
from alembic.util import CommandError

from settings import get_settings
from store.database import Database
from store.driver import parse_url
from store.models import metadata
from store.mssql import FILTERED_INDEXES, alone

#: what `-x dialect=` may name
DIALECTS = ("mssql", "sqlite")


def run_offline() -> None:
    """Write the SQL of the migrations, for the dialect of `-x dialect=` or of DATABASE_URL."""
    dialect = context.get_x_argument(as_dictionary=True).get("dialect")
    if dialect is None:
        dialect = parse_url(get_settings().database_url).get_backend_name()
    if dialect not in DIALECTS:
        raise CommandError(f"-x dialect={dialect} is not known; it is one of {', '.join(DIALECTS)}")
    context.configure(
        dialect_name=dialect,
        target_metadata=metadata,
        literal_binds=True,
        transactional_ddl=True,
        dialect_opts={"paramstyle": "named"},
    )
    if dialect == "mssql":
        # What runs the script may have set them otherwise (sqlcmd has QUOTED_IDENTIFIER off); and a script that breaks
        # off must leave nothing behind.
        script = context.get_context().impl
        script.static_output(f"{FILTERED_INDEXES}; SET XACT_ABORT ON;")
        script.static_output("GO")
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Migrate the database of DATABASE_URL, or the one that the caller has handed over."""
    database: Database = context.config.attributes.get("database") or Database.from_settings(get_settings())
    if database.is_sqlite:
        # It has its lock already: its transactions begin IMMEDIATE.
        with database.engine.begin() as connection:
            _migrate(connection)
    else:
        with alone(database.engine) as connection, connection.begin():
            _migrate(connection)


def _migrate(connection: sa.Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
