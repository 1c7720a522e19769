"""The engine as the contract tests see it: raw HTTP, and a process key of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.engine import Engine


@pytest.fixture
def engine(engine_url: str) -> Iterator[Engine]:
    """The engine; what the test deploys is deleted after it, so that a shared engine stays clean."""
    engine = Engine(engine_url)
    yield engine
    engine.close()
