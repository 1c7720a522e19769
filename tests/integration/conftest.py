"""A migrated database for each test: a SQLite file, and one on each server of MSSQL_TEST_URL (separated by spaces)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dev.mssql_database import own_database
from store import events, insight, processes
from store.database import Database
from store.migrate import upgrade
from tests.integration.step_bench import bench, broker

__all__ = ["bench", "broker"]

#: milliseconds that a test's database waits for a lock
TIMEOUT_MS = 2_000

#: the same over a network, in milliseconds; FreeTDS and pyodbc use whole seconds only
MSSQL_TIMEOUT_MS = 10_000

#: name in the test's id -> URL of a server; the same server with two drivers has two entries
SERVERS = {f"mssql{number or ''}": url for number, url in enumerate(os.environ.get("MSSQL_TEST_URL", "").split())}
KINDS = ["sqlite", *SERVERS]


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 24, 10, 30, 15, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that is copied for each test, because a migration takes longer than most tests."""
    path = tmp_path_factory.mktemp("store") / "migrated.db"
    database = Database(f"sqlite:///{path}", pool_size=1, timeout_ms=TIMEOUT_MS)
    upgrade(database)
    database.dispose()
    return path


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> Iterator[Database]:
    """An empty, migrated database for this test."""
    if request.param == "sqlite":
        shutil.copy(migrated_file, tmp_path / "store.db")
        found = Database(f"sqlite:///{tmp_path / 'store.db'}", pool_size=8, timeout_ms=TIMEOUT_MS)
        yield found
        found.dispose()
        return
    with own_database(SERVERS[request.param]) as url:
        found = Database(url, pool_size=8, timeout_ms=MSSQL_TIMEOUT_MS)
        try:
            upgrade(found)
            yield found
        finally:
            found.dispose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the stores, which the test moves."""
    clock = Clock()
    for module in (events, insight, processes):
        monkeypatch.setattr(module, "now", clock)
    return clock
