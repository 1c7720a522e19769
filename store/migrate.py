"""`python -m store.migrate`: bring the database of DATABASE_URL to the newest schema, once, however many try."""

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
    """Alembic's configuration, for `database` or, without one, for DATABASE_URL."""
    config = Config(str(ROOT / "alembic.ini"))
    if database is not None:
        config.attributes["database"] = database
    return config


def upgrade(database: Database) -> None:
    """Run every migration that `database` lacks.

    Raises:
        DatabaseUnavailable: the database could not be reached within a minute.
    """
    # Another migrator may hold the database for a while: that is no failure of ours.
    retrying(lambda: _upgrade(database), for_s=60, sleep=time.sleep)


def _upgrade(database: Database) -> None:
    try:
        with database.translating():
            command.upgrade(alembic_config(database), "head")
    except MigrationRunning as error:
        raise DatabaseUnavailable(str(error)) from error


def main() -> None:
    """Migrate and say so."""
    try:
        database = Database.from_settings(settings_or_exit())
    except (InvalidDatabaseUrl, NoDriver) as error:
        raise SystemExit(str(error)) from None
    try:
        upgrade(database)
    except DatabaseUnavailable as error:
        raise SystemExit(f"the database of DATABASE_URL cannot be migrated: {error}") from error
    print(f"database is at the newest schema: {database.described}")


if __name__ == "__main__":
    main()
