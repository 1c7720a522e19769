"""Event streams of running processes, with workers, Redis and gunicorn, while some of them are restarted."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import sseclient

from dev.environment import ROOT
from dev.stack import Stack
from tasks.broker.notify import CHANNEL_PREFIX
from tests.support.api import Api, eventually

#: most streams of the module's own web server
MOST = 2
#: seconds that one thing may take on a busy machine
PATIENCE_S = 15


class Stream:
    """One open stream."""

    def __init__(self, url: str, correlation_id: str, last_event_id: str | None = None) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
        headers = {"Accept-Encoding": "gzip"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        self._connection.request("GET", f"/api/process/{correlation_id}/events", headers=headers)
        self.answer = self._connection.getresponse()
        self._events = sseclient.SSEClient(self._chunks()).events()

    def _chunks(self) -> Iterator[bytes]:
        while chunk := self.answer.read1(65_536):
            yield chunk

    def next(self) -> tuple[str, str, dict[str, Any]]:
        """Wait for the next event. Returns its id, name and data."""
        event = next(self._events)
        return event.id, event.event, json.loads(event.data)

    def rest(self) -> list[tuple[str, str, dict[str, Any]]]:
        """All events until the server closes."""
        return [(event.id, event.event, json.loads(event.data)) for event in self._events]

    def seconds_until_closed(self) -> float:
        """Read until the server closes. Returns how long that took."""
        begun = time.monotonic()
        with suppress(http.client.HTTPException, ConnectionError):
            self.rest()
        return time.monotonic() - begun

    def close(self) -> None:
        # The answer has the socket open too.
        self.answer.close()
        self._connection.close()


@pytest.fixture(scope="module")
def own(stack: Stack) -> Iterator[str]:
    """Root of a web server that only this module uses; it allows few streams."""
    stack.add("streaming", like="web", settings={"MAX_STREAMS": MOST})
    stack.start_parts(["streaming"])
    yield stack.url_of("streaming")
    stack["streaming"].terminate()


@pytest.fixture
def opened() -> Iterator[Callable[..., Stream]]:
    """Open streams, and close them after the test."""
    streams: list[Stream] = []

    def open_one(*given: Any) -> Stream:
        streams.append(Stream(*given))
        return streams[-1]

    yield open_one
    for stream in streams:
        stream.close()


@pytest.fixture
def held(api: Api, correlation_id: str, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """A running process whose first step waits until the test releases it."""
    until = tmp_path / "until"
    answer = api.start("patient", {"do": "hold", "until": str(until)}, correlation_id, prefer="respond-async")
    assert answer.body["links"]["events"] == f"/api/process/{correlation_id}/events"
    yield until.touch
    until.touch()


def names(events: list[tuple[str, str, dict[str, Any]]]) -> list[tuple[str, str | None]]:
    return [(name, data.get("stepName")) for _, name, data in events]


REST = [("completed", "work"), ("started", "respond"), ("completed", "respond"), ("end", None)]


def test_each_step_is_sent_as_it_happens_and_the_end_closes_the_stream(
    stack: Stack, opened: Callable[..., Stream], held: Callable[[], None], correlation_id: str
) -> None:
    with redis.Redis.from_url(stack.environment.get("REDIS_URL"), decode_responses=True) as client:
        heard = client.pubsub(ignore_subscribe_messages=True)
        heard.subscribe(CHANNEL_PREFIX + correlation_id)
        stream = opened(stack.url, correlation_id)
        assert stream.answer.headers["Content-Type"].startswith("text/event-stream")
        assert "Content-Encoding" not in stream.answer.headers
        _, name, data = stream.next()
        assert (name, data["stepName"], data["attempt"]) == ("started", "work", 1)
        # longer than workers keep the list of watched processes
        time.sleep(1.1)

        held()
        rest = stream.rest()

        assert eventually(lambda: heard.get_message(timeout=0.1), what="the wake-up of a worker")
        heard.close()
    assert names(rest) == REST
    assert rest[-1][2]["status"] == "ok"


def test_stream_continues_after_the_web_server_was_killed(
    stack: Stack, own: str, opened: Callable[..., Stream], held: Callable[[], None], correlation_id: str
) -> None:
    with watching(stack, own, correlation_id) as watcher:
        first = opened(own, correlation_id)
        begun = first.next()
        eventually(lambda: "started" in watcher.said(), what="the first line of the watcher")

        stack["streaming"].kill()
        assert first.seconds_until_closed() < PATIENCE_S
        stack.start_parts(["streaming"])
        again = opened(own, correlation_id, begun[0])
        assert again.next() == begun
        held()

        rest = again.rest()
        assert names(rest) == REST
        assert watcher.wait() == 0
        told = [json.loads(line) for line in watcher.said().splitlines()]
    assert [event["id"] for event in told] == [begun[0], *(event[0] for event in rest)]
    last = opened(own, correlation_id, rest[-1][0])
    assert last.answer.status == 204


def test_streams_past_the_bound_are_refused_and_requests_are_not(
    own: str, opened: Callable[..., Stream], held: Callable[[], None], correlation_id: str
) -> None:
    streams = [opened(own, correlation_id) for _ in range(MOST)]
    for stream in streams:
        assert stream.next()[1] == "started"

    refused = opened(own, correlation_id).answer

    assert (refused.status, json.loads(refused.read())["type"]) == (503, "/problems/too-many-streams")
    assert int(refused.headers["Retry-After"]) >= 1
    assert Api(own).status(correlation_id).status == 202
    streams[0].close()
    eventually(lambda: opened(own, correlation_id).answer.status == 200, what="the place of a client that is gone")


def test_sigterm_ends_streams_at_once(
    stack: Stack, own: str, opened: Callable[..., Stream], held: Callable[[], None], correlation_id: str
) -> None:
    stream = eventually(lambda: accepted(opened(own, correlation_id)), what="a place of a client that is gone")
    assert stream.next()[1] == "started"

    stack["streaming"].signal(signal.SIGTERM)

    # much less than its grace period of 30 s
    assert stream.seconds_until_closed() < 5
    eventually(lambda: not stack["streaming"].is_running, what="the end of the web server")
    stack.start_parts(["streaming"])


def test_stream_continues_after_redis_was_restarted(
    stack: Stack, api: Api, opened: Callable[..., Stream], held: Callable[[], None], correlation_id: str
) -> None:
    stream = opened(stack.url, correlation_id)
    assert stream.next()[1] == "started"

    stack["broker"].kill()
    stack.start_parts(["broker"])
    held()

    assert names(stream.rest()) == REST
    eventually(lambda: api.get("/health/ready").body["status"] == "ready", what="a stack that is ready")


def test_watch_prints_failed_attempts_and_its_exit_code_shows_a_business_error(
    stack: Stack, correlation_id: str
) -> None:
    command = ["start", "probe", "--correlation-id", correlation_id, "--watch", "--variables"]
    failed_once = run(stack, *command, '{"do": "fail-once"}')
    assert failed_once.returncode == 0, failed_once.stderr
    lines = [line.split("  ", 1)[1] for line in failed_once.stdout.splitlines()[:3]]
    assert lines[0] == "work  started"
    assert lines[1].startswith("work  failed")
    assert re.search(r"told to fail once \(tests/processes/probe/steps\.py:\d+\)\Z", lines[1])
    assert lines[2] == "work  started, attempt 2"

    refused = run(stack, "start", "probe", "--variables", '{"do": "refuse"}', "--wait", str(PATIENCE_S))
    assert refused.returncode == 3, refused.stderr


def accepted(stream: Stream) -> Stream | None:
    """The stream; None if it was refused."""
    return stream if stream.answer.status == 200 else None


class Watcher:
    """`flask process watch --json` in a process of its own."""

    def __init__(self, stack: Stack, url: str, correlation_id: str, out: Path) -> None:
        self._out = out
        with out.open("w") as written:
            self._process = subprocess.Popen(
                ["flask", "process", "watch", correlation_id, "--json", "--url", url],
                cwd=ROOT,
                env=dict(stack.environment.variables),
                stdout=written,
                stderr=subprocess.DEVNULL,
            )

    def said(self) -> str:
        return self._out.read_text()

    def wait(self) -> int:
        return self._process.wait(PATIENCE_S)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)


@contextmanager
def watching(stack: Stack, url: str, correlation_id: str) -> Iterator[Watcher]:
    """Run a watcher for the length of a block."""
    watcher = Watcher(stack, url, correlation_id, stack.folder / f"watch-{correlation_id}.jsonl")
    try:
        yield watcher
    finally:
        watcher.stop()


def run(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a `flask process` command until it ends."""
    return subprocess.run(
        ["flask", "process", *arguments],
        cwd=ROOT,
        env=dict(stack.environment.variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )
