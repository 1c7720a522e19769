"""`/metrics` on a port of its own."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from dev.ports import LOOPBACK, free_port
from telemetry.metrics import declared
from telemetry.metrics.exporter import serve
from tests.support.metrics_text import Scrape

#: seconds that a test waits
PATIENCE_S = 15


def eventually(scrape: Callable[[], Scrape]) -> Scrape:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return scrape()
        except HTTPError:
            raise
        except (URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_counts_are_served() -> None:
    port = free_port()
    serve(LOOPBACK, port, token="")
    before = eventually(lambda: Scrape.of(f"http://{LOOPBACK}:{port}/metrics"))
    declared.CHILDREN_LOST.labels("killed").inc()

    after = Scrape.of(f"http://{LOOPBACK}:{port}/metrics")

    name = "worker_children_lost_total"
    assert after.value(name, reason="killed") == before.value(name, reason="killed") + 1


def test_reader_without_the_token_is_refused() -> None:
    port = free_port()
    url = f"http://{LOOPBACK}:{port}/metrics"
    serve(LOOPBACK, port, token="geheim-ü")
    with pytest.raises(HTTPError) as refused:
        eventually(lambda: Scrape.of(url))
    assert refused.value.code == 401
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")
    with pytest.raises(HTTPError):
        Scrape.of(url, token="another")


def test_reader_with_the_token_is_answered() -> None:
    port = free_port()
    serve(LOOPBACK, port, token="secret")
    assert eventually(lambda: Scrape.of(f"http://{LOOPBACK}:{port}/metrics", token="secret")).families


def test_there_is_nothing_but_metrics() -> None:
    port = free_port()
    serve(LOOPBACK, port, token="")
    eventually(lambda: Scrape.of(f"http://{LOOPBACK}:{port}/metrics"))
    with pytest.raises(HTTPError) as refused:
        urlopen(f"http://{LOOPBACK}:{port}/", timeout=5)
    assert refused.value.code == 404


def test_port_of_another_process_is_used_when_that_process_ends() -> None:
    port = free_port()
    with socket.create_server((LOOPBACK, port)):
        serve(LOOPBACK, port, token="")
        time.sleep(0.1)
    assert eventually(lambda: Scrape.of(f"http://{LOOPBACK}:{port}/metrics")).families
