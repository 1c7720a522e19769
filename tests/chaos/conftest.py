"""Stacks whose parts the tests kill and stop, with short times."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dev.stack import Stack
from tests.support.api import Answer, Api

PARTS = ("broker", "web", "worker", "control", "beat")

#: short times, so that recovery is soon
SETTINGS: dict[str, object] = {
    "PROCESSES": "tests.processes",
    "PARTNER_BASE_URL": "http://127.0.0.1:9",
    "SYNC_TIMEOUT_MS": 20_000,
    "LOCK_DURATION_MS": 3_000,
    "CAMUNDA_TIMEOUT_MS": 2_500,
    "POLL_INTERVAL_MS": 300,
    "RECONCILE_INTERVAL_MS": 1_000,
    "RESEND_AFTER_S": 2,
    "WORKER_CONCURRENCY": 6,
    "WORKER_GRACE_S": 2,
    "WEB_GRACE_S": 8,
}

MakeStack = Callable[..., Stack]

#: seconds that one test may take on a busy machine: it starts a whole stack, breaks parts and waits for recovery
TEST_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder more time than others."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_S))


@pytest.fixture
def make_stack(tmp_path: Path, engine_url: str) -> Iterator[MakeStack]:
    """Start stacks on the session's engine or on engines of their own, and stop them after the test."""
    stacks: list[Stack] = []

    def make(parts: tuple[str, ...] = PARTS, *, own_engine: bool = False, **settings: object) -> Stack:
        given = {**SETTINGS, **settings}
        if own_engine:
            parts = ("engine", *parts)
        else:
            given.setdefault("CAMUNDA_BASE_URL", engine_url)
        stack = Stack(tmp_path / f"stack{len(stacks)}", settings=given, parts=parts, engine_on_disk=own_engine)
        stacks.append(stack)
        stack.start()
        return stack

    yield make
    for stack in stacks:
        stack.stop()


class Load:
    """Starts that run at the same time, each with a correlation id of its own."""

    def __init__(self, api: Api, process_key: str, variables: dict[str, Any], number: int, **headers: str) -> None:
        self.ids = [f"load-{uuid.uuid4()}" for _ in range(number)]
        self._pool = ThreadPoolExecutor(number)
        self._futures = [
            self._pool.submit(api.start, process_key, variables, correlation_id, **headers)
            for correlation_id in self.ids
        ]

    def answers(self) -> list[Answer]:
        """All answers.

        Raises:
            Exception: the exception of a call that got no answer, for example because its connection was reset.
        """
        try:
            return [future.result(timeout=90) for future in self._futures]
        finally:
            self._pool.shutdown(wait=False)
