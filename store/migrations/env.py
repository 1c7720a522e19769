"""The entry point of Alembic, for `python -m store.migrate` and for the SQL script of `alembic upgrade head --sql`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context
from alembic.util import CommandError

from settings import get_settings
from store.database import Database
from store.driver import parse_url
from store.models import metadata
from store.mssql import FILTERED_INDEXES, migration_connection

#: allowed values of `-x dialect=`
DIALECTS = ("mssql", "sqlite")


def run_offline() -> None:
    """Print the SQL of the migrations, for the dialect of `-x dialect=` or of DATABASE_URL."""
    dialect = context.get_x_argument(as_dictionary=True).get("dialect")
    if dialect is None:
        dialect = parse_url(get_settings().database_url).get_backend_name()
    if dialect not in DIALECTS:
        raise CommandError(f"-x dialect={dialect} is unknown; it must be one of {', '.join(DIALECTS)}")
    context.configure(
        dialect_name=dialect,
        target_metadata=metadata,
        literal_binds=True,
        transactional_ddl=True,
        dialect_opts={"paramstyle": "named"},
    )
    if dialect == "mssql":
        # The program that runs the script may have set other options (sqlcmd has QUOTED_IDENTIFIER off). With
        # XACT_ABORT a script that fails leaves no changes.
        script = context.get_context().impl
        script.static_output(f"{FILTERED_INDEXES}; SET XACT_ABORT ON;")
        script.static_output("GO")
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Migrate the database that the caller passed, or else the one at DATABASE_URL."""
    database: Database = context.config.attributes.get("database") or Database.from_settings(get_settings())
    if database.is_sqlite:
        # No other lock is needed, because transactions on SQLite begin IMMEDIATE.
        with database.engine.begin() as connection:
            _migrate(connection)
    else:
        with migration_connection(database.engine) as connection, connection.begin():
            _migrate(connection)


def _migrate(connection: sa.Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
