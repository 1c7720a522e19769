"""A client of the HTTP API."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """One answer: status, headers with lower-case names, and the body as JSON, or as text if it is no JSON."""

    status: int
    headers: dict[str, str]
    body: Any
    seconds: float


class Api:
    """Calls one web server, each call on a connection of its own."""

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._timeout_s = parts.hostname or "", parts.port or 80, timeout_s

    def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request; `body` is sent as JSON unless it is bytes."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        begun = time.monotonic()
        try:
            content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            sent = {"Content-Type": "application/json", **(headers or {})} if content is not None else headers or {}
            connection.request(method, path, content, dict(sent))
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        named = {name.lower(): value for name, value in answer.getheaders()}
        is_json = "json" in named.get("content-type", "")
        return Answer(answer.status, named, json.loads(text) if is_json else text, time.monotonic() - begun)

    def get(self, path: str, **headers: str) -> Answer:
        """GET `path`; keywords are headers, such as `prefer="wait=3"`."""
        return self.call("GET", path, headers=headers)

    def start(
        self, process_key: str, variables: Any = None, correlation_id: str | None = None, **headers: str
    ) -> Answer:
        """POST /start."""
        body: dict[str, Any] = {"processKey": process_key, "variables": variables or {}}
        if correlation_id is not None:
            body["correlationId"] = correlation_id
        return self.call("POST", "/api/process/start", body, headers)

    def status(self, correlation_id: str, **headers: str) -> Answer:
        """GET /status of one process."""
        return self.get(f"/api/process/status/{correlation_id}", **headers)

    def events(self, traceability_id: str) -> list[dict[str, Any]]:
        """The event log of one trace; empty if the server answers 404.

        Raises:
            AssertionError: the server answers any other error.
        """
        answer = self.get(f"/api/process/event-log/{traceability_id}")
        assert answer.status in (200, 404), f"event log of {traceability_id}: {answer.status} {answer.body}"
        events: list[dict[str, Any]] = answer.body["eventLog"] if answer.status == 200 else []
        return events

    def wait_until_ended(self, correlation_id: str, timeout_s: float = 60.0) -> Answer:
        """Poll the status until the process has ended.

        Raises:
            AssertionError: it did not end within `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self.status(correlation_id, prefer="wait=5")
            if answer.status == 200:
                return answer
            assert time.monotonic() < deadline, f"{correlation_id} has not ended: {answer.body}"
            time.sleep(0.05)


def eventually(is_true: Any, timeout_s: float = 30.0, what: str = "") -> Any:
    """Call `is_true` until its result is truthy, and return that result.

    Raises:
        AssertionError: no result was truthy within `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        found = is_true()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what or is_true}"
        time.sleep(0.05)
