"""A store and a broker, with the workers' own code in the process of the test."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.broker import Broker
from settings import Settings
from tasks.broker import inline
from tasks.broker.step_message import StepMessage
from tasks.fetching import fetch
from tasks.runtime import Runtime
from tests.integration.conftest import migrated_file
from tests.integration.step_bench import broker
from tests.support.facade import Facade

__all__ = ["broker", "migrated_file"]


@pytest.fixture
def runtime(
    engine_url: str, broker: Broker, tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runtime]:
    """The runtime of a worker: a database, Redis, the engine."""
    (tmp_path / "store.db").write_bytes(migrated_file.read_bytes())
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'store.db'}", redis_url=broker.url, camunda_base_url=engine_url
    )
    facade = Facade(settings, monkeypatch)
    yield facade.runtime
    facade.close()


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> deque[StepMessage]:
    """A queue of steps instead of the broker's, from which the test takes messages."""
    queue: deque[StepMessage] = deque()
    for module in (fetch, inline):
        monkeypatch.setattr(module, "send_step", queue.append)
    return queue
