"""Thousands of wild requests to a real web server: no 500, no hang, and no row for a refused request."""

from __future__ import annotations

import http.client
import json
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dev.stack import Stack
from tests.chaos.conftest import SETTINGS
from tests.support.api import Api

#: requests of each test; together more than 2,000
EXAMPLES = 600

wild = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

texts = st.text(max_size=40)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["five-steps", "probe", "onboard-user", "", "nobody", "five-steps "]) | texts
ids = st.text(string.ascii_letters + string.digits + "._:~- /%\x00é", max_size=210) | st.sampled_from(
    ["all", ".", ".."]
)
starts = st.fixed_dictionaries(
    {},
    optional={"processKey": keys | documents, "correlationId": ids | documents, "variables": documents, "more": texts},
)
completions = st.fixed_dictionaries(
    {},
    optional={
        "correlationId": ids | documents,
        "status": st.sampled_from(["ok", "error", "pending", ""]) | documents,
        "data": documents,
        "error": documents,
    },
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["application/json", "text/plain", "application/json; charset=utf-16", "x"]),
        "Prefer": st.text(string.printable.replace("\r", "").replace("\n", "")[:90], max_size=40),
        "X-Traceability-Id": st.text(string.ascii_letters + " /:", max_size=30),
        "Accept": st.sampled_from(["text/html", "application/json", ""]),
    },
)


class Server:
    """A web server with a broker, without workers: starts are accepted and stay pending."""

    def __init__(self, stack: Stack) -> None:
        self.api = Api(stack.url)
        parts = urlsplit(stack.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=15)

    def send(self, method: str, path: str, body: bytes | None, given: dict[str, str]) -> tuple[int, Any]:
        """Send a request on the kept connection, and check what must be true of every answer."""
        self._connection.request(method, path, body, given)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status < 500, (method, path, body, content[:500])
        kind = answer.headers.get("Content-Type", "")
        document = json.loads(content) if "json" in kind else None
        if answer.status >= 400:
            assert kind == "application/problem+json", (method, path, body, content[:500])
            assert document["status"] == answer.status
            assert "Traceback" not in content.decode()
        return answer.status, document

    def newest(self) -> Any:
        """The newest row."""
        return self.api.get("/api/process/status/all?limit=1").body["processes"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    given = {**SETTINGS, "CAMUNDA_BASE_URL": "http://127.0.0.1:9/engine-rest", "SYNC_TIMEOUT_MS": 0}
    given |= {"PROCESSES": "processes,tests.processes", "MAX_PENDING_STARTS": 1_000_000}
    stack = Stack(tmp_path_factory.mktemp("wild"), settings=given, parts=("broker",))
    try:
        stack.start_parts(["broker"])
        stack.run("migrate", ["python", "-m", "store.migrate"])
        stack.start_parts(["web"], wait=False)
        server = Server(stack)
        stack.wait_ready(["web"])
        yield server
    finally:
        stack.stop()


def _encoded(document: Any) -> bytes:
    # NaN, Infinity and lone surrogates are written as a careless client writes them.
    return json.dumps(document).encode("utf-8", "surrogatepass")


@wild
@given(body=starts | documents, given_headers=headers)
def test_starts(server: Server, body: Any, given_headers: dict[str, str]) -> None:
    before = server.newest()

    sent = {"Content-Type": "application/json", **given_headers}
    status, _ = server.send("POST", "/api/process/start", _encoded(body), sent)

    assert (server.newest() == before) == (status != 202)


@wild
@given(body=completions | documents, given_headers=headers)
def test_completions(server: Server, body: Any, given_headers: dict[str, str]) -> None:
    server.send("POST", "/api/process/complete", _encoded(body), {"Content-Type": "application/json", **given_headers})


@wild
@given(body=st.binary(max_size=200), method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "GET"]))
def test_bodies_that_are_no_json(server: Server, body: bytes, method: str) -> None:
    before = server.newest()

    server.send(method, "/api/process/start", body, {"Content-Type": "application/json"})

    assert server.newest() == before


@wild
@given(
    path=st.sampled_from(["status/", "event-log/", ""]),
    name=ids,
    query=st.dictionaries(st.sampled_from(["status", "limit", "cursor", "processKey", "x"]), texts, max_size=3),
    given_headers=headers,
)
def test_look_ups(server: Server, path: str, name: str, query: dict[str, str], given_headers: dict[str, str]) -> None:
    encoded = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())

    server.send("GET", f"/api/process/{path}{quote(name, safe='')}?{encoded}", None, given_headers)
