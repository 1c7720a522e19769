"""`rediss://`: every client of Redis uses TLS and checks the certificate of a server that allows only TLS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from dev.broker import find_server
from dev.children import Child
from dev.environment import ROOT
from dev.ports import free_port
from dev.stack import Stack
from tests.support.api import Api

CERTIFICATE = [
    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem",
]  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with a self-signed certificate."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(CERTIFICATE, cwd=folder, check=True, capture_output=True, timeout=30)
    port = free_port()
    command = [
        find_server(), "--port", "0", "--tls-port", str(port), "--tls-cert-file", "cert.pem",
        "--tls-key-file", "key.pem", "--tls-ca-cert-file", "cert.pem", "--tls-auth-clients", "no",
        "--bind", "127.0.0.1", "--save", "", "--requirepass", "secret",
    ]  # fmt: skip
    address = f"rediss://:secret@127.0.0.1:{port}/0"
    found = f"{address}?ssl_ca_certs={folder / 'cert.pem'}"
    child = Child(
        "redis", command, log=folder / "redis.log", cwd=folder, env=dict(os.environ), ready=lambda _: pings(found)
    )
    child.start()
    try:
        child.wait_ready(20)
        yield found
    finally:
        child.terminate()


def pings(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def test_process_runs_over_tls(url: str, engine_url: str, tmp_path: Path) -> None:
    settings = {
        "REDIS_URL": url,
        "CAMUNDA_BASE_URL": engine_url,
        "PROCESSES": "processes,tests.processes",
        "RATE_LIMIT": "1000/minute",
        "WORKER_ALIVE_DIR": tmp_path,
    }
    with Stack(tmp_path, settings=settings, parts=("web", "worker", "beat")) as stack:
        answer = Api(stack.url).start("probe", {"gives": {"n": 1}})

        # Redis woke the waiting request, counted its rate, and carried the message of each step.
        assert (answer.status, answer.body["result"]["n"]) == (200, 1), answer.body
        assert answer.headers["ratelimit"].startswith('"default";r=999;t=')
        client = redis.Redis.from_url(url, decode_responses=True)
        assert any(name.startswith("LIMITS") or "rate" in name for name in client.scan_iter("*rate*"))
        client.close()
        probe = [sys.executable, "-m", "tasks.alive", "--hostname", "worker@%h"]
        subprocess.run(probe, cwd=ROOT, env=dict(stack.environment.variables), check=True, timeout=30)


def test_certificate_of_an_unknown_authority_is_refused(url: str) -> None:
    with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        redis.Redis.from_url(url.partition("?")[0], socket_timeout=2).ping()
