"""Ports: a free one, and a clear error about one in use."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from dev.ports import LOOPBACK, PortError, free_port, is_free, require_free


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        yield server.getsockname()[1]


def test_free_port_can_be_listened_on() -> None:
    with socket.socket() as server:
        server.bind((LOOPBACK, free_port()))


def test_free_port_is_never_given_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50


def test_taken_port_is_refused_with_port_and_setting(taken_port: int) -> None:
    with pytest.raises(PortError) as refused:
        require_free(taken_port, "WEB_PORT")
    assert str(refused.value) == f"WEB_PORT={taken_port} is in use; set WEB_PORT to another port"


def test_refusal_contains_the_hint(taken_port: int) -> None:
    with pytest.raises(PortError, match=r"to another port, or use what listens there: REDIS_URL=redis://x$"):
        require_free(taken_port, "LOCAL_REDIS_PORT", hint="or use what listens there: REDIS_URL=redis://x")


def test_port_taken_on_one_address_is_not_free_on_all(taken_port: int) -> None:
    assert not is_free(taken_port, "0.0.0.0")
