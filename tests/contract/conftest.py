"""The engine of the contract tests: raw HTTP, and a process key of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.engine import Engine


@pytest.fixture
def engine(engine_url: str) -> Iterator[Engine]:
    """The engine. All that the test deploys is deleted after the test, so that a shared engine stays clean."""
    engine = Engine(engine_url)
    yield engine
    engine.close()
