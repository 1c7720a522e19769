"""Migrations: they run once even if several processes try, run up and down, and make the tables of the models."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from store.clock import now
from store.database import Database
from store.migrate import ROOT, alembic_config, upgrade
from store.models import metadata
from store.process_rows import NewProcess
from store.processes import ProcessStore

#: seconds that a migration may take
PATIENCE_S = 60


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}", pool_size=2, timeout_ms=2_000)
    yield database
    database.dispose()


def tables(database: Database) -> set[str]:
    return set(sa.inspect(database.engine).get_table_names())


def schema(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        return sorted((name, " ".join(sql.split())) for name, sql in found if sql)


def test_migrated_database_equals_the_models(database: Database) -> None:
    upgrade(database)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_indexes_constraints_and_types_are_those_of_the_models(database: Database, tmp_path: Path) -> None:
    upgrade(database)
    modelled = Database(f"sqlite:///{tmp_path / 'models.db'}", pool_size=2, timeout_ms=2_000)
    with modelled.write() as connection:
        metadata.create_all(connection)
    migrated = [entry for entry in schema(database) if entry[0] != "alembic_version"]
    assert migrated == schema(modelled)
    modelled.dispose()


def test_downgrade_to_base_and_up_again(database: Database) -> None:
    upgrade(database)
    before = schema(database)
    command.downgrade(alembic_config(database), "base")
    assert tables(database) == {"alembic_version"}
    upgrade(database)
    assert schema(database) == before


def test_each_migration_can_be_undone_and_done_again(database: Database) -> None:
    config = alembic_config(database)
    for revision in reversed(list(ScriptDirectory.from_config(config).walk_revisions())):
        command.upgrade(config, revision.revision)
        after = schema(database)
        command.downgrade(config, "-1")
        assert schema(database) != after
        command.upgrade(config, revision.revision)
        assert schema(database) == after


#: keys that are whole numbers
NUMBERS = itertools.count(1)
#: column with few values -> one that its constraint allows
ALLOWED = {"status": "pending", "starts": "hold"}


class OldVersion:
    """The tables as an old version has them, and a thread that writes rows into each and reads them back."""

    def __init__(self, database: Database) -> None:
        self.database = database
        known = sa.MetaData()
        known.reflect(database.engine)
        self.tables = [table for table in known.sorted_tables if table.name != "alembic_version"]
        self.rounds = 0
        self.errors: list[Exception] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> OldVersion:
        self._thread.start()
        self.wait_for_rounds(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def wait_for_rounds(self, more: int) -> None:
        wanted, deadline = self.rounds + more, time.monotonic() + PATIENCE_S
        while self.rounds < wanted and not self.errors and time.monotonic() < deadline:
            time.sleep(0.005)
        assert self.errors == []
        assert self.rounds >= wanted

    def _serve(self) -> None:
        try:
            while not self._stop.is_set():
                for table in self.tables:
                    self._write_and_read(table)
                self.rounds += 1
        except Exception as error:
            self.errors.append(error)

    def _write_and_read(self, table: sa.Table) -> None:
        row = {column.name: value_for(column) for column in table.c if not column.nullable and column.name != "seq"}
        with self.database.read() as connection:
            for key in table.foreign_keys:
                row[key.parent.name] = connection.execute(sa.select(sa.func.max(key.column))).scalar_one()
        named = next(column for column in table.c if column.name in {"id", "execution_id", "name", "topic"})
        with self.database.write() as connection:
            connection.execute(table.insert(), row)
        with self.database.read() as connection:
            found = connection.execute(sa.select(*table.c).where(named == row[named.name])).mappings().one()
        assert row.items() <= found.items()


def value_for(column: sa.Column[Any]) -> object:
    """A value that the constraints of all versions allow."""
    if isinstance(column.type, sa.DateTime):
        return now().replace(tzinfo=None)
    if isinstance(column.type, sa.Integer | sa.Boolean):
        return next(NUMBERS) if column.primary_key else 0
    return ALLOWED.get(column.name) or uuid.uuid4().hex


def test_version_before_serves_while_and_after_each_migration_runs(database: Database) -> None:
    config = alembic_config(database)
    first, *later = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    command.upgrade(config, first)
    for revision in later:
        with OldVersion(database) as old:
            command.upgrade(config, revision)
            old.wait_for_rounds(2)
        assert old.errors == []


def test_start_of_the_version_before_priorities_has_priority_0(database: Database) -> None:
    command.upgrade(alembic_config(database), "0008")
    before = sa.Table("process_store", sa.MetaData(), autoload_with=database.engine)
    row = {column.name: value_for(column) for column in before.c if not column.nullable and column.name != "seq"}
    with database.write() as connection:
        connection.execute(before.insert(), row | {"variables": "{}"})
    upgrade(database)
    store = ProcessStore(database)
    assert store.accept(NewProcess(uuid.uuid4(), "ranked", "h", "p", {}, "t", priority=-3))
    assert store.accept(NewProcess(uuid.uuid4(), "plain", "h", "p", {}, "t"))
    assert [found.priority for found in store.page(limit=3)] == [0, -3, 0]
    with database.read() as connection:
        kept = connection.exec_driver_sql("SELECT priority FROM process_store ORDER BY seq").scalars().all()
    assert kept == [None, -3, None]


def test_processes_that_ended_before_the_table_of_identifiers_are_found_by_theirs(database: Database) -> None:
    config = alembic_config(database)
    command.upgrade(config, "0008")
    known = sa.MetaData()
    known.reflect(database.engine, only=["process_store"])
    table = known.tables["process_store"]
    documents = [
        '{"orderId":4711,"customerId":" Müller ","userId":"","accountId":null,"iban":"[redacted]"}',
        '{"orderId":"%s"}' % ("x" * 300),
        '{"rate":NaN}',
        None,
    ]
    with database.write() as connection:
        for number, document in enumerate(documents):
            required = {column.name: value_for(column) for column in table.c if not column.nullable}
            connection.execute(table.insert(), required | {"seq": number, "identifiers": document})

    command.upgrade(config, "head")

    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT process_seq, name, value FROM process_identifier ORDER BY 1, 2")
        assert [tuple(row) for row in found] == [
            (0, "customerId", "Müller"),
            (0, "orderId", "4711"),
            (1, "orderId", "x" * 200),
        ]


def test_migrating_a_migrated_database_changes_nothing(database: Database) -> None:
    upgrade(database)
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO bookmark VALUES ('n', 'v', '2026-01-01 00:00:00')")
    upgrade(database)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT value FROM bookmark").scalar_one() == "v"


def migrator(path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{path}"}
    return subprocess.Popen(
        [sys.executable, "-m", "store.migrate"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_migrators_at_once_both_succeed(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "store.db"
    migrators = [migrator(path) for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE_S)[0] for process in migrators]
    assert [process.returncode for process in migrators] == [0, 0], said
    assert all("the database has the newest schema" in text for text in said)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM process_store").fetchone() == (0,)


def test_migrator_waits_while_another_process_locks_the_database(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA journal_mode=WAL")
    holder.execute("BEGIN IMMEDIATE")
    process = migrator(path)
    # It prints nothing while the lock is held, because it waits, for longer than one time-out of the database.
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=4)
    holder.execute("COMMIT")
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    holder.close()
