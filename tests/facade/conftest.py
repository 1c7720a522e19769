"""A real Redis that only these tests use, started once, and the facade with a database of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from dev.broker import Broker
from dev.ports import free_port
from settings import Settings
from store.database import Database
from store.migrate import upgrade
from tests.support.facade import Facade


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for all tests, which no test stops."""
    broker = Broker(free_port(), tmp_path_factory.mktemp("broker"))
    broker.start()
    try:
        broker.wait_ready()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for one test, which may stop and start it."""
    broker = Broker(free_port(), tmp_path_factory.mktemp("broker"))
    broker.start()
    try:
        broker.wait_ready()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def client(shared_broker: Broker) -> Iterator[redis.Redis]:
    """A client of the shared broker, after all its keys were deleted."""
    client = redis.Redis.from_url(shared_broker.url, decode_responses=True, socket_timeout=5)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def db_timeout_ms() -> int:
    """Time-out of the database in milliseconds, short for tests of an unavailable database; a test may set another."""
    return 300


@pytest.fixture
def facade(
    tmp_path: Path,
    migrated_file: Path,
    shared_broker: Broker,
    client: redis.Redis,
    db_timeout_ms: int,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Facade]:
    """The facade with a database of its own and an empty broker, without workers and engine."""
    shutil.copy(migrated_file, tmp_path / "store.db")
    facade = Facade(
        Settings(
            database_url=f"sqlite:///{tmp_path / 'store.db'}",
            redis_url=shared_broker.url,
            camunda_base_url=f"http://127.0.0.1:{free_port()}/engine-rest",
            db_timeout_ms=db_timeout_ms,
            sync_timeout_ms=300,
            max_body_kb=64,
        ),
        monkeypatch,
    )
    yield facade
    facade.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, which is copied for each test."""
    path = tmp_path_factory.mktemp("store") / "migrated.db"
    database = Database(f"sqlite:///{path}", pool_size=1, timeout_ms=2_000)
    upgrade(database)
    database.dispose()
    return path
