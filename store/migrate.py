"""`python -m store.migrate`: migrates the database at DATABASE_URL to the newest schema; several may run at once."""

from __future__ import annotations

import time
from pathlib import Path

from alembic import command
from alembic.config import Config

from settings import settings_or_exit
from store.database import Database
from store.errors import DatabaseUnavailable, InvalidDatabaseUrl, MigrationRunning, NoDriver
from store.retrying import retrying

ROOT = Path(__file__).resolve().parent.parent


def alembic_config(database: Database | None = None) -> Config:
    """The configuration of Alembic for `database`; without one, for DATABASE_URL."""
    config = Config(str(ROOT / "alembic.ini"))
    if database is not None:
        config.attributes["database"] = database
    return config


def upgrade(database: Database) -> None:
    """Run the migrations that `database` doesn't have yet.

    Raises:
        DatabaseUnavailable: the database was unavailable for a minute.
    """
    # Another migration may hold the lock for a while, so it is tried again for a minute.
    retrying(lambda: _upgrade(database), for_s=60, sleep=time.sleep)


def _upgrade(database: Database) -> None:
    try:
        with database.translating():
            command.upgrade(alembic_config(database), "head")
    except MigrationRunning as error:
        raise DatabaseUnavailable(str(error)) from error


def main() -> None:
    """Migrate, and print the result."""
    try:
        database = Database.from_settings(settings_or_exit())
    except (InvalidDatabaseUrl, NoDriver) as error:
        raise SystemExit(str(error)) from None
    try:
        upgrade(database)
    except DatabaseUnavailable as error:
        raise SystemExit(f"the database at DATABASE_URL was not migrated: {error}") from error
    print(f"the database has the newest schema: {database.described}")


if __name__ == "__main__":
    main()
