"""What all kinds of tests share: the real engine, started once or named by `CAMUNDA_TEST_URL`."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from dev.local_engine import LocalEngine

#: Seconds that a fresh engine may take until it answers; it takes about 7 on two cores.
ENGINE_START_S = 120.0


@pytest.fixture(scope="session")
def engine_url() -> Iterator[str]:
    """Root of the REST API of a real engine."""
    if url := os.environ.get("CAMUNDA_TEST_URL"):
        yield url.rstrip("/")
        return
    engine = LocalEngine(port=_free_port())
    engine.build()
    engine.start()
    try:
        engine.wait_ready(timeout_s=ENGINE_START_S)
        yield engine.base_url
    finally:
        engine.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
